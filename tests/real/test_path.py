"""The straight path on real components: document → deploy → sign-in and consent → tool call → counted; and what a stranger meets."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.oauth_client import Memory, connected
from tests.real.appliance import Box, call, rpc


@pytest.fixture(scope="module")
def shop(box: Box) -> str:
    return box.deploy("shop", box.spec())


def test_the_official_client_signs_in_consents_and_calls(box: Box, shop: str) -> None:
    before = len(box.calls("shop"))
    person = box.person()

    async def use() -> tuple[list[str], Any]:
        async with connected(shop, person, Memory()) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            return tools, await client.call_tool("createOrder", {"items": [{"product_id": "p-100", "quantity": 3}]})

    tools, result = asyncio.run(use())
    person.close()
    assert tools == [tool["name"] for tool in box.spec()["tools"]]
    assert not result.is_error
    assert result.structured_content["items"] == [{"product_id": "p-100", "quantity": 3}]
    calls = box.calls("shop")
    assert len(calls) == before + 1
    assert (calls[0]["tool"], calls[0]["ok"]) == ("createOrder", True)
    assert calls[0]["client"].startswith("cli_")


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_both_eras_answer_at_the_same_url(box: Box, shop: str, mode: str) -> None:
    token = box.token("shop")

    async def use() -> tuple[str, Any]:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=90) as http,
            Client(streamable_http_client(shop, http_client=http), mode=mode) as client,
        ):
            return client.protocol_version, await client.call_tool("listProducts", {})

    version, result = asyncio.run(use())
    assert version == ("2025-11-25" if mode == "legacy" else mode)
    assert not result.is_error


def test_without_a_token_there_is_a_challenge_that_leads_to_the_metadata(box: Box, shop: str) -> None:
    for method in ("initialize", "tools/list", "server/discover"):
        answer = rpc(shop, None, method)
        assert answer.status_code == 401
        challenge = answer.headers["www-authenticate"]
        assert challenge == f'Bearer resource_metadata="{box.origin}/.well-known/oauth-protected-resource/s/shop/mcp", scope="read write"'
    metadata = httpx2.get(f"{box.origin}/.well-known/oauth-protected-resource/s/shop/mcp", timeout=90).json()
    assert (metadata["resource"], metadata["authorization_servers"]) == (shop, [box.origin])


def test_a_bad_token_is_told_so_by_the_server_itself(shop: str) -> None:
    answer = rpc(shop, "not.a.token", "tools/list")
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_token_for_one_server_is_refused_at_another(box: Box, shop: str) -> None:
    other = box.deploy("other", box.spec("listProducts"))
    token = box.token("shop")
    assert rpc(shop, token, "tools/list").status_code == 200
    refused = rpc(other, token, "tools/list")
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


def test_unknown_slugs_names_and_paths_are_closed(box: Box, shop: str) -> None:
    token = box.token("shop")
    assert rpc(f"{box.origin}/s/nobody/mcp", token, "tools/list").status_code == 404
    assert rpc(f"{box.origin}/s/nobody/mcp", None, "tools/list").status_code == 404
    for path in ("/", "/s/shop", "/s/shop/health", "/s/shop/mcp/x", "/s/../admin.sock/mcp", "/api/servers", "/mcp"):
        assert httpx2.get(box.origin + path, headers={"Authorization": f"Bearer {token}"}, timeout=90).status_code in (404, 405), path
    assert httpx2.get(f"http://127.0.0.1:{box.port}/health", headers={"Host": "evil.test"}, timeout=90).status_code == 421


def test_the_operator_sees_versions_logs_and_calls(box: Box, shop: str) -> None:
    call(shop, box.token("shop"), "getProduct", productId="p-999")
    listed = {one["slug"]: one for one in json.loads(box.bmm("ps", "--json").stdout)}
    assert listed["shop"]["status"] == "live"
    assert listed["shop"]["calls_24h"] >= 1
    assert listed["shop"]["failed_24h"] >= 1
    assert "answers" in box.bmm("logs", "shop").stdout
    assert "getProduct" in box.bmm("calls", "shop").stdout


def test_a_new_version_takes_over_and_the_old_one_can_come_back(box: Box) -> None:
    url = box.deploy("changing", box.spec("listProducts"))
    token = box.token("changing")
    box.deploy("changing", box.spec("listProducts", "getProduct"))

    def tools() -> list[str]:
        return [tool["name"] for tool in rpc(url, token, "tools/list").json()["result"]["tools"]]

    assert set(tools()) == {"listProducts", "getProduct"}
    assert "runs version 1" in box.bmm("rollback", "changing").stdout
    assert tools() == ["listProducts"]
    assert "has no version 7" in box.bmm("rollback", "changing", "7", check=False).stderr


def test_a_changed_secret_reaches_the_running_server(box: Box) -> None:
    url = box.deploy("keyed", box.spec("listProducts"))
    token, key = box.token("keyed"), box.spec()["secrets"][0]["key"]
    assert not call(url, token, "listProducts").get("isError")
    box.bmm("secret", "set", "keyed", key, stdin=b"another-key")
    refused = call(url, token, "listProducts")
    assert refused["isError"]
    assert "401" in refused["content"][0]["text"]
    assert "another-key" not in json.dumps(refused)


def test_a_deleted_server_is_gone_at_once_and_its_tokens_with_it(box: Box) -> None:
    url = box.deploy("passing", box.spec("listProducts"))
    token = box.token("passing")
    box.bmm("rm", "passing")
    assert rpc(url, token, "tools/list").status_code == 404
    assert not any(one["Labels"].get("bmm.server") for one in box.containers() if "passing" in str(one))
    again = box.deploy("passing", box.spec("listProducts"))
    assert rpc(again, token, "tools/list").status_code == 401
