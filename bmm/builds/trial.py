"""The trial: a candidate in the real sandbox, without network, must be what its spec says before anybody can reach it."""

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bmm.core.tool_list import ToolList
from bmm.errors import TrialFailed
from bmm.servers.launch import ask_privately
from bmm.servers.tool_list import tool_list
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
        TrialFailed: it does not answer, lists other tools, resources or prompts, or takes arguments its schemas forbid.
    """
    discovered = _ask(private, "server/discover", {})
    if _VERSION not in discovered.get("supportedVersions", []):
        raise TrialFailed("The candidate did not answer server/discover with the protocol version that was asked for")
    seen = _tool_list(private)
    told = [_listed(private, *what, searched=seen.tool_list == "search") for what in _lists(spec) if what[-1]]
    strict = next((tool for tool in spec.tools if _refuses_unknown_arguments(tool)), None)
    if strict is not None:
        result = _ask(private, "tools/call", {"name": strict.name, "arguments": {_NOT_AN_ARGUMENT: 1}}, name=strict.name)
        if result.get("isError") is not True:
            raise TrialFailed(f"The candidate's tool {strict.name!r} took an argument its schema forbids")
    return f"the candidate answers and lists {', '.join(told)}, as its spec says{f'; {seen}' if spec.tools else ''}"


def _tool_list(private: Path) -> ToolList:
    try:
        return tool_list(private)
    except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
        raise TrialFailed(f"The candidate did not tell how it lists its tools: {error}") from error


def _lists(spec: ServerSpec) -> Iterator[tuple[str, str, str, str, list[str]]]:
    """Method, member of the result, word for one, and what it must hold: the field and its values."""
    yield "tools/list", "tools", "tool", "name", [tool.name for tool in spec.tools]
    yield "resources/list", "resources", "resource", "uri", [resource.uri for resource in spec.resources]
    yield "resources/templates/list", "resourceTemplates", "template", "uriTemplate", [each.uri for each in spec.resource_templates]
    yield "prompts/list", "prompts", "prompt", "name", [prompt.name for prompt in spec.prompts]


def _listed(private: Path, method: str, member: str, word: str, field: str, expected: list[str], *, searched: bool) -> str:
    entries = _all_found(private) if searched and method == "tools/list" else _all(private, method, member)
    listed = [each[field] for each in entries]
    if listed != expected:
        odd = sorted(set(listed) ^ set(expected))
        raise TrialFailed(f"The candidate lists other {word}s than the spec: {', '.join(odd[:5]) or 'their order differs'}")
    return f"{len(listed)} {word}{'s' if len(listed) != 1 else ''}"


def _all(private: Path, method: str, member: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = _ask(private, method, {"cursor": cursor} if cursor else {})
        found += page[member]
        cursor = page.get("nextCursor")
        if cursor is None:
            return found


def _all_found(private: Path) -> list[dict[str, Any]]:
    """Every tool, by the search that is listed instead of them."""
    find = _all(private, "tools/list", "tools")[0]["name"]
    tools: list[dict[str, Any]] = []
    offset: int | None = 0
    while offset is not None:
        result = _ask(private, "tools/call", {"name": find, "arguments": {"limit": 50, "offset": offset}}, name=find)
        page = result.get("structuredContent", {})
        tools += page.get("tools", [])
        offset = page.get("next_offset")
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
