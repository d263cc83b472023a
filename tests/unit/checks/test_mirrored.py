"""Declarations of `x-mcp-header` that make clients drop a tool."""

from typing import Any

import pytest

from bmm.builds.check import check
from bmm.checks.mirrored import header_fault
from bmm.config import Config
from bmm.errors import BadInput
from tests.unit.runner.guarded import http_tool, spec

REGION = {"type": "string", "x-mcp-header": "Region"}


def fault(properties: dict[str, Any], **more: Any) -> tuple[str, str] | None:
    return header_fault({"type": "object", "properties": properties, **more})


def test_arguments_of_every_depth_can_be_mirrored() -> None:
    inner = {"type": "object", "properties": {"size": {"type": "integer", "x-mcp-header": "X-Size"}}}
    assert fault({"region": REGION, "deep": inner, "on": {"type": "boolean", "x-mcp-header": "On"}}) is None


def test_an_argument_of_that_name_and_values_of_that_form_declare_nothing() -> None:
    assert fault({"x-mcp-header": {"type": "string"}, "a": {"enum": [{"x-mcp-header": 1}], "default": {"x-mcp-header": 1}}}) is None


@pytest.mark.parametrize(
    ("schema", "words", "place"),
    [
        ({"properties": {"a": {"type": "string", "x-mcp-header": ""}}}, "''", "/properties/a"),
        ({"properties": {"a": {"type": "string", "x-mcp-header": "a b"}}}, "'a b'", "/properties/a"),
        ({"properties": {"a": {"type": "string", "x-mcp-header": "a\r\nb"}}}, "none", "/properties/a"),
        ({"properties": {"a": {"type": "string", "x-mcp-header": 5}}}, "5", "/properties/a"),
        ({"properties": {"a": {"type": "number", "x-mcp-header": "A"}}}, "string, integer or boolean", "/properties/a"),
        ({"properties": {"a": {"x-mcp-header": "A"}}}, "string, integer or boolean", "/properties/a"),
        ({"properties": {"a": REGION, "b": REGION | {"x-mcp-header": "REGION"}}}, "twice", "/properties/b"),
        ({"properties": {"a": {"type": "array", "items": REGION}}}, "nothing but", "/properties/a/items"),
        ({"properties": {"a": {"anyOf": [{"type": "null"}, REGION]}}}, "nothing but", "/properties/a/anyOf/1"),
        ({"$defs": {"r": REGION}, "properties": {"a": {"$ref": "#/$defs/r"}}}, "nothing but", "/$defs/r"),
        ({"if": {"properties": {"a": REGION}}}, "nothing but", "/if/properties/a"),
        (REGION, "nothing but", ""),
    ],
)
def test_a_declaration_that_clients_do_not_take_is_refused(schema: dict[str, Any], words: str, place: str) -> None:
    found = header_fault(schema)
    assert found is not None
    assert words in found[0]
    assert found[1] == f"{place}/x-mcp-header"


def test_a_build_names_the_place() -> None:
    bad = http_tool(input_schema={"type": "object", "properties": {"id": {"type": "number", "x-mcp-header": "Id"}}})
    with pytest.raises(BadInput) as refused:
        list(check(spec(bad), Config(egress_plain_http=("shop.test:8081",)), (), "shop"))
    assert refused.value.pointer == "/tools/0/input_schema/properties/id/x-mcp-header"
