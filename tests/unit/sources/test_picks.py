"""Fields of answers that `--pick` names, beside what the document says of them."""

from typing import Any

import pytest

from bmm.sources.openapi.options import Options
from tests.unit.sources.documents import compiled, operation

ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"}, "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}}, "a/b": {"type": "integer"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}}, "anything": {}, "raw": {"type": "object"},
        "who": {"oneOf": [{"$ref": "#/components/schemas/Person"}, {"type": "object", "properties": {"company": {"type": "string"}}}]},
    },
}  # fmt: skip
PERSON = {"allOf": [{"type": "object", "properties": {"name": {"type": "string"}}}, {"properties": {"boss": {"$ref": "#/components/schemas/Person"}}}]}
LINE = {"type": "object", "properties": {"sku": {"type": "string"}, "count": {"type": "integer"}}}


def said(pointer: str, schema: Any = ORDER) -> list[str]:
    answers = {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}
    document = operation(responses=answers, root={"components": {"schemas": {"Line": LINE, "Person": PERSON}}})
    found = compiled(document, options=Options(picks={"op": (pointer,)}))
    return [str(each) for each in found.findings if "--pick" in each.message]


@pytest.mark.parametrize(
    "pointer",
    ["/id", "/lines", "/lines/*/sku", "/lines/0/sku", "/a~1b", "/labels/red", "/labels/*", "/anything/x/y", "/raw/x", "/who/name", "/who/company", "/*",
     "/who/boss/anything", "/*/sku"],
)  # fmt: skip
def test_what_may_be_there_is_not_remarked_upon(pointer: str) -> None:
    assert said(pointer) == []


@pytest.mark.parametrize(
    ("pointer", "segment", "instead"),
    [
        ("/idd", "idd", "id, lines, a/b, labels, anything, raw, who"),
        ("/lines/sku", "sku", "*"),
        ("/lines/*/price", "price", "sku, count"),
        ("/who/age", "age", "name, boss, company"),
    ],
)
def test_a_slip_is_told_with_what_there_is(pointer: str, segment: str, instead: str) -> None:
    (line,) = said(pointer)
    assert line.startswith(f"warning: /paths/~1x/get: --pick op: the document's answers have no '{segment}' in {pointer[1:]}, ")
    assert line.endswith(f"(what they have in its place: {instead})")


def test_a_field_below_a_text_is_a_slip() -> None:
    (line,) = said("/id/x")
    assert line.endswith("(leave out what stands behind it)")


def test_what_the_document_does_not_say_is_not_judged() -> None:
    assert said("/idd", {"type": "array", "items": ORDER}) == []
    assert said("/idd", {}) == []
