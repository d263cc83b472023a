"""What is said of a value that does not fit a schema, and that it is said soon."""

from typing import Any

import pytest

from runner.tools.arguments import MANY, Checker

KINDS = 6
BLOCKS: dict[str, Any] = {
    "type": "object",
    "properties": {"block": {"$ref": "#/$defs/block"}},
    "$defs": {
        "block": {"oneOf": [{"$ref": f"#/$defs/kind{number}"} for number in range(KINDS)]},
        **{
            f"kind{number}": {
                "type": "object",
                "properties": {"type": {"const": f"kind{number}"}, "children": {"type": "array", "items": {"$ref": "#/$defs/block"}}},
                "required": ["type"],
            }
            for number in range(KINDS)
        },
    },
}
"""Kinds of blocks that hold blocks, as editors have them."""


def nested(depth: int, kind: str) -> dict[str, Any]:
    """A block in blocks; `kind` is the innermost one's."""
    block: dict[str, Any] = {"type": kind}
    for _ in range(depth):
        block = {"type": "kind1", "children": [block]}
    return {"block": block}


def test_alternatives_that_hold_themselves_are_told_as_soon_as_others() -> None:
    checker = Checker(BLOCKS)
    assert checker.problems(nested(20, "kind5")) == []
    (problem,) = checker.problems(nested(20, "none"))
    assert problem.startswith('`block`: {"type":"kind1","children":[')
    assert problem.endswith("is not valid under any of the schemas listed in the 'oneOf' keyword")


@pytest.mark.parametrize("name", ["a b", "é", "a/b", "~1", "%", "a%20b", '"', "[0]", "#", "?x", "anyOf", "$ref"])
def test_alternatives_are_found_wherever_they_stand(name: str) -> None:
    alternatives = [{"type": "integer"}, {"$ref": "#/$defs/%C3%A9~1~0"}]
    checker = Checker({"properties": {name: {"anyOf": alternatives}}, "$defs": {"é/~": {"oneOf": [{"type": "null"}, {"const": True}]}}})
    assert [checker.problems({name: value}) for value in (1, None, True)] == [[], [], []]
    assert checker.problems({name: "x"}) == [f"`{name}`: \"x\" is not valid under any of the schemas listed in the 'anyOf' keyword"]


def test_one_of_two_means_not_both() -> None:
    checker = Checker({"oneOf": [{"type": "string"}, {"minLength": 3}]})
    assert checker.problems("abcd") == ["\"abcd\" is valid under more than one of the schemas listed in the 'oneOf' keyword"]
    assert checker.problems("a") == checker.problems(5) == []


def test_alternatives_of_a_schema_with_an_address_of_its_own() -> None:
    checker = Checker({"$id": "https://x.test/s", "anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "b"}], "$defs": {"a": {"type": "null"}, "b": {"$id": "b"}}})
    assert checker.problems(5) == []
    assert Checker({"$id": "https://x.test/s", "anyOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"type": "null"}}}).problems(5)


def test_of_a_large_value_the_first_problem_is_told() -> None:
    checker = Checker({"type": "array", "items": {"type": "null"}})
    assert len(checker.problems([1] * MANY)) == 5
    assert checker.problems([None] * (MANY + 1) + [1, 1]) == [f'`[{MANY + 1}]`: 1 is not of type "null"']
