"""An answer to a change says only what differs; what it does not name stays exactly as it was."""

import json
from typing import Any

import pytest

from bmm.llm.current import merged, shown
from bmm.llm.partial import Unusable
from bmm.llm.strict import read_spec
from tests.unit.llm.specs import spec, tool

KEPT = {"kind": "keep", "name": "get_thing"}


def test_a_kept_tool_and_a_field_that_is_left_out_stay_as_they_are() -> None:
    current = spec(instructions="Be brief.", prompts=[{"name": "p", "messages": [{"text": "Hi"}]}])
    document, found = read_spec(json.dumps({"name": "Things", "tools": [KEPT, tool("new")]}), current)
    assert document == {**current, "tools": [current["tools"][0], tool("new")]}
    assert [each.name for each in found.tools] == ["get_thing", "new"]


def test_what_is_given_replaces_and_an_empty_list_removes() -> None:
    current = spec(prompts=[{"name": "p", "messages": [{"text": "Hi"}]}])
    assert merged({"tools": [KEPT], "prompts": [], "description": "New."}, current) == {
        **current, "tools": [current["tools"][0]], "prompts": [], "description": "New.",
    }  # fmt: skip


def test_only_what_is_there_can_be_kept() -> None:
    with pytest.raises(Unusable, match="no current tool 'gone'") as caught:
        merged({"tools": [KEPT, {"kind": "keep", "name": "gone"}]}, spec())
    assert caught.value.pointer == "/tools/1"


def test_kept_tools_do_not_count_as_new_ones() -> None:
    current = spec(*(tool(f"t{number}") for number in range(200)))
    document, _ = read_spec(
        json.dumps({"name": "Things", "tools": [{"kind": "keep", "name": f"t{number}"} for number in range(200)]}), current
    )
    assert document == current


def test_a_long_text_is_shown_as_a_mark_and_comes_back_whole() -> None:
    long = "-----BEGIN CERTIFICATE-----\n" + "x" * 100_000
    resource: dict[str, Any] = {"uri": "docs://a", "name": "a", "text": long}
    current = spec(resources=[resource])
    seen = json.loads(shown(current))
    assert len(seen["resources"][0]["text"]) < 80
    assert merged({"tools": seen["tools"], "resources": seen["resources"]}, current) == current
