"""What is deployed and what is asked: a document of twenty operations, and the MCP requests of both revisions."""

import json
from typing import Any

from msgspec import Struct

from runner.contract import BUILTIN_ECHO, PythonTool, ServerSpec

TOOLS = 20
ECHOED = "a few words, as a model would send"
TOOL = "getWidget0"
LEGACY, MODERN = "2025-11-25", "2026-07-28"
ERAS = (LEGACY, MODERN)

_WIDGET = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "price": {"type": "number"},
        "in_stock": {"type": "boolean"},
    },
    "required": ["id", "name", "price"],
}


class Ask(Struct, frozen=True, kw_only=True):
    """One HTTP request: the headers that the method and the revision need, and the body."""

    headers: dict[str, str]
    body: str


def document(origin: str) -> dict[str, Any]:
    """An OpenAPI document whose every operation is answered by the upstream at `origin`."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Widgets", "version": "1"},
        "servers": [{"url": origin}],
        "paths": {f"/kind{number}/{{id}}": {"get": _operation(number)} for number in range(TOOLS)},
    }


def _operation(number: int) -> dict[str, Any]:
    return {
        "operationId": f"getWidget{number}",
        "summary": f"Look up a widget of kind {number} by its id",
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "detail", "in": "query", "schema": {"type": "string", "enum": ["short", "full"]}},
        ],
        "responses": {"200": {"description": "The widget", "content": {"application/json": {"schema": _WIDGET}}}},
    }


def call(era: str) -> Ask:
    """A call of the tool that everybody is measured with."""
    return tool_call(era, TOOL, id="w-1", detail="full")


def echo(era: str) -> Ask:
    """A call of the tool that asks nobody."""
    return tool_call(era, "echo", text=ECHOED)


def tool_call(era: str, name: str, /, **arguments: str) -> Ask:
    return _ask(era, "tools/call", {"name": name, "arguments": arguments})


def echo_spec() -> ServerSpec:
    """A server whose one tool is answered by the guard itself."""
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"], "additionalProperties": False}
    tool = PythonTool(name="echo", description="Give the text back.", input_schema=schema, code=BUILTIN_ECHO)
    return ServerSpec(name="Echo", tools=(tool,))


def listing(era: str) -> Ask:
    """The list of tools, which needs no upstream."""
    return _ask(era, "tools/list", {})


def _ask(era: str, method: str, params: dict[str, Any]) -> Ask:
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": era}
    if era == MODERN:
        headers["Mcp-Method"] = method
        if "name" in params:
            headers["Mcp-Name"] = params["name"]
        params = params | {"_meta": _META}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return Ask(headers=headers, body=json.dumps(message, separators=(",", ":")))


_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
