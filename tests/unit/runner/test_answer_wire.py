"""How what a tool gives looks on the wire, and that it fits the schema beside it."""

from typing import Any

import jsonschema_rs
import msgspec
import pytest

from runner.protocol.described import described, promise_of, published_output
from runner.protocol.tools import NEXT, encoded_result
from runner.tools.result import ToolAnswer, failed
from tests.unit.runner.guarded import http_tool

OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
LIST = {"type": "array", "items": {"type": "string"}}
TREE = {
    "type": "object",
    "properties": {"next": {"$ref": "#/$defs/T"}},
    "$defs": {"T": {"type": "object", "properties": {"t": {"$ref": "#/$defs/T"}}}},
}
BLOCK = {"type": "image", "data": "AA==", "mimeType": "image/png"}
ANSWERS = (
    ToolAnswer(text='{"a":1}', structured={"a": 1}),
    ToolAnswer(text='{"a":"x"}', structured={"a": "x"}),
    ToolAnswer(text="[1]", structured=[1]),
    ToolAnswer(text="3", structured=3),
    ToolAnswer(text="words"),
    ToolAnswer(text="a file", blocks=(BLOCK,)),
)


def shown(answer: ToolAnswer, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(encoded_result(answer, start=b"{", **options))
    return found


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("schema", [OBJECT, LIST, TREE])
@pytest.mark.parametrize("modern", [True, False])
def test_structured_content_fits_the_published_schema_whatever_came(answer: ToolAnswer, schema: dict[str, Any], modern: bool) -> None:
    tool = http_tool(output_schema=schema)
    listed, result = described(tool, modern=modern), shown(answer, promise=promise_of(tool, modern=modern))
    if "outputSchema" in listed:
        assert jsonschema_rs.validator_for(listed["outputSchema"]).is_valid(result["structuredContent"])
    assert modern or "structuredContent" not in result or isinstance(result["structuredContent"], dict)
    assert modern or "outputSchema" not in listed or listed["outputSchema"]["type"] == "object"
    assert result["isError"] is False


def test_a_list_or_words_stand_in_an_object_where_one_was_promised() -> None:
    assert shown(ANSWERS[2], promise="object")["structuredContent"] == {"items": [1]}
    assert shown(ANSWERS[3], promise="object")["structuredContent"] == {"value": 3}
    assert shown(ANSWERS[4], promise="object")["structuredContent"] == {"text": "words"}
    assert shown(ANSWERS[2], promise="any")["structuredContent"] == [1]
    assert "structuredContent" not in shown(ANSWERS[2])


@pytest.mark.parametrize("schema", [{"type": "object", "properties": {"a": {"$ref": "#/properties/b"}}}, {"type": "object", "$id": "x:y"}])
def test_a_schema_that_only_works_at_its_root_is_not_published(schema: dict[str, Any]) -> None:
    assert published_output(schema) is None


def test_an_error_never_has_structured_content() -> None:
    assert shown(failed("x", "no"), promise="object") == {"content": [{"type": "text", "text": "no"}], "isError": True}


def test_a_note_is_a_block_of_its_own_with_the_next_arguments() -> None:
    answer = ToolAnswer(text="[]", structured=[], note="There is more.", following={"page": 2}, blocks=(BLOCK,))
    assert shown(answer)["content"] == [
        {"type": "text", "text": "[]"},
        {"type": "text", "text": "There is more.", "_meta": {NEXT: {"page": 2}}},
        BLOCK,
    ]
