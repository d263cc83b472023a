"""What the checks find stops a build or is kept with it."""

import msgspec
import pytest

from bmm.builds.check import ChecksFailed, check
from bmm.config import Config
from bmm.core.finding import Finding
from bmm.store import builds
from bmm.store.db import Store
from runner.contract import PythonTool, SecretNeed, ServerSpec
from tests.unit.store import rows


def spec(code: str) -> ServerSpec:
    tool = PythonTool(name="tool", description="Does it.", input_schema={"type": "object"}, code=code)
    return ServerSpec(name="Shop", tools=(tool,), secrets=(SecretNeed(key="KEY"),))


OS = spec("import os\nasync def run(args, ctx): return len(await ctx.secret('KEY'))")


def test_what_blocks_stops_a_build_and_says_where() -> None:
    with pytest.raises(ChecksFailed, match="/tools/0/code line 1: The module `os`") as failed:
        check(OS, Config(), ["KEY"], "shop")
    assert (failed.value.code, failed.value.pointer) == ("checks_failed", "/tools/0/code")
    assert [each.id for each in failed.value.findings] == ["code.import"]


def test_an_operator_can_have_the_grammar_reported_only() -> None:
    (found,) = check(OS, Config(code_checks="report"), ["KEY"], "shop")
    assert (found.level, found.id) == ("ask", "code.import")


@pytest.mark.parametrize(
    "code",
    [
        "async def run(args, ctx): return )", "x = 1", "async def run(args, ctx): return len(await ctx.secret('OTHER'))",
        "KEY = 'ghp_aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5'\nasync def run(args, ctx): return 1",
    ],
)  # fmt: skip
def test_but_not_what_cannot_run_or_must_not(code: str) -> None:
    with pytest.raises(ChecksFailed):
        check(spec(code), Config(code_checks="report"), ["KEY"], "shop")


def test_findings_are_kept_with_the_build(store: Store) -> None:
    build = rows.build(store, rows.server(store))
    assert build.findings == "[]"
    found = check(spec("async def run(args, ctx): return 1"), Config(), ["KEY", "OLD"], "shop")
    store.apply(builds.checked(build.id, found))
    kept = store.one(builds.by_id(build.id))
    assert kept is not None
    assert [each.id for each in msgspec.json.decode(kept.findings, type=list[Finding])] == ["secret.unused", "secret.left_over"]
