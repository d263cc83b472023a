"""Tools that ask the person before they run: the question, the argument that stands in for it, and how arguments are shown."""

from collections.abc import Mapping
from typing import Any

import msgspec

from runner.contract import JsonSchema, Tool
from runner.tools.context import Question
from runner.tools.result import ToolAnswer, failed

KEY = "buildmymcpserver/confirm"
"""The key of the question; tools use others for theirs."""
MAX_VALUE, MAX_SHOWN = 120, 8
_DESCRIBED = {"type": "boolean", "description": "Set to true only after the person has agreed to this very call. It is not passed on."}


def property_of(schema: JsonSchema) -> str:
    """The argument `confirm`, or another name where the tool has one of its own."""
    name = "confirm"
    while name in schema.get("properties", {}):
        name += "_call"
    return name


def published_input(tool: Tool) -> JsonSchema:
    """The input schema as clients see it."""
    if not tool.confirm:
        return tool.input_schema
    properties = {**tool.input_schema.get("properties", {}), property_of(tool.input_schema): _DESCRIBED}
    return {**tool.input_schema, "properties": properties}


def question(tool: Tool, arguments: Mapping[str, Any]) -> Question:
    """A form with one box to tick."""
    properties = {"confirm": {"type": "boolean", "title": "Run it", "description": "Whether this call may run", "default": False}}
    schema = {"type": "object", "properties": properties, "required": ["confirm"]}
    return Question(method="elicitation/create", params={"mode": "form", "message": _message(tool, arguments), "requestedSchema": schema})


def agreed(answer: Mapping[str, Any]) -> bool:
    content = answer.get("content")
    return answer.get("action") == "accept" and isinstance(content, dict) and content.get("confirm") is True


def declined() -> ToolAnswer:
    return failed("declined", "The person declined this call, so it was not run. Do not repeat it unless they ask for it.")


def unconfirmed(argument: str) -> ToolAnswer:
    text = f"The person must agree before this tool runs. Ask them, and call it again with `{argument}` set to true only once they have agreed."
    return failed("not_confirmed", text)


def _message(tool: Tool, arguments: Mapping[str, Any]) -> str:
    lines = [f"{_safe(name, 64)}: {_safe(_json(value), MAX_VALUE)}" for name, value in list(arguments.items())[:MAX_SHOWN]]
    if len(arguments) > MAX_SHOWN:
        lines.append(f"… and {len(arguments) - MAX_SHOWN} more")
    shown = "\n".join(lines) or "(no arguments)"
    return f"May {_safe(tool.title or tool.name, 128)} run?\n{shown}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _safe(text: str, most: int) -> str:
    """Short, and without characters that could make the question look like another one (line breaks, direction marks)."""
    # Cut first: an argument may have megabytes.
    cut = text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in cut)
