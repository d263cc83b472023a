"""Resources, a family of them, prompts and an MCP App from files to the official client, in both eras."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from tests.real.appliance import Box

PNG = b"\x89PNG\r\n\x1a\n\0\0"
UI = {"ui": {"csp": {"connectDomains": ["https://api.shop.test"]}, "prefersBorder": True}}
SPEC: dict[str, Any] = {
    "name": "Guide",
    "resources": [
        {"uri": "guide://rules", "name": "rules", "file": "docs/rules.md"},
        {"uri": "guide://logo", "name": "logo", "file": "logo.png"},
        {"uri": "ui://guide/board", "name": "board", "text": "<!doctype html><title>Board</title>", "meta": UI},
    ],
    "resource_templates": [
        {
            "uri": "guide://{language}/{person}",
            "name": "hello",
            "text": "Greet {person} in {language}.",
            "values": {"language": ["de", "en"]},
        }
    ],
    "prompts": [
        {
            "name": "review",
            "description": "Against our rules",
            "arguments": [{"name": "change", "required": True}, {"name": "tone", "values": ["strict", "friendly"]}],
            "messages": [{"resource": "guide://rules"}, {"text": "Review {change}."}],
        }
    ],
}


@pytest.fixture(scope="module")
def guide(box: Box, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("guide")
    (folder / "docs").mkdir()
    (folder / "docs/rules.md").write_text("# Régles")
    (folder / "logo.png").write_bytes(PNG)
    (folder / "guide.json").write_text(json.dumps(SPEC))
    deployed = box.bmm("deploy", str(folder / "guide.json"), "--slug", "guide", "--json")
    return str(json.loads(deployed.stdout)["url"])


@asynccontextmanager
async def reader(box: Box, url: str, mode: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {box.token('guide')}"}, timeout=90) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


both_eras = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])


@both_eras
def test_everything_that_is_offered_is_listed(box: Box, guide: str, mode: str) -> None:
    async def use() -> tuple[Any, ...]:
        async with reader(box, guide, mode) as client:
            return await client.list_resources(), await client.list_resource_templates(), await client.list_prompts()

    resources, templates, prompts = asyncio.run(use())
    shown = {str(each.uri): each for each in resources.resources}
    assert list(shown) == ["guide://rules", "guide://logo", "ui://guide/board"]
    assert (shown["guide://rules"].mime_type, shown["guide://rules"].size) == ("text/markdown", 9)
    assert shown["ui://guide/board"].mime_type == "text/html;profile=mcp-app"
    assert [each.uri_template for each in templates.resource_templates] == ["guide://{language}/{person}"]
    assert [(each.name, each.required) for each in prompts.prompts[0].arguments] == [("change", True), ("tone", False)]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_what_is_offered_is_advertised_and_nothing_else(box: Box, guide: str, mode: str) -> None:
    async def use() -> tuple[str, Any]:
        async with reader(box, guide, mode) as client:
            return client.protocol_version, client.server_capabilities

    version, capabilities = asyncio.run(use())
    assert version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
    assert None not in (capabilities.resources, capabilities.prompts, capabilities.completions)
    assert capabilities.tools is None


@both_eras
def test_contents_are_what_the_files_hold(box: Box, guide: str, mode: str) -> None:
    async def use() -> list[Any]:
        async with reader(box, guide, mode) as client:
            uris = "guide://rules", "guide://logo", "ui://guide/board", "guide://de/Jo%C3%A3o"
            return [(await client.read_resource(uri)).contents[0] for uri in uris]

    rules, logo, board, hello = asyncio.run(use())
    assert rules.text == "# Régles"
    assert base64.b64decode(logo.blob) == PNG
    assert (board.mime_type, board.meta) == ("text/html;profile=mcp-app", UI)
    assert hello.text == "Greet João in de."


@both_eras
def test_what_is_not_there_is_an_error(box: Box, guide: str, mode: str) -> None:
    async def use(uri: str) -> None:
        async with reader(box, guide, mode) as client:
            try:
                await client.read_resource(uri)
            except MCPError as error:
                raised.append(error.error.code)

    raised: list[int] = []
    for uri in ("guide://nothing", "guide://fr/x"):
        asyncio.run(use(uri))
    assert raised == [-32002 if mode == "legacy" else -32602] * 2


@both_eras
def test_a_prompt_is_made_and_its_arguments_completed(box: Box, guide: str, mode: str) -> None:
    async def use() -> tuple[Any, ...]:
        async with reader(box, guide, mode) as client:
            made = await client.get_prompt("review", {"change": "x < y"})
            tone = await client.complete(PromptReference(name="review"), {"name": "tone", "value": "f"})
            family = ResourceTemplateReference(uri="guide://{language}/{person}")
            language = await client.complete(family, {"name": "language", "value": "EN"}, context_arguments={"person": "x"})
            return made, tone, language

    made, tone, language = asyncio.run(use())
    assert made.description == "Against our rules"
    assert made.messages[0].content.resource.text == "# Régles"
    assert made.messages[1].content.text == "Review x < y."
    assert (tone.completion.values, language.completion.values) == (["friendly"], ["en"])
