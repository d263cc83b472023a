"""Schema Objects -> JSON Schema 2020-12."""

from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from bmm.sources.openapi.refs import Document, RefError
from bmm.sources.openapi.schemas import Schemas

COMPONENTS: dict[str, Any] = {
    "Name": {"type": "string", "minLength": 1, "description": "A name"},
    "Pet": {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": {"type": "integer", "readOnly": True}, "name": {"$ref": "#/components/schemas/Name"}},
    },
    "Tree": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}}},
    "Even": {"type": "object", "properties": {"odd": {"$ref": "#/components/schemas/Odd"}}},
    "Odd": {"type": "object", "properties": {"even": {"$ref": "#/components/schemas/Even"}, "name": {"$ref": "#/components/schemas/Name"}}},
    "Circle": {"$ref": "#/components/schemas/Circle2"},
    "Circle2": {"$ref": "#/components/schemas/Circle"},
    "Self": {"allOf": [{"$ref": "#/components/schemas/Self"}]},
    "a/b~c": {"type": "boolean"},
    "Secret": {"type": "string", "readOnly": True},
}  # fmt: skip
NAME = {"type": "string", "minLength": 1, "description": "A name"}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def schemas(**options: Any) -> Schemas:
    return Schemas(Document({"components": {"schemas": COMPONENTS}}), **options)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"nullable": True, "oneOf": [{"type": "string"}]}, {"anyOf": [{"oneOf": [{"type": "string"}]}, {"type": "null"}]}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, {"type": "integer", "exclusiveMinimum": 1}),
        ({"maximum": 9, "exclusiveMaximum": False}, {"maximum": 9}),
        ({"exclusiveMinimum": 3}, {"exclusiveMinimum": 3}),
        ({"example": {"a": 1}}, {"examples": [{"a": 1}]}),
        ({"examples": [1, 2, 3, 4]}, {"examples": [1, 2, 3]}),
        ({"examples": {"odd": 1}}, {}),
        ({"default": False, "const": None}, {"default": False, "const": None}),
        ({"xml": {}, "discriminator": {}, "x-a": 1, "$id": "http://x", "externalDocs": {}}, {}),
        (
            {"type": ["string", "any"], "required": True, "minLength": "3", "maximum": "many", "enum": []},
            {"minLength": 3},
        ),
        ({"pattern": "(", "format": "date"}, {"format": "date"}),
        ({"pattern": r"^\d+$"}, {"pattern": r"^\d+$"}),
        ({"items": [{"type": "string"}], "additionalProperties": "yes"}, {"prefixItems": [{"type": "string"}]}),
        ({"description": "<p>A <b>bold</b>\u200b word</p>"}, {"description": "A bold word"}),
        (ref("Name"), NAME),
        (ref("a~1b~0c"), {"type": "boolean"}),
        ({**ref("Name"), "description": "Of the dog"}, NAME | {"description": "Of the dog"}),
        ({**ref("Name"), "nullable": True, "description": "x"}, {"description": "x", "anyOf": [NAME, {"type": "null"}]}),
        ({**ref("Name"), "maxLength": 3}, {"allOf": [NAME, {"maxLength": 3}]}),
        (ref("Pet"), {"type": "object", "required": ["name"], "properties": {"name": NAME}}),
        ({"properties": {"s": ref("Secret"), "$ref": {"type": "string"}}, "required": ["s"]}, {"properties": {"$ref": {"type": "string"}}}),
        ({"allOf": [ref("Name"), True], "not": {"const": 1}}, NAME | {"not": {"const": 1}}),
        ({"allOf": [ref("Name"), {"description": "Of the dog"}]}, NAME | {"description": "Of the dog"}),
        ({"allOf": [ref("Name"), {"deprecated": True}, {"maxLength": 3}]}, {"deprecated": True, "allOf": [NAME, {"maxLength": 3}]}),
        ({"nullable": True, "allOf": [ref("Name")]}, {"anyOf": [NAME, {"type": "null"}]}),
        ({"type": "string", "allOf": [ref("Name")]}, NAME),
        (
            {"allOf": [{"properties": {"a": {}}, "additionalProperties": False}], "properties": {"b": {}}},
            {"allOf": [{"properties": {"a": {}}, "additionalProperties": False}], "properties": {"b": {}}},
        ),
        (
            {"allOf": [{"type": "object", "properties": {"a": {}, "id": {"allOf": [ref("Secret")]}}}, {"required": ["id", "a"]}]},
            {"allOf": [{"type": "object", "properties": {"a": {}}}, {"required": ["a"]}]},
        ),
        ({"properties": {"a": {"allOf": [ref("Secret")]}, "b": {"type": "array", "items": ref("Secret")}}}, {"properties": {}}),
        (
            {"properties": {"a": {"type": "integer"}, "s": ref("Secret")}, "example": {"a": 1, "s": "x"}},
            {"properties": {"a": {"type": "integer"}}, "examples": [{"a": 1}]},
        ),
        (True, True),
    ],
)
def test_a_schema_is_written_out(schema: Any, expected: Any) -> None:
    converted = schemas().convert(schema, "")
    assert (converted.schema, converted.needs) == (expected, frozenset())
    Draft202012Validator(expected)


def test_only_what_contains_itself_goes_under_defs() -> None:
    under_test = schemas()
    converted = under_test.convert({"properties": {"t": ref("Tree"), "e": ref("Even"), "n": ref("Name")}}, "")
    assert converted.schema == {"properties": {"t": {"$ref": "#/$defs/Tree"}, "e": {"$ref": "#/$defs/Even"}, "n": NAME}}
    assert under_test.definitions(converted.needs) == {
        "Even": {"type": "object", "properties": {"odd": {"$ref": "#/$defs/Odd"}}},
        "Odd": {"type": "object", "properties": {"even": {"$ref": "#/$defs/Even"}, "name": NAME}},
        "Tree": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}},
    }


def test_shared_schemas_are_written_once() -> None:
    under_test = schemas(shared=True)
    converted = under_test.convert({"allOf": [ref("Pet"), ref("Pet")]}, "")
    assert converted.schema == {"allOf": [{"$ref": "#/$defs/Pet"}, {"$ref": "#/$defs/Pet"}]}
    assert list(under_test.definitions(converted.needs)) == ["Name", "Pet"]


def test_a_schema_of_nothing_but_itself_does_not_hang_the_validator() -> None:
    under_test = schemas()
    converted = under_test.convert(ref("Self"), "")
    assert Draft202012Validator({**dict(converted.schema), "$defs": under_test.definitions(converted.needs)}).is_valid(1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        (ref("Circle"), "leads back to itself"),
        (ref("Missing"), "leads to nothing"),
        ({"items": {"$ref": "other.yaml#/A"}}, "leads to another document"),
        ({"$ref": "http://evil.test/x.json"}, "leads to another document"),
        ({"$ref": "#anchor"}, "not a JSON pointer"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named_with_its_place(schema: Any, sentence: str) -> None:
    with pytest.raises(RefError, match=sentence) as refused:
        schemas().convert(schema, "/here")
    assert refused.value.pointer.startswith("/")


def test_schemas_that_multiply_are_counted_not_written() -> None:
    components: dict[str, Any] = {"s0": {"type": "string"}}
    components |= {f"s{n}": {"properties": {str(i): ref(f"s{n - 1}") for i in range(10)}} for n in range(1, 40)}
    under_test = Schemas(Document({"components": {"schemas": components}}))
    assert under_test.convert(ref("s39"), "").nodes > 10**38
