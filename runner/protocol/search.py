"""Three tools instead of a long list: `find_tools`, `describe_tools` and `call_tool` (docs/decisions/015-tool-search.md)."""

import contextlib
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from runner.contract import Annotations, PythonTool, ServerSpec, Tool
from runner.protocol.cost import MAX_LISTED, MAX_TOKENS, tokens_of
from runner.protocol.described import described
from runner.protocol.jsonrpc import encode, excess
from runner.tools.context import Context
from runner.tools.registry import RegisteredTool
from runner.tools.result import ToolAnswer, failed

if TYPE_CHECKING:
    from runner.protocol.ranking import Index
    from runner.protocol.tools import ToolCall

MOST_FOUND = 50
FOUND = 10
MOST_DESCRIBED = 20
NEAR = 5
MAX_SENTENCE = 240
_END = re.compile(r"[.!?](?=\s+[A-Z])")

_NAMES = {"type": "array", "items": {"type": "string"}}
_OBJECT = {"type": "object"}
_FIND_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "query": {"type": "string", "description": "What the tool should do, in a few words; empty lists all tools in order"},
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST_FOUND, "default": FOUND},
        "offset": {"type": "integer", "minimum": 0, "default": 0, "description": "How many to skip: next_offset of the page before"},
        "read_only": {"type": "boolean", "description": "true: only tools that change nothing"},
    },
    "additionalProperties": False,
}
_FIND_OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "tools": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "title": {"type": "string"}, "description": {"type": "string"}},
                "required": ["name", "description"],
                "additionalProperties": False,
            },
        },
        "total": {"type": "integer", "minimum": 0},
        "next_offset": {"type": "integer", "minimum": 1},
        "hint": {"type": "string"},
    },
    "required": ["tools", "total"],
    "additionalProperties": False,
}
_DESCRIBE_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {"names": {**_NAMES, "minItems": 1, "maxItems": MOST_DESCRIBED}},
    "required": ["names"],
    "additionalProperties": False,
}
_DESCRIBE_OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "tools": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "title": {"type": "string"},
                    "description": {"type": "string"},
                    "inputSchema": _OBJECT,
                    "outputSchema": _OBJECT,
                    "annotations": _OBJECT,
                    "_meta": _OBJECT,
                },
                "required": ["name", "description", "inputSchema", "annotations"],
                "additionalProperties": False,
            },
        },
        "unknown": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "near": _NAMES},
                "required": ["name", "near"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["tools"],
    "additionalProperties": False,
}
_CALL_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "The tool's name"},
        "arguments": {"type": "object", "description": "What the tool's inputSchema asks for"},
    },
    "required": ["name"],
    "additionalProperties": False,
}
_READS = Annotations(read_only=True, destructive=False, idempotent=True, open_world=False)


class Listing(Struct, frozen=True, kw_only=True):
    """What `tools/list` publishes: all tools of a spec, or the three of its search."""

    tools: tuple[Tool, ...]
    search: bool
    advice: str = ""
    """A sentence for the server's instructions."""


def listing(spec: ServerSpec) -> Listing:
    """What a spec's choice comes to."""
    if not searches(spec):
        return Listing(tools=spec.tools, search=False)
    tools = find, describe, call = search_tools(spec)
    advice = (
        f"This server has {len(spec.tools)} tools that are not listed: find them with {find.name}, read what they take with "
        f"{describe.name}, and run them with {call.name}."
    )
    return Listing(tools=tools, search=True, advice=advice)


def searches(spec: ServerSpec) -> bool:
    """Whether a spec's tools are found by search: as it says, or because the list would be too long."""
    if spec.tool_list != "auto":
        return spec.tool_list == "search" and bool(spec.tools)
    return len(spec.tools) > MAX_LISTED or tokens_of(spec.tools, enough=MAX_TOKENS) > MAX_TOKENS


def search_tools(spec: ServerSpec) -> tuple[Tool, Tool, Tool]:
    """find, describe and call, for this spec. Where it has a tool of such a name, all three get the same number."""
    taken = {tool.name for tool in spec.tools}
    find, describe, call = _names(taken)
    reads = all(tool.annotations.read_only for tool in spec.tools)
    return (
        PythonTool(
            name=find,
            code="",
            description=f"Finds tools of this server by what they do. It has {len(spec.tools)}, which are not listed one by one. "
            f"Describe what you found with {describe}, then run it with {call}.",
            input_schema=_FIND_INPUT,
            output_schema=_FIND_OUTPUT,
            annotations=_READS,
        ),
        PythonTool(
            name=describe,
            code="",
            description=f"Gives the definitions of tools by their names: what they do and which arguments {call} must give them.",
            input_schema=_DESCRIBE_INPUT,
            output_schema=_DESCRIBE_OUTPUT,
            annotations=_READS,
        ),
        PythonTool(
            name=call,
            code="",
            description=f"Runs a tool by its name, found with {find}, with the arguments that {describe} shows.",
            input_schema=_CALL_INPUT,
            # What it does is what the tool does that it runs.
            annotations=Annotations(
                read_only=reads, destructive=not reads, open_world=any(tool.annotations.open_world for tool in spec.tools)
            ),
        ),
    )


def _names(taken: set[str]) -> tuple[str, str, str]:
    number = 1
    while True:
        end = "" if number == 1 else f"_{number}"
        names = f"find_tools{end}", f"describe_tools{end}", f"call_tool{end}"
        if taken.isdisjoint(names):
            return names
        number += 1


class ToolSearch:
    """Answers the search of one server. Where its tools are listed, it holds none and every call stays what it is.

    Everybody who may call the server sees all tools, as in a full list: a client learns from the 403 of a call which scope to ask
    for, and could not if the tool were hidden until it has that scope.
    """

    def __init__(self, spec: ServerSpec) -> None:
        self._spec = spec
        self.tools: dict[str, RegisteredTool] = {}
        self._call: str | None = None
        shown = listing(spec)
        if shown.search:
            find, describe, call = shown.tools
            self._call = call.name
            self._find, self._describe = find.name, describe.name
            self.tools = {
                find.name: RegisteredTool(find, _Run(self._found)),
                describe.name: RegisteredTool(describe, _Run(self._described)),
                call.name: RegisteredTool(call, _Run(self._not_called)),
            }

    @cached_property
    def summary(self) -> dict[str, Any]:
        """How the tools are listed, and about how many tokens each way takes; counted when somebody asks first."""
        tokens = {"all": tokens_of(self._spec.tools), "search": tokens_of(search_tools(self._spec))}
        return {"tools": len(self._spec.tools), "tool_list": "search" if self._call else "all", "tokens": tokens}

    def resolved(self, call: "ToolCall") -> "ToolCall":
        """The call that `call_tool` stands for, to be checked, counted and run like any other.

        One that names no tool stays as it is, and `call_tool` itself then says so.
        """
        if call.name != self._call:
            return call
        name, arguments = call.arguments.get("name"), _as_object(call.arguments.get("arguments"))
        if not isinstance(name, str) or arguments is None or name == self._call or not (name in self._inner or name in self.tools):
            return call
        return msgspec.structs.replace(call, name=name, arguments=arguments)

    @cached_property
    def _inner(self) -> dict[str, Tool]:
        return {tool.name: tool for tool in self._spec.tools}

    @cached_property
    def _index(self) -> "Index":
        # Built when somebody searches first: a server that waits holds no index.
        from runner.protocol.ranking import Index

        return Index(self._spec.tools)

    def _found(self, arguments: Mapping[str, Any], _context: Context) -> ToolAnswer:
        query, limit, offset = arguments.get("query", ""), int(arguments.get("limit", FOUND)), int(arguments.get("offset", 0))
        only_reading = arguments.get("read_only") is True
        ranked = self._index.ranked(query) if query.strip() else self._spec.tools
        ranked = [tool for tool in ranked if tool.annotations.read_only or not only_reading]
        found: dict[str, Any] = {"tools": [_short(tool) for tool in ranked[offset : offset + limit]], "total": len(ranked)}
        if offset + limit < len(ranked):
            found["next_offset"] = offset + limit
        if not ranked:
            near = ", ".join(self._index.near_words(query))
            occur = f"Words that occur: {near}. " if near else ""
            found["hint"] = f"No tool matches. {occur}An empty query lists all {len(self._inner)} tools."
        return _said(found)

    def _described(self, arguments: Mapping[str, Any], context: Context) -> ToolAnswer:
        names = list(dict.fromkeys(arguments["names"]))
        found: dict[str, Any] = {"tools": [described(self._inner[name], modern=context.modern) for name in names if name in self._inner]}
        if unknown := [name for name in names if name not in self._inner]:
            found["unknown"] = [{"name": name, "near": self._near(name)} for name in unknown]
        return _said(found)

    def _not_called(self, arguments: Mapping[str, Any], _context: Context) -> ToolAnswer:
        """What is left for `call_tool` itself: arguments that fit, and a name that leads nowhere."""
        name = arguments["name"]
        near = self._near(name)
        hint = f"Near it: {', '.join(near)}." if near else f"Find one with {self._find}."
        return failed("unknown_tool", f"There is no tool {name[:100]!r}. {hint}")

    def _near(self, name: str) -> list[str]:
        return [tool.name for tool in self._index.near(name, NEAR)]


class _Run(Struct, frozen=True):
    """A plain function as a runner."""

    function: Callable[[Mapping[str, Any], Context], ToolAnswer]

    async def run(self, arguments: dict[str, Any], context: Context) -> ToolAnswer:
        return self.function(arguments, context)


def _as_object(given: Any) -> dict[str, Any] | None:
    if isinstance(given, str):
        # Models often write the inner arguments as JSON in a string. Whoever looked at how deep and how much the message is has not seen it.
        with contextlib.suppress(msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            given = msgspec.json.decode(given) if excess(given.encode()) is None else given
    return {} if given is None else given if isinstance(given, dict) else None


def _short(tool: Tool) -> dict[str, str]:
    sentence = first_sentence(tool.description)
    title = {} if tool.title is None or tool.title == sentence.rstrip(".") else {"title": tool.title}
    return {"name": tool.name, **title, "description": sentence}


def first_sentence(text: str) -> str:
    """The beginning of a description, at most `MAX_SENTENCE` characters."""
    line = text.strip().partition("\n")[0]
    ended = _END.search(line)
    sentence = line[: ended.end()].rstrip() if ended else line
    return sentence if len(sentence) <= MAX_SENTENCE else f"{sentence[: MAX_SENTENCE - 1].rstrip()}…"


def _said(found: dict[str, Any]) -> ToolAnswer:
    return ToolAnswer(text=encode(found).decode(), structured=found)
