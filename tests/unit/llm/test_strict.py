"""What a lenient reader would pass over is refused, with its place."""

import json

import pytest

from bmm.llm.partial import Unusable
from bmm.llm.strict import MAX_TOOLS, InvalidSpec, read_spec
from tests.unit.llm.specs import spec, tool

GOOD = json.dumps(spec())


def test_a_good_answer_is_its_spec() -> None:
    document, found = read_spec(GOOD)
    assert document == spec()
    assert [each.name for each in found.tools] == ["get_thing", "get_other"]


@pytest.mark.parametrize(
    ("text", "said", "pointer"),
    [
        ("", "not JSON", ""),
        (GOOD[:-1], "not JSON", ""),
        (f"{GOOD} {{}}", "not JSON", ""),
        ("[]", "one JSON object", ""),
        (GOOD.replace('"kind": "http"', '"kind": "http", "kind": "http"', 1), "'kind' occurs twice", "/tools/0"),
        (GOOD.replace('"type": "string"', '"type": "string", "a~/b": {"x": 1, "x": 2}', 1), "'x' occurs", "/tools/0/input_schema/properties/id/a~0~1b"),
        (GOOD.replace('"required": ["id"]', '"minimum": NaN', 1), "finite", "/tools/0/input_schema/minimum"),
        (GOOD.replace('"required": ["id"]', '"minimum": -Infinity', 1), "finite", "/tools/0/input_schema/minimum"),
        (GOOD.replace('"required": ["id"]', '"minimum": 1e999', 1), "finite", "/tools/0/input_schema/minimum"),
        (GOOD.replace('"required": ["id"]', f'"minimum": {"9" * 5000}', 1), "not JSON", ""),
        (GOOD.replace("Things", "\\ud800"), "half of a surrogate pair", ""),
        ('{"name": ' + "[" * 5000 + "]" * 5000 + "}", "deeper than 32", ""),
        (json.dumps(spec(tool("a", description="x" * 3_000_000))), "larger than 512 KB", ""),
        (json.dumps(spec(*(tool(f"t{number}") for number in range(MAX_TOOLS + 1)))), "at most 64 new tools, this one has 65", "/tools"),
        (json.dumps(spec(tools=[{"kind": "keep", "name": "a"}])), "Invalid value 'keep'", "/tools/0/kind"),
    ],
)  # fmt: skip
def test_it_is_refused_with_its_place(text: str, said: str, pointer: str) -> None:
    with pytest.raises(Unusable, match=said) as caught:
        read_spec(text)
    assert caught.value.pointer == pointer


@pytest.mark.parametrize(
    ("changed", "said", "pointer"),
    [
        (spec(tool("a"), tool("a")), "'a' occurs twice", "/tools/1/name"),
        (
            spec(tool("a", server="https://evil.example.net")),
            "evil.example.net:443 over HTTPS, which /hosts does not allow",
            "/tools/0/server",
        ),
        (spec(tool("a", methods="GET")), "unknown field `methods`", "/tools/0"),
        (spec(tool("a", auth=[[{"type": "bearer", "secret": "TOKEN"}]])), "TOKEN, which /secrets does not list", "/tools/0/auth"),
        (spec(name=""), "Expected `str` of length >= 1", "/name"),
    ],
)
def test_an_invalid_spec_keeps_its_document_for_the_repair(changed: dict[str, object], said: str, pointer: str) -> None:
    with pytest.raises(InvalidSpec, match=said) as caught:
        read_spec(json.dumps(changed))
    assert (caught.value.pointer, caught.value.document) == (pointer, changed)
