"""Values made from schemas: they fit, they are the same each time, and where none can be made that is said."""

import re
import time
from typing import Any

import pytest

from bmm.builds.contract.pattern import CannotSample, sample
from bmm.builds.contract.values import CannotMake, Schema

TREE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["name"],
}


def of(schema: Any) -> Any:
    return Schema({"type": "object", "properties": {"it": schema}, "required": ["it"]}).value()["it"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "text"),
        ({"type": "string", "examples": ["p-100", "p-200"]}, "p-100"),
        ({"type": "string", "example": "old style"}, "old style"),
        ({"type": "integer", "default": 20}, 20),
        ({"type": "integer", "examples": ["not one"]}, 1),
        ({"const": "always"}, "always"),
        ({"enum": [None, "a", "b"]}, "a"),
        ({"type": ["null", "integer"]}, 1),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({}, "text"),
        ({"type": "string", "minLength": 10}, "texttextte"),
        ({"type": "string", "maxLength": 2.0}, "te"),
        ({"type": "string", "format": "date-time"}, "2026-01-31T12:00:00Z"),
        ({"type": "string", "pattern": "^cus_[a-z0-9]{3,}$"}, "cus_aaa"),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "integer", "exclusiveMinimum": 1, "multipleOf": 4}, 4),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"type": "number", "minimum": 0.25, "maximum": 0.5}, 0.25),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True}, [1, 2, 3]),
        ({"type": "array", "items": False}, []),
        ({"type": "array", "prefixItems": [{"type": "boolean"}, {"type": "integer"}]}, [True, 1]),
        ({"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}}, {"key0": 1, "key1": 1}),
        ({"allOf": [{"properties": {"a": {"type": "integer"}}}, {"required": ["a"], "type": "object"}]}, {"a": 1}),
        ({"oneOf": [{"type": "null"}, {"type": "integer", "minimum": 7}]}, 7),
        (
            {"type": "object", "properties": {"a": {}, "b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {"a": "text", "b": "text"},
        ),
    ],
)
def test_the_plainest_value_that_fits(schema: Any, value: Any) -> None:
    assert of(schema) == value


def test_references_are_followed_and_trees_end() -> None:
    assert Schema(TREE).value() == {"name": "text", "children": [{"name": "text"}]}
    defined = {"type": "object", "properties": {"a": {"$ref": "#/$defs/a~1b"}}, "required": ["a"], "$defs": {"a/b": {"enum": [3]}}}
    assert Schema(defined).value() == {"a": 3}


def test_examples_that_do_not_fit_are_not_used() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "examples": [{"n": "seven"}]}
    assert Schema(schema).value() == {"n": 1}


def test_optional_members_are_given_but_for_those_to_leave_out() -> None:
    schema = {"type": "object", "properties": {"a": {}, "cursor": {}}, "required": []}
    assert Schema(schema).value() == {"a": "text", "cursor": "text"}
    assert Schema(schema).value(frozenset({"cursor"})) == {"a": "text"}


@pytest.mark.parametrize(
    "schema", [False, {"type": "integer", "not": {}}, {"type": "string", "pattern": r"^(a)\1$"}, {"$ref": "#/$defs/none"}]
)
def test_what_cannot_be_made_is_said(schema: Any) -> None:
    with pytest.raises((CannotMake, ValueError)):
        of(schema)


def test_a_schema_with_endless_branches_is_given_up_soon() -> None:
    tree: dict[str, Any] = {"type": "object", "required": ["a", "b"], "properties": {}}
    tree["properties"] = {name: {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]} for name in ("a", "b")}
    begun = time.thread_time()
    with pytest.raises(CannotMake):
        Schema(tree).value()
    assert time.thread_time() - begun < 1


def test_what_does_not_fit_is_one_of_each_kind() -> None:
    schema = Schema({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["b"]})
    wrong = dict(schema.wrong({"a": "text", "b": 1}))
    assert wrong == {"missing": {"a": "text"}, "wrong_type": {"a": {"not": "this"}, "b": 1}}
    closed = Schema({"type": "object", "properties": {"a": {}}, "additionalProperties": False})
    assert [case for case, _ in closed.wrong({"a": 1})] == ["unknown"]
    assert not list(Schema({"type": "object"}).wrong({"a": 1}))


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Z]{2}$", r"^\d{4}-\d{2}$", r"^(GET|POST)$", r"^(?:a|b)+c?$", r"[^a-z]+", r"^\+?[1-9]\d{1,14}$", r"^[\w.-]+@[\w.-]+\.\w+$",
        r"^\p{L}+$", r"^(?<year>\d{4})$", r"^\x41\u0042$", r"^.{3,}$", r"^[]a]+$", r"^a{0}b$", r"^[a-f0-9]{8}(-[a-f0-9]{4}){3}$",
    ],
)  # fmt: skip
def test_a_sample_is_accepted_by_its_pattern(pattern: str) -> None:
    python = pattern.replace(r"\p{L}", "[a-z]").replace("(?<year>", "(?P<year>")
    for times in (1, 5):
        assert re.search(python, sample(pattern, times)), sample(pattern, times)


@pytest.mark.parametrize("pattern", [r"(a)\1", "(a", "[a", "a)", "(?i)a", "a{999999}"])
def test_a_pattern_that_is_not_understood_is_said_to_be(pattern: str) -> None:
    with pytest.raises(CannotSample):
        sample(pattern)
