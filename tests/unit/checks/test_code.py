"""The rules for code: attacks are refused where they stand, honest tools are not spoken of. Each group is a line of the threat model."""

import ast
import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from bmm.checks.code import check_code, findings_of, readings
from bmm.checks.reader.exports import EXPORTS
from bmm.core.finding import Finding, blocks
from tests.checks import GOOD, examples
from tests.checks.bad import ASKED, BAD, CONTAINED, module
from tests.checks.bad_again import BAD_AGAIN
from tests.checks.bad_third import ASKED_ABOUT, REFUSED

ATTACKS = {f"{group}: {name}": module(body) for group, bodies in BAD.items() for name, body in bodies.items()}
AGAIN = {name: module(body) for name, body in BAD_AGAIN.items()}
HONEST = GOOD | examples()


@cache
def findings() -> dict[str, list[Finding]]:
    """Of every code here: one process reads them all."""
    codes = ATTACKS | AGAIN | REFUSED | ASKED_ABOUT | HONEST | {name: module(body) for name, body in CONTAINED.items()}
    read = readings(list(codes.values()))
    return {name: findings_of(reading, code, "") for (name, code), reading in zip(codes.items(), read, strict=True)}


@pytest.mark.parametrize("name", ATTACKS)
def test_refused_is(name: str) -> None:
    found = blocks(findings()[name])
    assert found
    # Each attack is a tool by its form, so that nothing but its trick is refused.
    assert not {"code.syntax", "code.unreadable"} & {each.id for each in found}
    assert all(each.line and each.message and each.fix for each in found)


@pytest.mark.parametrize("name", AGAIN)
def test_refused_is_what_a_second_round_found(name: str) -> None:
    assert blocks(findings()[name])


@pytest.mark.parametrize("name", REFUSED)
def test_refused_is_what_a_third_round_found(name: str) -> None:
    assert blocks(findings()[name])


@pytest.mark.parametrize("name", ASKED_ABOUT)
def test_asked_about_is_what_a_third_round_found(name: str) -> None:
    assert [each for each in findings()[name] if each.level != "note"]


@pytest.mark.parametrize("name", CONTAINED)
def test_what_the_worker_must_hold_is_not_refused_but_asked_about_where_it_shows(name: str) -> None:
    found = findings()[name]
    assert not blocks(found)
    assert bool([each for each in found if each.level == "ask"]) == (name in ASKED)


@pytest.mark.parametrize("name", HONEST)
def test_honest_is(name: str) -> None:
    assert [str(each) for each in findings()[name] if each.level != "note"] == []


def test_the_corpora_are_as_large_as_they_claim() -> None:
    assert len(GOOD) >= 25
    assert len(ATTACKS) >= 80
    assert len(AGAIN) >= 25
    for code in HONEST.values():
        ast.parse(code)


def test_no_export_is_a_module_or_leads_to_one_by_its_name() -> None:
    for name, exports in EXPORTS.items():
        held = importlib.import_module(name)
        assert {
            each for each in exports if not hasattr(held, each) or isinstance(getattr(held, each), ModuleType)
        } == set() or name == "__future__"


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("async def run(args, ctx): return 1", None),
        ("async def run(args, ctx, more=1): pass", None),
        ("async def run(*both): pass", None),
        ("return )", "does not parse"),
        ("x = 1", "does not define"),
        ("def run(args, ctx): pass", "must be `async def"),
        ("async def run(args): pass", "two arguments"),
        ("async def run(args, ctx, more): pass", "two arguments"),
        ("async def run(args, ctx, *, more): pass", "two arguments"),
        ("class A:\n    async def run(self, args): pass", "does not define"),
    ],
)
def test_code_without_a_run_that_can_be_called_is_refused(code: str, fault: str | None) -> None:
    messages = [each.message for each in blocks(check_code(code))]
    assert messages == [] if fault is None else any(fault in each for each in messages)


def test_code_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    assert blocks(check_code(f"open({str(mark)!r}, 'w')\nasync def run(args, ctx): return 1"))
    assert not mark.exists()


def test_a_finding_says_the_line_and_never_the_value_of_a_key() -> None:
    code = "async def run(args, ctx):\n    return 1\n\n\nKEY = 'ghp_aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5'\n"
    (found,) = blocks(check_code(code, "/tools/0/code"))
    assert (found.id, found.line, found.place) == ("secret.in_code", 5, "/tools/0/code")
    assert "aB3dE5" not in str(found)
