"""The trial: a candidate in the real sandbox, without network, must be what its spec says before anybody can reach it."""

import http.client
from pathlib import Path
from typing import Any

import msgspec

from bmm.errors import TrialFailed
from bmm.servers.launch import ask_privately
from runner.contract import ServerSpec, Tool

_VERSION = "2026-07-28"
_META = {
    "io.modelcontextprotocol/protocolVersion": _VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "bmm-trial", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
_NOT_AN_ARGUMENT = "bmm trial: no tool has this argument"


def try_out(private: Path, spec: ServerSpec) -> str:
    """Hold the candidate against its spec; returns the sentence for the build's story.

    Raises:
        TrialFailed: it does not answer, lists other tools, or takes arguments its schemas forbid.
    """
    discovered = _ask(private, "server/discover", {})
    if _VERSION not in discovered.get("supportedVersions", []):
        raise TrialFailed("The candidate did not answer server/discover with the protocol version that was asked for")
    expected = [tool.name for tool in spec.tools]
    listed = [tool["name"] for tool in _all_tools(private)]
    if listed != expected:
        odd = sorted(set(listed) ^ set(expected))
        raise TrialFailed(f"The candidate lists other tools than the spec: {', '.join(odd[:5]) or 'their order differs'}")
    strict = next((tool for tool in spec.tools if _refuses_unknown_arguments(tool)), None)
    if strict is not None:
        result = _ask(private, "tools/call", {"name": strict.name, "arguments": {_NOT_AN_ARGUMENT: 1}}, name=strict.name)
        if result.get("isError") is not True:
            raise TrialFailed(f"The candidate's tool {strict.name!r} took an argument its schema forbids")
    return f"the candidate answers and lists {len(listed)} tool{'s' if len(listed) != 1 else ''}, as its spec says"


def _all_tools(private: Path) -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = _ask(private, "tools/list", {"cursor": cursor} if cursor else {})
        tools += page["tools"]
        cursor = page.get("nextCursor")
        if cursor is None:
            return tools


def _refuses_unknown_arguments(tool: Tool) -> bool:
    return tool.input_schema.get("additionalProperties") is False


def _ask(private: Path, method: str, params: dict[str, Any], *, name: str | None = None) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params | {"_meta": _META}}
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": _VERSION,
        "Mcp-Method": method,
    }
    if name is not None:
        headers["Mcp-Name"] = name
    try:
        answer = ask_privately(private, "POST", "/mcp", body=msgspec.json.encode(message), headers=headers)
        decoded = msgspec.json.decode(answer.body, type=dict[str, Any])
    except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
        raise TrialFailed(f"The candidate did not answer {method}: {error}") from error
    result = decoded.get("result")
    if not isinstance(result, dict):
        raise TrialFailed(f"The candidate answered {method} with an error: {str(decoded.get('error', decoded))[:500]}")
    return result
