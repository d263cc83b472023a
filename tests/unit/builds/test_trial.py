"""The trial against real guards: what it sees and says when tools are listed and when they are found."""

from collections.abc import Callable

import pytest

from bmm.builds.trial import try_out
from bmm.core.tool_list import Tokens, ToolList, about
from bmm.errors import TrialFailed
from tests.unit.runner.guarded import GuardProcess, Home, http_tool, spec

MANY = [http_tool(f"tool_{number}") for number in range(60)]


def test_all_tools_are_listed(start: Callable[..., GuardProcess]) -> None:
    served = spec(tool_list="all")
    said = try_out(start(Home(served)).private, served)
    assert said.startswith("the candidate answers and lists 1 tool, as its spec says; tool list: all, about ")


def test_searched_tools_are_all_found(start: Callable[..., GuardProcess]) -> None:
    served = spec(*MANY, tool_list="search")
    guard = start(Home(served))
    said = try_out(guard.private, served)
    assert said.startswith("the candidate answers and lists 60 tools, as its spec says; tool list: search, about ")
    with pytest.raises(TrialFailed, match="lists other tools than the spec: tool_60"):
        try_out(guard.private, spec(*MANY, http_tool("tool_60"), tool_list="search"))


def test_the_cost_is_said_as_what_it_is_an_estimate() -> None:
    tokens = Tokens(all=192_846, search=323)
    assert str(ToolList(tools=811, tool_list="search", tokens=tokens)) == "tool list: search, about 320 tokens instead of about 190,000"
    assert str(ToolList(tools=811, tool_list="all", tokens=tokens)) == "tool list: all, about 190,000 tokens"
    assert [about(number) for number in (0, 7, 42, 187, 1_249)] == ["about 0", "about 7", "about 42", "about 190", "about 1,200"]
