"""The official client against a real guard, in both eras."""

import asyncio

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.unit.runner.guarded import GuardProcess, token
from tests.unit.runner.upstream import upstream


@pytest.mark.parametrize(("mode", "version"), [("2026-07-28", "2026-07-28"), ("auto", "2026-07-28"), ("legacy", "2025-11-25")])
def test_the_official_client_connects_lists_and_calls(guard: GuardProcess, mode: str, version: str) -> None:
    with upstream(guard.home.egress(0)):
        spoken, names, text, structured, failed = asyncio.run(asyncio.wait_for(_session(guard, mode), 15))
    assert spoken == version
    assert names == ["get_item", "admin_tool"]
    assert text == '{"target":"/items/5","ok":true}'
    assert structured == {"target": "/items/5", "ok": True}
    assert failed


async def _session(guard: GuardProcess, mode: str) -> tuple[str, list[str], str, object, bool]:
    transport = httpx2.AsyncHTTPTransport(uds=str(guard.home.socket))
    headers = {"Authorization": f"Bearer {token()}"}
    async with (
        httpx2.AsyncClient(transport=transport, headers=headers, timeout=90) as http,
        Client(streamable_http_client("http://guard/mcp", http_client=http), mode=mode) as client,
    ):
        listed = await client.list_tools()
        good = await client.call_tool("get_item", {"id": 5})
        bad = await client.call_tool("get_item", {"id": "five"})
        text = getattr(good.content[0], "text", "")
        return str(client.protocol_version), [tool.name for tool in listed.tools], text, good.structured_content, bool(bad.is_error)
