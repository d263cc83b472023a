"""Whatever the borders of the pieces, each tool is there as soon as it is closed."""

import json
import random
from typing import Any

import pytest

from bmm.llm.partial import MAX_BYTES, MAX_DEPTH, SpecReader, Unusable
from tests.unit.llm.specs import spec, tool

NASTY = ['"', "\\", '\\"', "}", "]}", '"tools": [{"name": "no"}]', "é", "😀", "\n", "{", "\u2028", ""]


def random_value(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.randrange(6 if depth < 5 else 4)
    if kind == 0:
        return "".join(dice.choices(NASTY, k=dice.randrange(5)))
    if kind == 1:
        return dice.choice([None, True, False, -1.5e10, 0])
    if kind < 4:
        return dice.choice(NASTY)
    if kind == 4:
        return [random_value(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {dice.choice(["tools", "name", *NASTY]) + str(n): random_value(dice, depth + 1) for n in range(dice.randrange(4))}


def random_object(dice: random.Random) -> dict[str, Any]:
    return {"name": dice.choice(NASTY), "tools": random_value(dice), "more": random_value(dice)}


def written(dice: random.Random, document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=dice.random() < 0.5, indent=dice.choice([None, 1, 3]))


@pytest.mark.parametrize("seed", range(300))
def test_any_split_of_any_spec_gives_the_same_tools(seed: int) -> None:
    dice = random.Random(seed)
    tools = [random_object(dice) for _ in range(dice.randrange(5))]
    before = {"x": random_value(dice), "tool": [{"a": 1}], "in": {"tools": [{"b": 2}]}}
    text = written(dice, {**before, "tools": tools, "y": [[{"c": random_value(dice)}]]})
    reader, found, at = SpecReader(), list[dict[str, Any]](), 0
    while at < len(text):
        size = dice.choice([1, 1, 2, 7, 40])
        found += reader.feed(text[at : at + size])
        at += size
    assert found == tools
    assert reader.text == text


def test_every_border_between_two_pieces_gives_the_same_tools() -> None:
    document = spec(tool("a"), tool("b", title='}]"\\'), tool("c"))
    text = json.dumps(document, ensure_ascii=False)
    for border in range(len(text)):
        reader = SpecReader()
        assert reader.feed(text[:border]) + reader.feed(text[border:]) == document["tools"], border


def test_a_tool_is_there_with_its_last_character_and_not_before() -> None:
    text = json.dumps(spec(tool("a"), tool("b")))
    end = text.index("}, {", text.index('"annotations"')) + 1
    reader = SpecReader()
    assert reader.feed(text[: end - 1]) == []
    assert [each["name"] for each in reader.feed(text[end - 1 : end])] == ["a"]


def test_an_escaped_key_is_the_same_key() -> None:
    assert SpecReader().feed('{"\\u0074ools": [{"name": "a"}]}') == [{"name": "a"}]


def test_what_cannot_be_kept_is_not_handed_out() -> None:
    assert SpecReader().feed('{"tools": [{"n": NaN}, {"s": "\\ud800"}, 1, [{}], "x", {"name": "good"}]}') == [{"name": "good"}]


def test_too_much_and_too_deep_are_refused_while_reading() -> None:
    large = SpecReader()
    assert large.feed("é" * (MAX_BYTES // 2)) == []
    with pytest.raises(Unusable, match="larger than 512 KB"):
        large.feed("x")
    deep = SpecReader()
    assert deep.feed("[" * MAX_DEPTH) == []
    with pytest.raises(Unusable, match="deeper than 32"):
        deep.feed("[")
