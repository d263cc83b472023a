"""2026-07-28, line by line of the checklist."""

import base64
from typing import Any

import pytest

from tests.unit.runner.guarded import MODERN, Client, GuardProcess, Home, ask, http_tool, modern_request, spec, token

VERSION, CAPABILITIES = "io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities"
IDENTITY = {"io.modelcontextprotocol/serverInfo": {"name": "shop", "title": "Shop", "version": "3"}}


def test_discover_names_the_version_the_capabilities_and_the_server(client: Client) -> None:
    assert client.modern("server/discover").json == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {
            "resultType": "complete",
            "_meta": IDENTITY,
            "ttlMs": 60000,
            "cacheScope": "private",
            "supportedVersions": [MODERN],
            "capabilities": {"tools": {"listChanged": True}},
            "instructions": "Ask for items.",
        },
    }


def test_tools_are_listed_in_the_order_of_the_spec_with_caching_hints(client: Client) -> None:
    result = client.modern("tools/list").json["result"]
    assert [tool["name"] for tool in result["tools"]] == ["get_item", "admin_tool"]
    assert (result["resultType"], result["ttlMs"], result["cacheScope"], result["_meta"]) == ("complete", 60000, "private", IDENTITY)
    assert result["tools"][0] == {
        "name": "get_item",
        "description": "Tool get_item",
        "inputSchema": http_tool().input_schema,
        "annotations": {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False, "openWorldHint": True},
    }


def test_every_result_has_its_type_and_the_server(client: Client) -> None:
    result = client.call("get_item", {})
    assert (result["resultType"], result["_meta"], result["isError"]) == ("complete", IDENTITY, True)


def test_an_answer_is_json_without_session_and_must_not_be_stored(client: Client) -> None:
    answer = client.modern("tools/list")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert "mcp-session-id" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


def test_a_session_id_and_a_last_event_id_are_ignored(guard: GuardProcess) -> None:
    headers, body = modern_request("tools/list")
    sent = [("Authorization", f"Bearer {token()}"), ("Mcp-Session-Id", "s1"), ("Last-Event-ID", "4"), *headers]
    answer = ask(guard.home.socket, body, headers=sent)
    assert answer.status == 200
    assert "mcp-session-id" not in answer.headers


ENCODED = f"=?base64?{base64.b64encode(b'get_item').decode()}?="
CALL = {"name": "get_item", "arguments": {}}


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        pytest.param({"meta": {}}, 400, -32602, id="meta without its fields"),
        pytest.param({"meta": {VERSION: MODERN}}, 400, -32602, id="meta without capabilities"),
        pytest.param({"meta": {CAPABILITIES: {}}}, 400, -32602, id="meta without version"),
        pytest.param({"meta": {VERSION: MODERN, CAPABILITIES: []}}, 400, -32602, id="capabilities of a wrong type"),
        pytest.param({"meta": {VERSION: 5, CAPABILITIES: {}}}, 400, -32602, id="version of a wrong type"),
        pytest.param({"meta": {VERSION: "v999.0.0", CAPABILITIES: {}}}, 400, -32020, id="version differs from the header"),
        pytest.param({"meta": {VERSION: "v999.0.0"}}, 400, -32020, id="a difference comes before a malformed meta"),
        pytest.param({"drop": ("mcp-protocol-version",)}, 400, -32020, id="version header missing"),
        pytest.param({"drop": ("mcp-method",)}, 400, -32020, id="method header missing"),
        pytest.param({"replace": {"mcp-method": "tools/call"}}, 400, -32020, id="method header differs"),
        pytest.param({"replace": {"mcp-method": "Tools/List"}}, 400, -32020, id="method header differs in case"),
        pytest.param({"replace": {"mcp-protocol-version": f"{MODERN}, 2025-11-25"}}, 400, -32020, id="two versions"),
        pytest.param({"version": "2099-01-01"}, 400, -32022, id="unsupported version"),
        pytest.param({"method": "initialize"}, 404, -32601, id="initialize is unknown"),
        pytest.param({"method": "ping"}, 404, -32601, id="ping is unknown"),
        pytest.param({"method": "logging/setLevel"}, 404, -32601, id="logging/setLevel is unknown"),
        pytest.param({"method": "resources/subscribe"}, 404, -32601, id="resources/subscribe is unknown"),
        pytest.param({"method": "resources/unsubscribe"}, 404, -32601, id="resources/unsubscribe is unknown"),
        pytest.param({"method": "subscriptions/listen"}, 400, -32602, id="subscriptions/listen without a wish"),
        pytest.param({"method": "prompts/list"}, 404, -32601, id="prompts/list is not offered"),
        pytest.param({"params": {"cursor": "2"}}, 400, -32602, id="unknown cursor"),
        pytest.param({"method": "tools/call", "params": CALL, "drop": ("mcp-name",)}, 400, -32020, id="name header missing"),
        pytest.param({"method": "tools/call", "params": CALL, "replace": {"mcp-name": "other"}}, 400, -32020, id="name header differs"),
        pytest.param({"method": "tools/call", "params": CALL, "replace": {"mcp-name": "=?base64?!?="}}, 400, -32020, id="bad base64"),
        pytest.param({"method": "tools/call", "params": {"name": "nope"}}, 400, -32602, id="unknown tool"),
        pytest.param({"method": "tools/call", "params": {"name": "get_item", "arguments": []}}, 400, -32602, id="arguments not an object"),
        pytest.param({"method": "tools/call", "params": {}, "replace": {"mcp-name": ""}}, 400, -32602, id="no tool name"),
    ],
)
def test_a_wrong_request_is_refused_with_its_code(client: Client, request_: dict[str, Any], status: int, code: int) -> None:
    answer = client.modern(**({"method": "tools/list"} | request_))
    assert (answer.status, answer.json["error"]["code"], answer.json["id"]) == (status, code, 1)


@pytest.mark.parametrize(
    "replace",
    [
        pytest.param({"mcp-protocol-version": f"{MODERN}, {MODERN}"}, id="identical copies of the version"),
        pytest.param({"mcp-protocol-version": f"  {MODERN} \t"}, id="whitespace around the version"),
        pytest.param({"mcp-method": "tools/call  ", "mcp-name": "  get_item  "}, id="whitespace around method and name"),
        pytest.param({"mcp-name": ENCODED}, id="name in base64"),
    ],
)
def test_headers_are_read_as_clients_and_proxies_write_them(client: Client, replace: dict[str, str]) -> None:
    answer = client.modern("tools/call", CALL, replace=replace)
    assert (answer.status, answer.json["result"]["isError"]) == (200, True)


def test_two_identical_header_lines_count_once(client: Client) -> None:
    headers, body = modern_request("tools/list")
    answer = ask(client.path, body, headers=[*client.headers, *headers, ("MCP-Protocol-Version", MODERN)])
    assert answer.status == 200


def test_an_unsupported_version_is_told_what_is_supported(client: Client) -> None:
    answer = client.modern("tools/list", version="2099-01-01")
    assert answer.json["error"]["data"] == {"supported": [MODERN], "requested": "2099-01-01"}


def test_client_info_is_optional_and_unknown_fields_are_ignored(client: Client) -> None:
    meta = {VERSION: MODERN, CAPABILITIES: {"x": {}}, "traceparent": "00-0", "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"}}
    assert client.modern("tools/list", meta=meta).status == 200
    assert client.modern("tools/list", meta=meta | {"io.modelcontextprotocol/clientInfo": None}).status == 200, "some write null for nothing"


def test_a_notification_is_accepted_with_an_empty_202(client: Client) -> None:
    headers = [*client.headers, ("MCP-Protocol-Version", MODERN)]
    answer = ask(client.path, {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}}, headers=headers)
    assert (answer.status, answer.raw) == (202, b"")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"{", -32700, id="not json"),
        pytest.param(b"", -32700, id="empty"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"x":NaN}}', -32700, id="NaN"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":' + b"[" * 50000 + b"]" * 50000 + b"}", -32600, id="deep"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"a\xff"}', -32700, id="not utf-8"),
        pytest.param(b'{"jsonrpc":1,"id":1,"method":"x"', -32700, id="wrong type, then not json"),
        pytest.param(b'[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]', -32600, id="a batch"),
        pytest.param(b"[]", -32600, id="an empty batch"),
        pytest.param(b'"text"', -32600, id="a string"),
        pytest.param(b'{"id":1,"method":"tools/list"}', -32600, id="no jsonrpc"),
        pytest.param(b'{"jsonrpc":"1.0","id":1,"method":"tools/list"}', -32600, id="another jsonrpc"),
        pytest.param(b'{"jsonrpc":"2.0","id":null,"method":"tools/list"}', -32600, id="a null id"),
        pytest.param(b'{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}', -32600, id="a broken id"),
        pytest.param(b'{"jsonrpc":"2.0","id":{},"method":"tools/list"}', -32600, id="an object as id"),
        pytest.param(b'{"jsonrpc":"2.0","id":1}', -32600, id="no method"),
        pytest.param(b'{"jsonrpc":"2.0","id":"%b","method":"tools/list"}' % (b"x" * 1025), -32600, id="an endless id"),
    ],
)
@pytest.mark.parametrize("version", [MODERN, "2025-11-25", ""])
def test_a_body_that_is_not_one_message_is_refused_without_an_id(client: Client, body: bytes, code: int, version: str) -> None:
    headers = [*client.headers, ("Mcp-Method", "tools/list")] + ([("MCP-Protocol-Version", version)] if version else [])
    answer = ask(client.path, body, headers=headers)
    assert (answer.status, answer.json["error"]["code"], answer.json["id"]) == (400, code, None)


@pytest.mark.parametrize("members", [{"id": 1, "result": {}}, {"id": "a", "error": {"code": 1}}, {"result": {}}, {"error": {}}])
def test_a_response_is_refused(client: Client, members: dict[str, Any]) -> None:
    answer = ask(client.path, {"jsonrpc": "2.0", **members}, headers=[*client.headers, ("MCP-Protocol-Version", MODERN)])
    assert (answer.status, answer.json["error"]["code"]) == (400, -32600)


@pytest.mark.parametrize("request_id", ["a", "", "x" * 1024, "ü\n\"", 0, -5, 2**70])
def test_the_id_comes_back_as_it_was_sent(client: Client, request_id: str | int) -> None:
    headers, body = modern_request("tools/list")
    assert ask(client.path, body | {"id": request_id}, headers=client.headers + headers).json["id"] == request_id


MIRRORING = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "size": {"type": "integer", "x-mcp-header": "Size"},
        "deep": {"type": "object", "properties": {"on": {"type": "boolean", "x-mcp-header": "On"}}},
    },
}


@pytest.mark.parametrize(
    ("arguments", "headers", "accepted"),
    [
        pytest.param({"region": "eu"}, {"mcp-param-region": "eu"}, True, id="equal"),
        pytest.param({"region": "eu"}, {"mcp-param-region": "us"}, False, id="different"),
        pytest.param({"region": "eu"}, {}, False, id="missing"),
        pytest.param({"region": None}, {}, True, id="null is not expected"),
        pytest.param({}, {"mcp-param-region": "eu"}, False, id="sent without an argument"),
        pytest.param({"region": "ü"}, {"mcp-param-region": "=?base64?w7w=?="}, True, id="base64"),
        pytest.param({"size": 42}, {"mcp-param-size": "42.0"}, True, id="integers as numbers"),
        pytest.param({"size": 42}, {"mcp-param-size": "=?base64?NDI=?="}, True, id="an integer in base64"),
        pytest.param({"size": 42}, {"mcp-param-size": "43"}, False, id="another integer"),
        pytest.param({"size": 42}, {"mcp-param-size": "4" * 5000}, False, id="an endless integer"),
        pytest.param({"deep": {"on": True}}, {"mcp-param-on": "true"}, True, id="nested boolean"),
        pytest.param({"deep": {"on": True}}, {"mcp-param-on": "True"}, False, id="boolean in capitals"),
    ],
)
def test_mirrored_arguments_must_agree_with_their_headers(
    mirroring: Client, arguments: dict[str, Any], headers: dict[str, str], accepted: bool
) -> None:
    answer = mirroring.modern("tools/call", {"name": "get_item", "arguments": arguments}, replace=headers)
    assert (answer.status == 200) is accepted
    assert accepted or answer.json["error"]["code"] == -32020


@pytest.fixture(scope="module")
def mirroring() -> Any:
    home = Home(spec(http_tool(input_schema=MIRRORING, path="/items", parameters=())))
    running = GuardProcess(home)
    yield Client(home.socket)
    running.stop()
    home.close()
