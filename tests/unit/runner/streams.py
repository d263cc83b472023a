"""A client that reads an answer event by event, and a server whose tools talk to it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from runner.contract import BUILTIN_ECHO, Prompt, PromptArgument, PromptMessage, PythonTool, Resource, ResourceTemplate, ServerSpec, Tool
from tests.conformance import fixtures
from tests.unit.runner.guarded import LEGACY, Client, UnixHTTP, http_tool, modern_request, spec

CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
FORMS: dict[str, Any] = {"elicitation": {}}
BOTH = "application/json, text/event-stream"


def echo(name: str = "echo", **changes: Any) -> PythonTool:
    made: dict[str, Any] = {"name": name, "description": name, "input_schema": {"type": "object"}, "code": BUILTIN_ECHO} | changes
    return PythonTool(**made)


def coded(*names: str) -> list[Tool]:
    """Tools of the conformance suite's server, which run in workers; they take whatever arguments come."""
    tools = {tool.name: tool for tool in fixtures().tools}
    return [msgspec.structs.replace(tools[name], input_schema={"type": "object"}) for name in names]


def talking() -> ServerSpec:
    """Tools that report, ask, wait and want to be confirmed, and offers of every kind."""
    return spec(
        http_tool(),
        http_tool("wait", path="/wait", parameters=(), input_schema={"type": "object"}),
        http_tool("delete_item", title="Delete an item", confirm=True),
        echo(),
        echo("odd", output_schema={"type": "object", "required": ["a"]}),
        echo("twice", confirm=True, input_schema={"type": "object", "properties": {"confirm": {"type": "string"}}}),
        *coded(
            *("test_tool_with_progress", "test_tool_with_logging", "test_missing_capability", "test_image_content"),
            *("test_trigger_tool_change", "test_trigger_prompt_change", "test_elicitation_sep1034_defaults", "test_sampling"),
            *("test_input_required_result_elicitation", "test_input_required_result_multi_round", "test_input_required_result_list_roots"),
        ),
        resources=(Resource(uri="test://one", name="one", text="1"),),
        resource_templates=(ResourceTemplate(uri="test://{color}", name="colors", text="{color}", values={"color": ("red", "green")}),),
        prompts=(
            Prompt(name="plain", messages=(PromptMessage(text="Hello"),)),
            Prompt(
                name="asking",
                messages=(PromptMessage(text="About {topic}"),),
                arguments=(PromptArgument(name="topic", required=True, ask=True, values=("art", "music")),),
            ),
        ),
    )


class Stream:
    """An answer that is read as it comes."""

    def __init__(self, client: Client, headers: list[tuple[str, str]], body: Any) -> None:
        self.connection = UnixHTTP(client.path)
        sent = {"Content-Type": "application/json", "Accept": BOTH, **dict(client.headers), **dict(headers)}
        self.connection.request("POST", "/mcp", json.dumps(body), sent)
        self.response = self.connection.getresponse()
        self.status, self.kind = self.response.status, self.response.getheader("Content-Type")

    def line(self) -> str:
        """The next line that is not empty; "" at the end."""
        while line := self.response.readline().decode():
            if line.strip():
                return line.rstrip("\n")
        return ""

    def __iter__(self) -> Iterator[Any]:
        """Messages; comments are passed over."""
        while line := self.line():
            if line.startswith("data: "):
                yield json.loads(line[6:])
            else:
                assert line.startswith((":", "event: message")), line

    def next(self) -> Any:
        return next(iter(self))

    def rest(self) -> list[Any]:
        return list(self)

    def close(self) -> None:
        self.response.close()
        self.connection.close()


@contextmanager
def modern_stream(
    client: Client,
    method: str,
    params: dict[str, Any],
    *,
    capabilities: dict[str, Any] | None = None,
    meta: dict[str, Any] | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    request_id: int | str = 1,
) -> Iterator[Stream]:
    sent, body = modern_request(method, params, replace=name_of(method, params))
    body["params"]["_meta"] |= {CAPABILITIES: capabilities or {}, **(meta or {})}
    stream = Stream(client, [*sent, *headers], body | {"id": request_id})
    try:
        yield stream
    finally:
        stream.close()


@contextmanager
def legacy_stream(
    client: Client, method: str, params: dict[str, Any], *, request_id: int | str = 1, headers: tuple[tuple[str, str], ...] = ()
) -> Iterator[Stream]:
    body = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    stream = Stream(client, [("MCP-Protocol-Version", LEGACY), *headers], body)
    try:
        yield stream
    finally:
        stream.close()


def name_of(method: str, params: dict[str, Any]) -> dict[str, str]:
    """The `Mcp-Name` header that a request needs."""
    match method:
        case "resources/read":
            return {"mcp-name": str(params.get("uri", ""))}
        case "prompts/get" | "tools/call":
            return {"mcp-name": str(params.get("name", ""))}
        case _:
            return {}


def modern(client: Client, method: str, params: dict[str, Any], *, capabilities: dict[str, Any] | None = None) -> Any:
    """The whole JSON-RPC message of an answer that is one document."""
    with modern_stream(client, method, params, capabilities=capabilities) as stream:
        assert stream.kind == "application/json"
        return json.loads(stream.response.read())


def called(client: Client, name: str, arguments: dict[str, Any] | None = None, *, capabilities: dict[str, Any] | None = None, **more: Any) -> Any:
    """The result of a modern call."""
    message = modern(client, "tools/call", {"name": name, "arguments": arguments or {}, **more}, capabilities=capabilities)
    assert "result" in message, message
    return message["result"]


def said(result: dict[str, Any]) -> str:
    return str(result["content"][0]["text"])


def initialize(client: Client, capabilities: dict[str, Any]) -> None:
    hello = {"protocolVersion": LEGACY, "capabilities": capabilities, "clientInfo": {"name": "c", "version": "1"}}
    assert client.legacy("initialize", hello).status == 200


def soon(seconds: float = 0.2) -> None:
    """Nothing is to happen, which nothing can be told of."""
    time.sleep(seconds)
