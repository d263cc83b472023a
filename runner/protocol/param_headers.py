"""Arguments that a tool's schema mirrors into `Mcp-Param-*` headers with `x-mcp-header` (2026-07-28, Custom Headers)."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from runner.contract import JsonSchema
from runner.protocol.eras import header_text, says

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NUMBER = re.compile(r"-?[0-9]+(\.0*)?")
_TYPES = frozenset({"string", "integer", "boolean"})


class ParamHeader(Struct, frozen=True, kw_only=True):
    """One argument and the header that repeats it; `name` as it arrives, in lower case."""

    name: bytes
    path: tuple[str, ...]
    type: str


def param_headers(schema: JsonSchema) -> tuple[ParamHeader, ...]:
    """The headers a schema declares. One bad declaration makes conforming clients drop the tool, so then there are none."""
    found = list(_declared(schema, ()))
    names = [header.name for header in found if header is not None]
    return tuple(header for header in found if header) if len(set(names)) == len(found) else ()


def disagreement(declared: tuple[ParamHeader, ...], arguments: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> str | None:
    """What is wrong between the headers and the arguments; None when they agree."""
    for header in declared:
        shown, value, sent = header.name.decode(), _at(arguments, header.path), headers.get(header.name)
        if value is None or not isinstance(value, str | int | float):
            if sent is not None:
                return f"{shown} is sent, and the body has no such value."
        elif sent is None:
            return f"{shown} is missing, and the body has the argument {'.'.join(header.path)}."
        elif not _equal(header, value, sent):
            return f"{shown} differs from the argument {'.'.join(header.path)} of the body."
    return None


def _declared(schema: JsonSchema, path: tuple[str, ...]) -> "list[ParamHeader | None]":
    properties = schema.get("properties")
    found: list[ParamHeader | None] = []
    for name, each in properties.items() if isinstance(properties, dict) else ():
        if not isinstance(each, dict):
            continue
        token, kind = each.get("x-mcp-header"), each.get("type")
        if token is not None:
            good = isinstance(token, str) and _TOKEN.fullmatch(token) and kind in _TYPES
            found.append(ParamHeader(name=f"mcp-param-{token}".lower().encode(), path=(*path, name), type=str(kind)) if good else None)
        found += _declared(each, (*path, name))
    return found


def _equal(header: ParamHeader, value: str | float, sent: bytes) -> bool:
    if isinstance(value, bool):
        return says(sent, "true" if value else "false")
    if isinstance(value, str):
        return says(sent, value)
    text = header_text(sent.strip(b" \t")) or ""
    # Integers are compared as numbers: 42 and 42.0 are equal.
    if header.type == "integer" and (isinstance(value, int) or value.is_integer()):
        return len(text) <= 20 and _NUMBER.fullmatch(text) is not None and int(text.partition(".")[0]) == value
    return text == str(value)


def _at(arguments: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = arguments
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
