"""2025-11-25 and before, one test for each line of the checklist that a server must pass on the same endpoint."""

import json
from typing import Any

import pytest

from tests.unit.runner.guarded import LEGACY, Client, ask
from tests.unit.runner.streams import initialize, legacy_stream

HELLO = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}


def test_initialize_declares_what_has_handlers_and_no_changes_of_lists(person: Client) -> None:
    result = person.legacy("initialize", HELLO).json["result"]
    assert (result["protocolVersion"], "mcp-session-id" in person.legacy("initialize", HELLO).headers) == (LEGACY, False)
    assert result["capabilities"] == {"tools": {}, "resources": {}, "prompts": {}, "completions": {}, "logging": {}}


def test_the_notification_after_it_is_202(person: Client) -> None:
    answer = ask(person.path, {"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=person.headers)
    assert (answer.status, answer.raw) == (202, b"")


@pytest.mark.parametrize(
    ("method", "params", "member"),
    [
        ("tools/list", {}, "tools"),
        ("tools/call", {"name": "echo", "arguments": {"text": "hi"}}, "content"),
        ("prompts/list", {}, "prompts"),
        ("prompts/get", {"name": "plain"}, "messages"),
        ("resources/list", {}, "resources"),
        ("resources/templates/list", {}, "resourceTemplates"),
        ("resources/read", {"uri": "test://red"}, "contents"),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "asking"}, "argument": {"name": "topic", "value": ""}}, "completion"),
    ],
)
def test_every_request_works_without_a_handshake(person: Client, method: str, params: dict[str, Any], member: str) -> None:
    result = person.legacy(method, params).json["result"]
    assert result[member]
    assert not {"resultType", "ttlMs", "cacheScope", "_meta"} & set(result)


def test_a_batch_is_refused(person: Client) -> None:
    answer = ask(person.path, [{"jsonrpc": "2.0", "id": 1, "method": "ping"}], headers=person.headers)
    assert (answer.status, answer.json["error"]["code"]) == (400, -32600)


@pytest.mark.parametrize("body", [{"id": 1, "result": {}}, {"id": "x", "error": {"code": 1, "message": "m"}}, {"method": "notifications/x"}])
def test_responses_and_notifications_are_202_whoever_they_are_for(person: Client, body: dict[str, Any]) -> None:
    answer = ask(person.path, {"jsonrpc": "2.0", **body}, headers=[*person.headers, ("MCP-Protocol-Version", LEGACY)])
    assert (answer.status, answer.raw) == (202, b"")


def test_a_missing_version_is_taken_as_an_old_one_and_an_unknown_one_is_400(person: Client) -> None:
    assert person.legacy("tools/list", version=None).status == 200
    assert person.legacy("tools/list", version="1999-01-01").status == 400


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_get_and_delete_are_405(person: Client, method: str) -> None:
    assert ask(person.path, method=method, headers=[*person.headers, ("Accept", "text/event-stream")]).status == 405


def test_ping_is_answered_with_nothing(person: Client) -> None:
    assert person.legacy("ping").json["result"] == {}


def test_a_level_is_remembered_for_its_grant_and_info_is_the_first(person: Client) -> None:
    assert _messages(person) == 3
    assert person.legacy("logging/setLevel", {"level": "error"}).json["result"] == {}
    assert _messages(person) == 0
    assert person.legacy("logging/setLevel", {"level": "debug"}).json["result"] == {}
    assert _messages(person) == 3
    assert person.legacy("logging/setLevel", {"level": "loud"}).json["error"]["code"] == -32602


def test_progress_comes_to_whom_asks_for_it(person: Client) -> None:
    params = {"name": "test_tool_with_progress", "arguments": {}, "_meta": {"progressToken": 7}}
    with legacy_stream(person, "tools/call", params) as stream:
        *before, last = stream.rest()
    assert [each["params"] for each in before] == [
        {"progressToken": 7, "progress": step, "total": 100, "message": f"Completed step {step} of 100"} for step in (0, 50, 100)
    ]
    assert last["result"]["isError"] is False


@pytest.mark.parametrize("method", ["resources/subscribe", "resources/unsubscribe"])
def test_a_subscription_is_not_advertised_and_does_no_harm(person: Client, method: str) -> None:
    assert person.legacy(method, {"uri": "test://one"}).json["result"] == {}
    assert person.legacy(method, {"uri": "other://x"}).json["error"]["code"] == -32002


@pytest.mark.parametrize("method", ["tasks/get", "subscriptions/listen", "server/discover", "nonsense"])
def test_an_unknown_method_is_an_error_at_200(person: Client, method: str) -> None:
    answer = person.legacy(method, {"uri": "test://one"})
    assert (answer.status, answer.json["error"]["code"]) == (200, -32601)


def test_an_unknown_resource_has_the_code_of_these_versions(person: Client) -> None:
    answer = person.legacy("resources/read", {"uri": "other://x"})
    assert (answer.status, answer.json["error"]["code"]) == (200, -32002)


@pytest.mark.parametrize("method", ["tools/list", "prompts/list", "resources/list"])
def test_an_unknown_cursor_is_invalid(person: Client, method: str) -> None:
    answer = person.legacy(method, {"cursor": "2"})
    assert (answer.status, answer.json["error"]["code"]) == (200, -32602)


def test_a_client_that_has_declared_nothing_is_told_what_a_tool_needs(person: Client) -> None:
    initialize(person, {})
    result = person.legacy("tools/call", {"name": "test_sampling", "arguments": {"prompt": "x"}}).json["result"]
    assert result["isError"] is True
    assert "needs sampling, which this client does not offer" in result["content"][0]["text"]


def _messages(client: Client) -> int:
    with legacy_stream(client, "tools/call", {"name": "test_tool_with_logging", "arguments": {}}) as stream:
        if stream.kind == "application/json":
            assert json.loads(stream.response.read())["id"] == 1
            return 0
        return len(stream.rest()) - 1
