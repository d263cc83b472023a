"""Arguments that a schema mirrors into headers with `x-mcp-header` (2026-07-28, Custom Headers): clients drop a tool that declares one wrongly."""

import re
from collections.abc import Iterator
from typing import Any

from runner.contract import JsonSchema

KEYWORD = "x-mcp-header"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TYPES = ("string", "integer", "boolean")
_BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_DATA = ("const", "enum", "default", "example", "examples")


def header_fault(schema: JsonSchema) -> tuple[str, str] | None:
    """What is wrong first, as a sentence, and its place; None where clients take all declarations."""
    seen = set[str]()
    for place, name, kind, reachable in _declared(schema, "", reachable=True):
        if not reachable:
            return f"{KEYWORD} must stand in a property of the arguments, reached by nothing but `properties`", place
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            return f"{KEYWORD} must be the end of a header's name, and {name!r} is none", place
        if kind not in _TYPES:
            return f"{KEYWORD} needs an argument of the type string, integer or boolean", place
        if name.lower() in seen:
            return f"{KEYWORD} {name!r} is declared twice", place
        seen.add(name.lower())
    return None


def _declared(schema: JsonSchema, place: str, *, reachable: bool) -> Iterator[tuple[str, Any, Any, bool]]:
    """Each declaration: its place, the name, the type beside it, and whether clients find it there."""
    if KEYWORD in schema:
        yield f"{place}/{KEYWORD}", schema[KEYWORD], schema.get("type"), reachable and place != ""
    for key, value in schema.items():
        if key in _BY_NAME and isinstance(value, dict):
            inside = reachable and key == "properties"
            found = [(f"{place}/{key}/{name}", each) for name, each in value.items()]
        elif key not in _DATA and key != KEYWORD:
            inside = False
            found = [(f"{place}/{key}/{number}", each) for number, each in enumerate(value)] if isinstance(value, list) else [(f"{place}/{key}", value)]
        else:
            continue
        for at, each in found:
            if isinstance(each, dict):
                yield from _declared(each, at, reachable=inside)
