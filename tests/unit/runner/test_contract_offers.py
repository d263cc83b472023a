"""A spec whose resources and prompts contradict themselves is refused with the place and what to do."""

import json
from typing import Any

import pytest

from runner.contract import MAX_CONTENT_BYTES, SpecError, decode_spec

TOOL = {"kind": "python", "name": "show", "description": "d", "input_schema": {"type": "object"}, "code": "builtin:echo"}
TEMPLATE = {"uri": "docs://{page}", "name": "page", "text": "{page}"}
APP = {"uri": "ui://a", "name": "a", "text": "<!doctype html>"}
BIG = "ä" * (MAX_CONTENT_BYTES // 2)


def resource(**changes: Any) -> dict[str, Any]:
    return {"uri": "docs://a", "name": "a", "text": "t"} | changes


def prompt(*messages: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"name": "p", "messages": messages or [{"text": "t"}], "arguments": [{"name": "a"}]} | changes


def refusal(**parts: Any) -> tuple[str, str]:
    with pytest.raises(SpecError) as refused:
        decode_spec(json.dumps({"name": "x"} | parts))
    return refused.value.pointer, refused.value.message


def test_a_spec_may_offer_only_resources_or_only_prompts_but_not_nothing() -> None:
    for parts in ({"resources": [resource()]}, {"resource_templates": [TEMPLATE]}, {"prompts": [prompt()]}):
        decode_spec(json.dumps({"name": "x"} | parts))
    assert "must offer something" in refusal()[1]


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"uri": "guide.md"}, "/uri", "absolute URI"),
        ({"uri": "docs:"}, "/uri", "absolute URI"),
        ({"uri": "docs://a b"}, "/uri", "percent-encoded"),
        ({"uri": "docs://{a}"}, "/uri", "absolute URI"),
        ({"uri": "docs://a\n"}, "/uri", "absolute URI"),
        ({"text": None}, "", "a text or a blob"),
        ({"blob": "aaaa"}, "", "a text or a blob"),
        ({"text": None, "blob": "a"}, "/blob", "base64"),
        ({"text": None, "blob": "ä==="}, "/blob", "base64"),
        ({"text": BIG + "x"}, "/text", "at most 1 MiB"),
        ({"text": None, "blob": "aaaa" + "a" * MAX_CONTENT_BYTES}, "/blob", "at most 1 MiB"),
        ({"uri": "ui://a", "mime_type": "text/html"}, "/mime_type", "text/html;profile=mcp-app"),
    ],
)
def test_a_resource_that_cannot_be_served(changes: dict[str, Any], pointer: str, words: str) -> None:
    place, message = refusal(resources=[resource(uri="docs://ok"), resource(**changes)])
    assert place == f"/resources/1{pointer}"
    assert words in message


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"uri": "{page}://x"}, "/uri", "scheme that is no variable"),
        ({"uri": "docs://{page"}, "/uri", "written twice"),
        ({"uri": "docs://{a}{page}"}, "/uri", "must stand between"),
        ({"uri": "docs://page"}, "/uri", "make it a resource"),
        ({"uri": "docs://ä/{page}"}, "/uri", "percent-encoded"),
        ({"text": "{page} {other}"}, "/text", "{{other}}"),
        ({"text": '{"page": 1}'}, "/text", "character 1 "),
        ({"text": BIG + "x"}, "/text", "at most 1 MiB"),
        ({"values": {"other": ["a"]}}, "/values", "not a variable"),
        ({"values": {"page": []}}, "/values/page", "one or more"),
        ({"uri": "ui://{page}", "mime_type": "text/plain"}, "/mime_type", "MCP Apps"),
    ],
)
def test_a_template_that_cannot_be_served(changes: dict[str, Any], pointer: str, words: str) -> None:
    place, message = refusal(resource_templates=[TEMPLATE | changes])
    assert place == f"/resource_templates/0{pointer}"
    assert words in message


@pytest.mark.parametrize(
    ("message", "pointer", "words"),
    [
        ({}, "", "exactly one"),
        ({"text": "t", "resource": "docs://a"}, "", "exactly one"),
        ({"text": "{b}"}, "/text", "the arguments of 'p'"),
        ({"text": "{"}, "/text", "written twice"),
        ({"text": "t", "mime_type": "text/plain"}, "/mime_type", "only data"),
        ({"data": "aaaa"}, "/mime_type", "image or a sound"),
        ({"data": "aaaa", "mime_type": "text/plain"}, "/mime_type", "image or a sound"),
        ({"data": "!", "mime_type": "image/png"}, "/data", "base64"),
        ({"resource": "docs://b"}, "/resource", "add it"),
        ({"resource": "docs://{b}"}, "/resource", "the arguments of 'p'"),
    ],
)
def test_a_prompt_that_cannot_be_made(message: dict[str, Any], pointer: str, words: str) -> None:
    place, said = refusal(resources=[resource()], prompts=[prompt({"text": "{a}"}, message)])
    assert place == f"/prompts/0/messages/1{pointer}"
    assert words in said


def test_prompts_may_hold_resources_families_and_what_arguments_name() -> None:
    messages = ({"resource": "docs://a"}, {"resource": "page://b"}, {"resource": "{a}"}, {"resource": "page://{a}"})
    family = TEMPLATE | {"uri": "page://{page}"}
    decode_spec(json.dumps({"name": "x", "resources": [resource()], "resource_templates": [family], "prompts": [prompt(*messages)]}))


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [
        ({"resources": [resource(), resource()]}, "/resources/1/uri"),
        ({"resource_templates": [TEMPLATE, TEMPLATE]}, "/resource_templates/1/uri"),
        ({"prompts": [prompt(), prompt()]}, "/prompts/1/name"),
        ({"prompts": [prompt(arguments=[{"name": "a"}, {"name": "a"}])]}, "/prompts/0/arguments/1/name"),
    ],
)
def test_nothing_occurs_twice(parts: dict[str, Any], pointer: str) -> None:
    place, message = refusal(**parts)
    assert place == pointer
    assert "occurs twice" in message


def test_a_prompt_s_name_fits_into_a_header() -> None:
    assert refusal(prompts=[prompt(name="p\n")])[0] == "/prompts/0/name"


def test_an_argument_s_name_is_one_that_a_text_can_hold() -> None:
    assert refusal(prompts=[prompt(arguments=[{"name": "a\n"}])])[0] == "/prompts/0/arguments/0/name"


def test_all_texts_together_have_a_limit() -> None:
    four = [resource(uri=f"docs://{number}", text=BIG) for number in range(4)]
    decode_spec(json.dumps({"name": "x", "resources": four}))
    assert "4 MiB together" in refusal(resources=four, prompts=[prompt()])[1]


@pytest.mark.parametrize("uri", ["ui://b", "docs://a", 7])
def test_a_tool_shows_only_an_app_of_the_spec(uri: object) -> None:
    tool = TOOL | {"meta": {"ui": {"resourceUri": uri}}}
    place, message = refusal(tools=[tool], resources=[APP, resource()])
    assert place == "/tools/0/meta/ui/resourceUri"
    assert "add it" in message


def test_a_tool_may_show_an_app() -> None:
    decode_spec(json.dumps({"name": "x", "tools": [TOOL | {"meta": {"ui": {"resourceUri": "ui://a"}}}], "resources": [APP]}))
