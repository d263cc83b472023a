"""Resources and prompts in the shapes of the specification; what does not exist is an error, never empty."""

import base64
from typing import Any

import msgspec
import pytest

from runner.contract import Prompt, PromptArgument, PromptMessage, Resource, ResourceTemplate, ServerSpec, check_spec
from runner.protocol.completion import PromptRef, Ref, ResourceRef, Typed
from runner.protocol.jsonrpc import RpcError
from runner.protocol.offers import LEGACY_UNKNOWN_RESOURCE, Offers

PNG = base64.b64encode(b"\x89PNG123").decode()
UI = {"ui": {"csp": {"connectDomains": ["https://api.shop.test"]}, "prefersBorder": True}}
SPEC = ServerSpec(
    name="Guide",
    resources=(
        Resource(
            uri="docs://start", name="start", title="Start", description="How to begin", mime_type="text/markdown", text="# Grüße {x}"
        ),
        Resource(uri="docs://logo", name="logo", mime_type="image/png", blob=PNG),
        Resource(uri="ui://guide/board", name="board", text="<!doctype html><title>Board</title>", meta=UI),
    ),
    resource_templates=(
        ResourceTemplate(
            uri="docs://{lang}/{page}",
            name="page",
            mime_type="text/plain",
            text="{page} in {lang} {{as is}}",
            values={"lang": ("de", "en")},
        ),
    ),
    prompts=(
        Prompt(
            name="review",
            title="Review",
            description="Look at a page",
            arguments=(
                PromptArgument(name="lang", title="Language", description="Of the page", required=True, ask=True, values=("de", "en")),
                PromptArgument(name="page", required=True),
                PromptArgument(name="tone"),
            ),
            messages=(
                PromptMessage(text="Review {page} in {lang}.{tone}"),
                PromptMessage(resource="docs://{lang}/{page}"),
                PromptMessage(data=PNG, mime_type="image/png"),
                PromptMessage(role="assistant", data=PNG, mime_type="audio/wav"),
            ),
        ),
        Prompt(name="read", arguments=(PromptArgument(name="uri", required=True),), messages=(PromptMessage(resource="{uri}"),)),
        Prompt(name="plain", messages=(PromptMessage(text="Hello {{you}}."),), meta={"x": 1}),
    ),
)
OFFERS = Offers(SPEC)


def inner(encoded: bytes | None) -> dict[str, Any]:
    assert encoded is not None
    found: dict[str, Any] = msgspec.json.decode(b"{%b}" % encoded)
    return found


def contents(uri: str) -> dict[str, Any]:
    (only,) = inner(OFFERS.read(uri))["contents"]
    return dict(only)


def test_the_spec_of_these_tests_is_one() -> None:
    check_spec(SPEC)


def test_resources_are_listed_with_size_and_meta_but_without_their_texts() -> None:
    app = {"name": "board", "uri": "ui://guide/board", "size": 35, "mimeType": "text/html;profile=mcp-app", "_meta": UI}
    assert inner(OFFERS.list("resources/list"))["resources"] == [
        {"name": "start", "title": "Start", "description": "How to begin", "uri": "docs://start", "size": 13, "mimeType": "text/markdown"},
        {"name": "logo", "uri": "docs://logo", "size": 7, "mimeType": "image/png"},
        app,
    ]
    assert inner(OFFERS.list("resources/templates/list")) == {
        "resourceTemplates": [{"name": "page", "uriTemplate": "docs://{lang}/{page}", "mimeType": "text/plain"}]
    }


def test_prompts_are_listed_with_their_arguments() -> None:
    review, read, plain = inner(OFFERS.list("prompts/list"))["prompts"]
    assert review == {
        "name": "review",
        "title": "Review",
        "description": "Look at a page",
        "arguments": [
            {"name": "lang", "title": "Language", "description": "Of the page", "required": True},
            {"name": "page", "required": True},
            {"name": "tone", "required": False},
        ],
    }
    assert read["name"] == "read"
    assert plain == {"name": "plain", "_meta": {"x": 1}}


def test_contents_come_as_text_or_blob_and_a_text_is_not_filled() -> None:
    assert contents("docs://start") == {"uri": "docs://start", "mimeType": "text/markdown", "text": "# Grüße {x}"}
    assert contents("docs://logo") == {"uri": "docs://logo", "mimeType": "image/png", "blob": PNG}


def test_a_template_gives_its_text_with_the_variables_of_the_uri() -> None:
    expected = {"uri": "docs://de/erste%20Seite", "mimeType": "text/plain", "text": "erste Seite in de {as is}"}
    assert contents("docs://de/erste%20Seite") == expected


def test_an_app_says_its_type_and_its_ui_where_hosts_look_for_them() -> None:
    found = contents("ui://guide/board")
    assert (found["mimeType"], found["_meta"]) == ("text/html;profile=mcp-app", UI)
    assert OFFERS.capabilities["extensions"] == {"io.modelcontextprotocol/ui": {}}


@pytest.mark.parametrize("uri", ["docs://nothing", "docs://fr/start", "docs://de/", "docs://de/a/b", "", "x" * 1_000_000])
def test_what_does_not_exist_is_an_error_of_the_era(uri: str) -> None:
    for codes, options in ((-32602, {}), (-32002, {"unknown": LEGACY_UNKNOWN_RESOURCE})):
        with pytest.raises(RpcError) as refused:
            OFFERS.read(uri, **options)
        assert refused.value.code == codes
        assert len(refused.value.message) < 300


def test_a_prompt_becomes_messages_of_every_content() -> None:
    found = inner(OFFERS.prompt("review", {"lang": "en", "page": "{tone} a?b"}))
    assert found["description"] == "Look at a page"
    assert found["messages"] == [
        {"role": "user", "content": {"type": "text", "text": "Review {tone} a?b in en."}},
        {
            "role": "user",
            "content": {
                "type": "resource",
                "resource": {"uri": "docs://en/%7Btone%7D%20a%3Fb", "mimeType": "text/plain", "text": "{tone} a?b in en {as is}"},
            },
        },
        {"role": "user", "content": {"type": "image", "data": PNG, "mimeType": "image/png"}},
        {"role": "assistant", "content": {"type": "audio", "data": PNG, "mimeType": "audio/wav"}},
    ]
    assert inner(OFFERS.prompt("plain", {})) == {"messages": [{"role": "user", "content": {"type": "text", "text": "Hello {you}."}}]}


def test_a_prompt_can_hold_whichever_resource_its_argument_names() -> None:
    (message,) = inner(OFFERS.prompt("read", {"uri": "docs://logo"}))["messages"]
    assert message["content"]["resource"]["blob"] == PNG


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("nope", {}, "Prompt not found: nope"),
        ("review", {"lang": "de"}, "needs the argument 'page'"),
        ("review", {"lang": "de", "page": "a", "colour": "red"}, "no argument 'colour'"),
        ("review", {"lang": "fr", "page": "a"}, "Resource not found: docs://fr/a"),
        ("read", {"uri": "file:///etc/passwd"}, "Resource not found"),
    ],
)
def test_a_prompt_that_cannot_be_made_is_invalid_params(name: str, arguments: dict[str, str], words: str) -> None:
    with pytest.raises(RpcError, match=words) as refused:
        OFFERS.prompt(name, arguments)
    assert refused.value.code == -32602


def test_what_is_made_of_arguments_is_no_longer_than_the_texts_of_a_spec() -> None:
    mib = 1024**2
    spec = ServerSpec(
        name="Long",
        resources=(Resource(uri="docs://big", name="big", text="x" * mib),),
        resource_templates=(ResourceTemplate(uri="many://{a}", name="many", text="{a}" * 1000),),
        prompts=(
            Prompt(name="text", arguments=(PromptArgument(name="a"),), messages=(PromptMessage(text="{a}{a}{{a}}"),)),
            Prompt(name="four", messages=(PromptMessage(resource="docs://big"),) * 4),
            Prompt(name="five", messages=(PromptMessage(resource="docs://big"),) * 5),
        ),
    )
    check_spec(spec)
    long = Offers(spec)
    assert len(long.prompt("text", {"a": "y" * mib})) > 2 * mib
    assert len(long.prompt("four", {})) > 4 * mib
    assert len(long.read(f"many://{'z' * 1000}")) > 1_000_000
    for name, arguments in (("text", {"a": "y" * 2 * mib}), ("five", dict[str, str]())):
        with pytest.raises(RpcError, match="longer than 4 MiB"):
            long.prompt(name, arguments)
    with pytest.raises(RpcError, match="longer than 4 MiB"):
        long.read(f"many://{'z' * 8000}")


def test_only_required_arguments_that_may_be_asked_for_are_missing() -> None:
    assert [each.name for each in OFFERS.missing("review", {})] == ["lang"]
    assert OFFERS.missing("review", {"lang": ""}) == ()
    with pytest.raises(RpcError):
        OFFERS.missing("nope", {})


@pytest.mark.parametrize(
    ("ref", "name", "typed", "values"),
    [
        (PromptRef(name="review"), "lang", "E", ["en", "de"]),
        (PromptRef(name="review"), "tone", "", []),
        (ResourceRef(uri="docs://{lang}/{page}"), "lang", "d", ["de"]),
        (ResourceRef(uri="docs://{lang}/{page}"), "page", "", []),
    ],
)
def test_values_of_arguments_and_variables_are_completed(ref: Ref, name: str, typed: str, values: list[str]) -> None:
    found = inner(OFFERS.complete(ref, Typed(name=name, value=typed), {"other": "x"}))
    assert found == {"completion": {"values": values, "total": len(values), "hasMore": False}}


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        (PromptRef(name="nope"), "lang"),
        (PromptRef(name="review"), "nope"),
        (ResourceRef(uri="docs://{x}"), "x"),
        (ResourceRef(uri="docs://start"), "x"),
        (ResourceRef(uri="docs://{lang}/{page}"), "nope"),
    ],
)
def test_what_cannot_be_completed_is_invalid_params(ref: Ref, name: str) -> None:
    with pytest.raises(RpcError) as refused:
        OFFERS.complete(ref, Typed(name=name, value=""), {})
    assert refused.value.code == -32602


def test_only_what_is_there_is_advertised_and_listed() -> None:
    assert set(OFFERS.capabilities) == {"resources", "prompts", "completions", "extensions"}
    nothing = Offers(ServerSpec(name="x"))
    assert nothing.capabilities == {}
    for method in ("resources/list", "resources/templates/list", "prompts/list", "extensions/list", "tools/list"):
        assert nothing.list(method) is None
    assert OFFERS.list("tools/list") is OFFERS.list("resources/read") is OFFERS.list("extensions/list") is None
    one = Offers(ServerSpec(name="x", resources=SPEC.resources[:1]))
    assert one.capabilities == {"resources": {}}
    assert inner(one.list("resources/templates/list")) == {"resourceTemplates": []}


def test_a_list_is_encoded_once() -> None:
    assert OFFERS.list("prompts/list") is OFFERS.list("prompts/list")
