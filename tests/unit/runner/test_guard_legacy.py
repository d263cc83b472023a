"""2025-11-25 and before on the same endpoint, line by line of the checklist."""

from typing import Any

import pytest

from tests.unit.runner.guarded import LEGACY, MODERN, Client, ask, modern_request

HELLO = {"capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}


@pytest.mark.parametrize("version", ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"])
def test_initialize_echoes_a_supported_version(client: Client, version: str) -> None:
    answer = client.legacy("initialize", {"protocolVersion": version, **HELLO}, version=None)
    assert answer.status == 200
    assert "mcp-session-id" not in answer.headers
    assert answer.json["result"] == {
        "protocolVersion": version,
        "capabilities": {"tools": {}, "logging": {}},
        "serverInfo": {"name": "shop", "title": "Shop", "version": "3"},
        "instructions": "Ask for items.",
    }


@pytest.mark.parametrize("version", [MODERN, "2099-01-01", ""])
def test_initialize_for_any_other_version_is_answered_with_the_newest_legacy_one(client: Client, version: str) -> None:
    result = client.legacy("initialize", {"protocolVersion": version, **HELLO}, version=None).json["result"]
    assert result["protocolVersion"] == LEGACY


@pytest.mark.parametrize("version", ["2025-11-25", "2025-06-18", "2025-03-26", None, "2025-11-25, 2025-11-25"])
def test_requests_work_without_a_handshake_and_without_remembered_state(client: Client, version: str | None) -> None:
    result = client.legacy("tools/list", version=version).json["result"]
    assert [tool["name"] for tool in result["tools"]] == ["get_item", "admin_tool"]
    assert set(result) == {"tools"}


def test_a_legacy_header_with_a_modern_body_is_served_as_legacy(client: Client) -> None:
    _, body = modern_request("tools/list")
    answer = ask(client.path, body, headers=[*client.headers, ("MCP-Protocol-Version", LEGACY)])
    assert (answer.status, set(answer.json["result"])) == (200, {"tools"})


@pytest.mark.parametrize("message", [{"method": "notifications/initialized"}, {"id": 1, "result": {}}, {"id": 1, "error": {"code": 1}}])
def test_notifications_and_responses_are_accepted_with_an_empty_202(client: Client, message: dict[str, Any]) -> None:
    answer = ask(client.path, {"jsonrpc": "2.0", **message}, headers=[*client.headers, ("MCP-Protocol-Version", LEGACY)])
    assert (answer.status, answer.raw) == (202, b"")


@pytest.mark.parametrize("method", ["ping", "logging/setLevel"])
def test_what_needs_no_state_is_answered_with_nothing(client: Client, method: str) -> None:
    assert client.legacy(method, {"level": "info"}).json["result"] == {}


@pytest.mark.parametrize("method", ["server/discover", "prompts/list", "resources/subscribe", "nonsense"])
def test_an_unknown_method_is_an_error_at_200(client: Client, method: str) -> None:
    answer = client.legacy(method)
    assert (answer.status, answer.json["error"]["code"], answer.json["id"]) == (200, -32601, 7)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        pytest.param("tools/call", {"name": "nope", "arguments": {}}, id="unknown tool"),
        pytest.param("tools/call", {"arguments": {}}, id="no name"),
        pytest.param("tools/call", {"name": "get_item", "arguments": 5}, id="arguments not an object"),
        pytest.param("tools/list", {"cursor": "2"}, id="unknown cursor"),
        pytest.param("initialize", {}, id="no version"),
    ],
)
def test_invalid_params_are_an_error_at_200(client: Client, method: str, params: dict[str, Any]) -> None:
    answer = client.legacy(method, params)
    assert (answer.status, answer.json["error"]["code"]) == (200, -32602)


def test_null_params_are_none(client: Client) -> None:
    body = {"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": None}
    assert "result" in ask(client.path, body, headers=client.headers).json


@pytest.mark.parametrize("members", [{"arguments": None, "_meta": None}, {"_meta": {"progressToken": None}}])
def test_null_members_are_none(client: Client, members: dict[str, Any]) -> None:
    assert client.legacy("tools/call", {"name": "get_item", **members}).json["result"]["isError"] is True
    assert "result" in client.legacy("tools/list", {"cursor": None, "_meta": None}).json


def test_a_version_nobody_knows_is_400(client: Client) -> None:
    answer = client.legacy("tools/list", version="1999-01-01")
    assert (answer.status, answer.json["error"]["code"]) == (400, -32022)


def test_a_call_without_arguments_has_none(client: Client) -> None:
    result = client.legacy("tools/call", {"name": "get_item"}).json["result"]
    assert result == {"content": [{"type": "text", "text": result["content"][0]["text"]}], "isError": True}
    assert "`id` is missing; it is required" in result["content"][0]["text"]
