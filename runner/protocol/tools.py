"""How tools look on the wire: the list of them, a call, and what a call gave."""

from typing import Any

from msgspec import Struct

from runner.contract import Manifest, ServerSpec, Tool
from runner.protocol.jsonrpc import RequestId, encode
from runner.protocol.param_headers import ParamHeader, param_headers
from runner.tools.answer import ToolAnswer


class ToolParams(Struct, frozen=True, kw_only=True):
    """The params of `tools/call`."""

    name: str
    arguments: dict[str, Any] | None = None


class ToolCall(Struct, frozen=True, kw_only=True):
    """A `tools/call` that is well formed; whether the tool exists and takes the arguments is still open."""

    id: RequestId
    name: str
    arguments: dict[str, Any]
    modern: bool


class Catalogue(Struct, frozen=True, kw_only=True):
    """What does not change while a container runs; the lists are encoded once, in the order of the spec."""

    name: str
    title: str
    version: str
    instructions: str
    modern_tools: bytes
    legacy_tools: bytes
    mirrored: dict[str, tuple[ParamHeader, ...]]
    """The argument headers of the tools that declare any."""


def catalogue(spec: ServerSpec, manifest: Manifest) -> Catalogue:
    return Catalogue(
        name=manifest.slug,
        title=manifest.title,
        version=str(manifest.version),
        instructions=spec.instructions,
        modern_tools=encode([described(tool, modern=True) for tool in spec.tools]),
        legacy_tools=encode([described(tool, modern=False) for tool in spec.tools]),
        mirrored={tool.name: declared for tool in spec.tools if (declared := param_headers(tool.input_schema))},
    )


def described(tool: Tool, *, modern: bool) -> dict[str, Any]:
    """A tool as `tools/list` shows it."""
    shown: dict[str, Any] = {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
    if tool.title is not None:
        shown["title"] = tool.title
    if publishes_output(tool, modern=modern):
        shown["outputSchema"] = tool.output_schema
    hints = tool.annotations
    shown["annotations"] = {
        "readOnlyHint": hints.read_only,
        "destructiveHint": hints.destructive,
        "idempotentHint": hints.idempotent,
        "openWorldHint": hints.open_world,
    }
    return shown


def publishes_output(tool: Tool, *, modern: bool) -> bool:
    """Before 2026-07-28 structured content, and so its schema, had to be an object."""
    return tool.output_schema is not None and (modern or tool.output_schema.get("type") == "object")


def encoded_result(answer: ToolAnswer, *, start: bytes, structured: bool) -> bytes:
    """A CallToolResult. `start` opens the object and ends with a comma or the brace."""
    flag = b"true" if answer.is_error else b"false"
    if not structured or answer.structured is None:
        return b'%b"content":[{"type":"text","text":%b}],"isError":%b}' % (start, encode(answer.text), flag)
    shown = encode(answer.structured)
    return b'%b"content":[{"type":"text","text":%b}],"structuredContent":%b,"isError":%b}' % (start, encode(answer.text), shown, flag)
