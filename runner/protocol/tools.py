"""How tools look on the wire: the list of them, a call, and what a call gave."""

from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct

from runner.contract import JsonSchema, Manifest, ServerSpec, Tool
from runner.protocol.jsonrpc import RequestId, encode
from runner.protocol.param_headers import ParamHeader, param_headers
from runner.tools.result import ToolAnswer

NEXT = "buildmymcpserver/next"
"""Where a content block about an answer holds the arguments that ask for the next page."""


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
    if promise_of(tool, modern=modern) is not None and (published := published_output(tool.output_schema or {})) is not None:
        shown["outputSchema"] = published
    hints = tool.annotations
    shown["annotations"] = {
        "readOnlyHint": hints.read_only,
        "destructiveHint": hints.destructive,
        "idempotentHint": hints.idempotent,
        "openWorldHint": hints.open_world,
    }
    return shown


Promise = Literal["object", "any"]
"""What a tool with an output schema gives as structured content."""


def promise_of(tool: Tool, *, modern: bool) -> Promise | None:
    """Before 2026-07-28 structured content, and so its schema, had to be an object."""
    if tool.output_schema is None:
        return None
    if tool.output_schema.get("type") == "object":
        return "object"
    return "any" if modern else None


def published_output(schema: JsonSchema) -> JsonSchema | None:
    """An API's schema as a description that no answer breaks; None where it cannot be one (docs/decisions/010)."""
    described = dict(schema)
    shared: JsonSchema = {name: described.pop(name) for name in ("$schema", "$defs") if name in described}
    if any(not each.startswith("#/$defs/") for each in _references(schema)):
        return None
    root: JsonSchema = {"type": "object"} if schema.get("type") == "object" else {}
    return {**root, **shared, "anyOf": [described, {}]}


def encoded_result(answer: ToolAnswer, *, start: bytes, promise: Promise | None = None) -> bytes:
    """A CallToolResult. `start` opens the object and ends with a comma or the brace."""
    content = b'{"type":"text","text":%b}' % encode(answer.text)
    if answer.note is not None or answer.blocks:
        content = b",".join((content, *_further(answer)))
    if answer.is_error:
        return b'%b"content":[%b],"isError":true}' % (start, content)
    shown = answer.structured
    if not isinstance(shown, dict):
        if promise is None:
            return b'%b"content":[%b],"isError":false}' % (start, content)
        if promise == "object":
            shown = (
                {}
                if answer.blocks
                else {"text": answer.text}
                if shown is None
                else {"items" if isinstance(shown, list) else "value": shown}
            )
    return b'%b"content":[%b],"structuredContent":%b,"isError":false}' % (start, content, encode(shown))


def _further(answer: ToolAnswer) -> Iterator[bytes]:
    # A block of its own: inside the structured content a note could not be told from the answer.
    if answer.note is not None:
        meta = {"_meta": {NEXT: answer.following}} if answer.following else {}
        yield encode({"type": "text", "text": answer.note, **meta})
    yield from map(encode, answer.blocks)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(found := value.get("$ref"), str):
            yield found
        if "$dynamicRef" in value or "$id" in value:
            yield ""
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)
