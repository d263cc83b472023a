"""A server whose tools are searched: deployed, seen by the operator, and used by the official client in both eras."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from bmm.http.shapes import Shown
from tests.real.appliance import KEY, Box


@pytest.fixture(scope="module")
def found(box: Box) -> dict[str, Any]:
    """What `bmm deploy` says of it."""
    spec = box.spec()
    for need in spec["secrets"]:
        box.bmm("secret", "set", "found", need["key"], "--next", stdin=KEY.encode())
    words = ("deploy", "-", "--slug", "found", "--tool-list", "search", "--json")
    deployed: dict[str, Any] = json.loads(box.bmm(*words, stdin=json.dumps(spec).encode()).stdout)
    return deployed


def test_the_operator_sees_how_tools_are_listed_and_what_that_costs(box: Box, found: dict[str, Any]) -> None:
    shown = box.api("/api/servers/found", Shown).tool_list
    assert shown is not None
    assert (shown.tools, shown.tool_list) == (len(box.spec()["tools"]), "search")
    assert found["tool_list"] == {
        "tools": shown.tools,
        "tool_list": "search",
        "tokens": {"all": shown.tokens.all, "search": shown.tokens.search},
    }


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_the_official_client_finds_describes_and_calls(box: Box, found: dict[str, Any], mode: str) -> None:
    token = box.token("found")

    async def use() -> tuple[list[str], Any, Any, Any]:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=90) as http,
            Client(streamable_http_client(found["url"], http_client=http), mode=mode) as client,
        ):
            listed = [tool.name for tool in (await client.list_tools()).tools]
            first = await client.call_tool("find_tools", {"query": "place an order", "limit": 3})
            name = first.structured_content["tools"][0]["name"]
            described = await client.call_tool("describe_tools", {"names": [name]})
            arguments = {"items": [{"product_id": "p-100", "quantity": 1}]}
            return listed, name, described, await client.call_tool("call_tool", {"name": name, "arguments": arguments})

    listed, name, described, result = asyncio.run(use())
    assert listed == ["find_tools", "describe_tools", "call_tool"]
    assert name == "createOrder"
    assert "items" in described.structured_content["tools"][0]["inputSchema"]["properties"]
    assert not result.is_error
    assert result.structured_content["items"] == [{"product_id": "p-100", "quantity": 1}]
    assert box.calls("found")[0]["tool"] == "createOrder"
