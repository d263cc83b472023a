"""How one tool looks in a list of tools."""

from collections.abc import Iterator
from typing import Any, Literal

from runner.contract import HttpTool, JsonSchema, Tool
from runner.tools.confirm import published_input


def described(tool: Tool, *, modern: bool) -> dict[str, Any]:
    """A tool as `tools/list` shows it."""
    shown: dict[str, Any] = {"name": tool.name, "description": tool.description, "inputSchema": published_input(tool)}
    if tool.title is not None:
        shown["title"] = tool.title
    if promise_of(tool, modern=modern) is not None and (published := _output(tool, tool.output_schema or {})) is not None:
        shown["outputSchema"] = published
    hints = tool.annotations
    shown["annotations"] = {
        "readOnlyHint": hints.read_only,
        "destructiveHint": hints.destructive,
        "idempotentHint": hints.idempotent,
        "openWorldHint": hints.open_world,
    }
    if tool.meta:
        shown["_meta"] = tool.meta
    return shown


def _output(tool: Tool, schema: JsonSchema) -> JsonSchema | None:
    # What code gives is held against its schema; what an API gives is not.
    return published_output(schema) if isinstance(tool, HttpTool) else schema


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
