"""How the choice between a full list and a search reaches the spec."""

import msgspec
import pytest

from bmm.cli.deploy import _with_tool_list
from bmm.errors import BadInput
from runner.contract import decode_spec
from tests.unit.cli.test_compile_and_call import SHOP, bmm
from tests.unit.runner.guarded import spec


@pytest.mark.parametrize("words", [(), ("--tool-list", "search"), ("--tool-list", "all")])
def test_compile_sets_it(words: tuple[str, ...]) -> None:
    done = bmm("compile", "openapi", str(SHOP), *words)
    assert done.returncode == 0
    assert decode_spec(done.stdout).tool_list == (words[1] if words else "auto")


def test_another_word_is_exit_2() -> None:
    assert bmm("compile", "openapi", str(SHOP), "--tool-list", "some").returncode == 2
    assert bmm("deploy", "-", "--slug", "x", "--tool-list", "some").returncode == 2


def test_deploy_overrides_it_and_keeps_the_rest() -> None:
    changed = decode_spec(_with_tool_list(msgspec.json.encode(spec(tool_list="all")), "search"))
    assert changed == spec(tool_list="search")


@pytest.mark.parametrize("document", [b"[]", b"{", b"\xff"])
def test_a_spec_that_is_none_is_refused(document: bytes) -> None:
    with pytest.raises(BadInput, match="not a JSON object"):
        _with_tool_list(document, "all")
