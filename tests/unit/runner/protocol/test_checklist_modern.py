"""2026-07-28, one test for each line of the checklist that a server must pass: HTTP first, then the messages."""

import json
from pathlib import Path
from typing import Any

import pytest

from bmm.config import Config
from bmm.edge import plan
from bmm.sources import compile_openapi
from runner.contract import Prompt, PromptMessage, ServerSpec
from runner.protocol.described import described
from runner.tools.arguments import Checker
from tests.unit.runner.guarded import MODERN, Answer, Client, GuardProcess, Home, ask, http_tool, modern_request, spec
from tests.unit.runner.streams import BOTH, CAPABILITIES, FORMS, LOG_LEVEL, called, echo, modern, modern_stream, name_of, said
from tests.unit.runner.test_arguments import BLOCKS, nested

IDENTITY = {"io.modelcontextprotocol/serverInfo": {"name": "shop", "title": "Shop", "version": "3"}}
CALL = {"name": "echo", "arguments": {"text": "hi"}}
REMOVED = ("initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/get", "nonsense")


def sent(client: Client, method: str, params: dict[str, Any] | None = None, *more: tuple[str, str], **changes: Any) -> Answer:
    headers, body = modern_request(method, params, **({"replace": name_of(method, params or {})} | changes))
    return ask(client.path, body, headers=[*client.headers, *headers, *more])


def refused(answer: Answer, status: int, code: int) -> bool:
    return (answer.status, answer.json["error"]["code"], answer.json["id"]) == (status, code, 1)


@pytest.mark.parametrize("body", [[{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}], {"jsonrpc": "2.0", "id": 1, "result": {}}])
def test_the_body_is_one_request_or_notification(person: Client, body: Any) -> None:
    answer = ask(person.path, body, headers=[*person.headers, ("MCP-Protocol-Version", MODERN)])
    assert (answer.status, answer.json["error"]["code"]) == (400, -32600)


def test_a_local_server_is_bound_to_127_0_0_1() -> None:
    # A guard is given its sockets; what has an address is Caddy alone.
    config = Config()
    addresses = plan.bind_addresses(config)
    assert addresses[0] == "127.0.0.1"
    assert set(addresses[1:]) <= {"::1"}
    lines = plan.caddyfile(config, addresses, plan.TEMPLATE.read_text()).splitlines()
    sites = [line for line in lines if line.startswith("http://") and line.endswith("{")]
    bound = [line.split()[1:] for line in lines if line.split()[:1] == ["bind"]]
    assert bound == [list(addresses)] * len(sites)
    assert bound


def test_an_invalid_origin_is_403_and_none_is_fine(person: Client) -> None:
    assert sent(person, "tools/list", None, ("Origin", "https://evil.test")).status == 403
    assert sent(person, "tools/list").status == 200


@pytest.mark.parametrize("accept", ["*/*", BOTH, "application/json", "text/event-stream", ""])
def test_every_accept_is_taken(person: Client, accept: str) -> None:
    assert sent(person, "tools/call", CALL, ("Accept", accept)).headers["content-type"] == "application/json"


def test_the_version_header_is_on_every_post_and_equals_the_body(person: Client) -> None:
    assert refused(sent(person, "tools/list", drop=("mcp-protocol-version",)), 400, -32020)
    meta = {"io.modelcontextprotocol/protocolVersion": "v999.0.0", CAPABILITIES: {}}
    assert refused(sent(person, "tools/list", meta=meta), 400, -32020)


def test_mcp_method_is_required_and_case_sensitive(person: Client) -> None:
    assert refused(sent(person, "tools/list", drop=("mcp-method",)), 400, -32020)
    assert refused(sent(person, "tools/list", replace={"mcp-method": "TOOLS/LIST"}), 400, -32020)
    assert refused(sent(person, "tools/list", replace={"mcp-method": "=?base64?dG9vbHMvbGlzdA==?="}), 400, -32020), "this one has no other form"


def test_header_names_may_be_written_in_any_case(person: Client) -> None:
    headers, body = modern_request("tools/call", CALL)
    for write in (str.upper, str.title):
        written = [(write(name), value) for name, value in headers]
        assert ask(person.path, body, headers=[*person.headers, *written]).status == 200


@pytest.mark.parametrize(
    ("method", "params"), [("tools/call", CALL), ("prompts/get", {"name": "plain"}), ("resources/read", {"uri": "test://one"})]
)
def test_mcp_name_is_required_where_a_request_names_something(person: Client, method: str, params: dict[str, Any]) -> None:
    assert sent(person, method, params).status == 200
    assert refused(sent(person, method, params, drop=("mcp-name",)), 400, -32020)
    assert refused(sent(person, method, params, replace={"mcp-name": "another"}), 400, -32020)


def test_a_name_in_base64_is_decoded_before_it_is_compared(person: Client) -> None:
    assert sent(person, "resources/read", {"uri": "test://one"}, replace={"mcp-name": "=?base64?dGVzdDovL29uZQ==?="}).status == 200
    assert refused(sent(person, "resources/read", {"uri": "test://one"}, replace={"mcp-name": "=?base64?dGVz!?="}), 400, -32020)


def test_whitespace_around_header_values_is_trimmed(person: Client) -> None:
    padded = {"mcp-protocol-version": f" {MODERN} ", "mcp-method": "tools/call \t", "mcp-name": " echo "}
    assert sent(person, "tools/call", CALL, replace=padded).status == 200


@pytest.mark.parametrize("method", REMOVED)
def test_unknown_and_removed_methods_are_404_with_the_id(person: Client, method: str) -> None:
    assert refused(sent(person, method), 404, -32601)


def test_what_a_server_does_not_offer_is_an_unknown_method(guard: GuardProcess) -> None:
    client = Client(guard.home.socket)
    for method in ("prompts/list", "prompts/get", "resources/list", "resources/read", "resources/templates/list", "completion/complete"):
        assert refused(sent(client, method), 404, -32601), method


def test_a_missing_capability_is_400_and_names_an_object(person: Client) -> None:
    answer = sent(person, "tools/call", {"name": "test_missing_capability", "arguments": {}})
    assert refused(answer, 400, -32021)
    assert answer.json["error"]["data"] == {"requiredCapabilities": {"sampling": {}}}


@pytest.mark.parametrize("meta", [{LOG_LEVEL: "loud"}, {"progressToken": {}}, {CAPABILITIES: 5}])
def test_a_malformed_meta_is_400(person: Client, meta: dict[str, Any]) -> None:
    whole = {"io.modelcontextprotocol/protocolVersion": MODERN, CAPABILITIES: {}, **meta}
    assert refused(sent(person, "tools/call", CALL, meta=whole), 400, -32602)


def test_a_notification_is_202_with_an_empty_body(person: Client) -> None:
    answer = ask(person.path, {"jsonrpc": "2.0", "method": "notifications/x"}, headers=[*person.headers, ("MCP-Protocol-Version", MODERN)])
    assert (answer.status, answer.raw) == (202, b"")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_get_and_delete_are_405(person: Client, method: str) -> None:
    answer = ask(person.path, method=method, headers=[*person.headers, ("MCP-Protocol-Version", MODERN)])
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_no_session_is_read_or_made(person: Client) -> None:
    answer = sent(person, "tools/list", None, ("Mcp-Session-Id", "s"), ("Last-Event-ID", "4"))
    assert answer.status == 200
    assert "mcp-session-id" not in answer.headers


def test_discover_says_what_has_handlers(person: Client) -> None:
    result = sent(person, "server/discover").json["result"]
    assert result == {
        "resultType": "complete",
        "_meta": IDENTITY,
        "ttlMs": 60000,
        "cacheScope": "private",
        "supportedVersions": [MODERN],
        "capabilities": {
            "tools": {"listChanged": True},
            "resources": {"listChanged": True, "subscribe": True},
            "prompts": {"listChanged": True},
            "completions": {},
            "logging": {},
        },
        "instructions": "Ask for items.",
    }


def test_a_server_without_tools_has_no_tools() -> None:
    home = Home(ServerSpec(name="Words", prompts=(Prompt(name="plain", messages=(PromptMessage(text="Hello"),)),)))
    running = GuardProcess(home)
    client = Client(home.socket)
    assert sent(client, "server/discover").json["result"]["capabilities"] == {"prompts": {"listChanged": True}}
    assert refused(sent(client, "tools/list"), 404, -32601)
    assert refused(sent(client, "tools/call", CALL), 404, -32601)
    assert client.legacy("tools/list").json["error"]["code"] == -32601
    assert running.stop() == 0
    home.close()


ALL = {
    "tools/list": {},
    "prompts/list": {},
    "resources/list": {},
    "resources/templates/list": {},
    "resources/read": {"uri": "test://red"},
    "server/discover": {},
}


@pytest.mark.parametrize("method", [*ALL, "tools/call", "prompts/get", "completion/complete"])
def test_every_result_has_its_type_and_the_server(person: Client, method: str) -> None:
    others: dict[str, dict[str, Any]] = {
        "tools/call": CALL,
        "prompts/get": {"name": "plain"},
        "completion/complete": {"ref": {"type": "ref/prompt", "name": "asking"}, "argument": {"name": "topic", "value": "m"}},
    }
    result = sent(person, method, {**ALL, **others}[method]).json["result"]
    assert (result["resultType"], result["_meta"]) == ("complete", IDENTITY)


@pytest.mark.parametrize("method", ALL)
def test_lists_and_contents_carry_caching_hints_and_are_private(person: Client, method: str) -> None:
    result = sent(person, method, ALL[method]).json["result"]
    assert (result["ttlMs"], result["cacheScope"]) == (60000, "private")


def test_other_results_carry_no_caching_hints(person: Client) -> None:
    assert "ttlMs" not in sent(person, "prompts/get", {"name": "plain"}).json["result"]
    assert "ttlMs" not in sent(person, "tools/call", CALL).json["result"]


def test_lists_are_the_same_for_everybody_and_in_order(person: Client) -> None:
    first, second = (sent(person, "tools/list").json["result"]["tools"] for _ in range(2))
    assert first == second
    assert [tool["name"] for tool in first][:3] == ["get_item", "wait", "delete_item"]


@pytest.mark.parametrize(
    ("method", "params"),
    [("tools/call", {"name": "nope"}), ("resources/read", {"uri": "other://x"}), ("prompts/get", {"name": "nope"}), ("prompts/get", {})],
)
def test_what_does_not_exist_is_invalid_params(person: Client, method: str, params: dict[str, Any]) -> None:
    assert refused(sent(person, method, params), 400, -32602)


def test_arguments_that_do_not_fit_are_a_result(person: Client) -> None:
    assert called(person, "get_item", {})["isError"] is True


def test_nothing_is_sent_before_the_answer_that_was_not_asked_for(person: Client) -> None:
    for name in ("test_tool_with_progress", "test_tool_with_logging"):
        with modern_stream(person, "tools/call", {"name": name}) as stream:
            assert (stream.kind, json.loads(stream.response.read())["id"]) == ("application/json", 1)


def test_a_stream_has_notifications_then_the_answer_and_says_it_must_not_be_buffered(person: Client) -> None:
    with modern_stream(person, "tools/call", {"name": "test_tool_with_progress"}, meta={"progressToken": "p1"}) as stream:
        assert (stream.status, stream.kind) == (200, "text/event-stream")
        assert stream.response.getheader("X-Accel-Buffering") == "no"
        assert stream.response.getheader("Cache-Control") == "no-store"
        *before, last = stream.rest()
    assert [each["method"] for each in before] == ["notifications/progress"] * 3
    assert [each["params"]["progress"] for each in before] == [0, 50, 100]
    assert {each["params"]["progressToken"] for each in before} == {"p1"}
    assert (last["id"], last["result"]["content"][0]["text"]) == (1, "Progress reported")


def test_events_have_no_ids_by_which_a_stream_could_be_resumed(person: Client) -> None:
    with modern_stream(person, "tools/call", {"name": "test_tool_with_progress"}, meta={"progressToken": "p1"}) as stream:
        fields = {line.partition(":")[0] for line in stream.response.read().decode().splitlines()}
    assert fields == {"event", "data", ""}


@pytest.mark.parametrize(("level", "messages"), [("debug", 3), ("info", 3), ("warning", 0)])
def test_log_messages_come_at_the_level_that_the_request_names(person: Client, level: str, messages: int) -> None:
    with modern_stream(person, "tools/call", {"name": "test_tool_with_logging"}, meta={LOG_LEVEL: level}) as stream:
        found = stream.rest() if messages else [json.loads(stream.response.read())]
    assert [each.get("method") for each in found] == ["notifications/message"] * messages + [None]
    assert all(each["params"]["level"] == "info" for each in found[:-1])


def test_a_client_that_takes_no_stream_gets_its_answer_alone(person: Client) -> None:
    accept = (("Accept", "application/json"),)
    with modern_stream(person, "tools/call", {"name": "test_tool_with_progress"}, meta={"progressToken": 1}, headers=accept) as stream:
        assert stream.kind == "application/json"
        assert json.loads(stream.response.read())["result"]["isError"] is False


def test_the_server_never_sends_a_request(person: Client) -> None:
    found = modern(person, "tools/call", {"name": "test_input_required_result_elicitation"}, capabilities={"elicitation": {}})
    assert "method" not in found
    assert found["result"]["resultType"] == "input_required"


def test_a_retry_is_a_new_id(person: Client) -> None:
    call: dict[str, Any] = {"name": "test_input_required_result_elicitation", "arguments": {}}
    with modern_stream(person, "tools/call", call, capabilities=FORMS, request_id="first") as stream:
        asked = json.loads(stream.response.read())
    assert (asked["id"], asked["result"]["resultType"]) == ("first", "input_required")
    ((key, _),) = asked["result"]["inputRequests"].items()
    given = {"requestState": asked["result"]["requestState"], "inputResponses": {key: {"action": "accept", "content": {"name": "Ada"}}}}
    with modern_stream(person, "tools/call", call | given, capabilities=FORMS, request_id=2) as stream:
        done = json.loads(stream.response.read())
    assert (done["id"], done["result"]["resultType"], said(done["result"])) == (2, "complete", "Hello, Ada!")


def test_a_question_is_not_cacheable(person: Client) -> None:
    asked = called(person, "test_input_required_result_elicitation", capabilities=FORMS)
    assert asked.keys() == {"resultType", "_meta", "inputRequests", "requestState"}


def test_refs_are_avoided_except_where_a_schema_holds_itself() -> None:
    document = (Path(__file__).parents[3] / "documents/shop.yaml").read_bytes()
    assert b"$ref" in document
    shown = [described(tool, modern=True) for tool in compile_openapi(document).spec.tools]
    assert "$ref" not in json.dumps(shown)


def test_the_dialect_is_2020_12() -> None:
    assert Checker({"prefixItems": [{"type": "string"}], "items": False}).problems(["a"]) == []
    assert Checker({"prefixItems": [{"type": "string"}], "items": False}).problems(["a", "b"])


def test_a_schema_is_published_as_it_binds(person: Client) -> None:
    tools = {each["name"]: each for each in sent(person, "tools/list").json["result"]["tools"]}
    assert tools["odd"]["outputSchema"] == {"type": "object", "required": ["a"]}


def test_composition_keywords_are_bounded() -> None:
    home = Home(spec(echo("keep", input_schema=BLOCKS)))
    running = GuardProcess(home)
    # Without a bound each level takes some seven times as long as the one before; the client does not wait for that.
    problem = said(called(Client(home.socket), "keep", nested(12, "none")))
    assert "is not valid under any of the schemas listed in the 'oneOf' keyword" in problem
    assert running.stop() == 0
    home.close()


def test_an_answer_that_breaks_the_schema_it_is_bound_to_is_an_error_a_model_can_read(person: Client) -> None:
    result = called(person, "odd", {"text": "x"})
    assert result["isError"] is True
    assert "breaks its own output schema" in result["content"][0]["text"]


def test_an_answer_without_words_has_no_text_block(person: Client) -> None:
    assert [block["type"] for block in called(person, "test_image_content")["content"]] == ["image"]


def test_of_members_with_the_same_name_the_last_one_counts_everywhere(person: Client) -> None:
    headers, body = modern_request("tools/call", CALL)
    doubled = json.dumps(body).replace('"name": "echo"', '"name": "nope", "name": "echo"').encode()
    assert ask(person.path, doubled, headers=person.headers + headers).json["result"]["content"][0]["text"] == "hi"


@pytest.mark.parametrize(("number", "status"), [("9" * 30, 200), ("1e400", 400), ("9" * 5000, 400)])
def test_numbers_of_any_size_break_nothing(person: Client, number: str, status: int) -> None:
    headers, body = modern_request("tools/call", CALL)
    document = json.dumps(body).replace('"hi"', number).encode()
    assert ask(person.path, document, headers=person.headers + headers).status == status


def test_a_result_of_more_than_four_megabytes_is_an_error_with_advice() -> None:
    home = Home(spec(http_tool(), echo()), title="x" * 3000)
    running = GuardProcess(home)
    result = called(Client(home.socket), "echo", {"text": "y" * (4 * 1024**2 - 1000)})
    assert result["isError"] is True
    assert "at most 4 MiB are sent. Ask for less" in result["content"][0]["text"]
    assert home.calls()[-1]["error"] == "result_too_large"
    assert running.stop() == 0
    home.close()
