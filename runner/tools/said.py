"""An API's own words about what went wrong: RFC 9457 problem details and what is common beside them, or the start of the text."""

import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any

import msgspec

from runner.tools.media import charset_text

EXCERPT = 2000
_MAX_FAULTS, _MAX_DEPTH, _MAX_WORDS = 20, 4, 500
# `\Z` lets an unclosed element swallow the rest, which also keeps the search linear on hostile pages.
_NOT_SHOWN = re.compile(r"(?is)<(script|style|head|template)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*>")
_WORDS = (
    "title",
    "message",
    "detail",
    "error_description",
    "errorMessage",
    "error_message",
    "msg",
    "description",
    "reason",
    "error",
    "hint",
)
_LISTS = ("errors", "error", "detail", "details", "invalid-params", "invalid_params", "fieldViolations", "violations", "issues", "messages")
_FIELDS = ("field", "path", "param", "pointer", "property", "propertyPath", "loc", "name", "attribute", "location", "parameter", "source")


def said(fields: Mapping[str, str], body: bytes) -> str:
    """What the API says, in at most `EXCERPT` characters: a sentence, then a line for each field it finds fault with."""
    if "json" in fields.get("content-type", "json"):
        try:
            text = _of_json(msgspec.json.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            text = ""
        if text:
            return _cut(text, EXCERPT)
    return excerpt(fields, body, EXCERPT)


def excerpt(fields: Mapping[str, str], body: bytes, limit: int) -> str:
    """The start of a body as one line, without markup."""
    text = charset_text(fields.get("content-type", ""), body)
    if not text or "\x00" in text:
        return f"({len(body)} bytes that are not text)" if body else ""
    if "<" in text[:200] and "html" in (fields.get("content-type", "") + text[:200]).lower():
        text = unescape(_NOT_SHOWN.sub(" ", text))
    return _cut(" ".join(text.split()), limit)


def _of_json(value: Any) -> str:
    if isinstance(value, str):
        return _line(value)
    faults = list(dict.fromkeys(_faults(value, 0)))
    words = list(dict.fromkeys(_sentences(value)))
    words = [word for word in words if not any(word in fault for fault in faults)] or words[:1]
    shown = [f"- {fault}" for fault in faults[:_MAX_FAULTS] if fault not in words]
    if len(faults) > _MAX_FAULTS:
        shown.append(f"- and {len(faults) - _MAX_FAULTS} more")
    return "\n".join([": ".join(words), *shown] if words else shown)


def _sentences(value: Any) -> Iterator[str]:
    """The words of the outermost object, or of the one its `error` holds."""
    if not isinstance(value, dict):
        return
    for name in _WORDS:
        found = value.get(name)
        if isinstance(found, str) and found.strip():
            yield _line(found)
    for name in ("error", "fault", "Error"):
        if isinstance(found := value.get(name), dict):
            yield from _sentences(found)
            code = found.get("code") or found.get("type")
            if isinstance(code, str):
                yield _line(code)


def _faults(value: Any, depth: int) -> Iterator[str]:
    """A line for each field, `field: what is wrong`."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for each in value:
            if isinstance(each, str):
                yield _line(each)
            elif isinstance(each, dict):
                yield from _fault(each, depth)
        return
    if not isinstance(value, dict):
        return
    for name in _LISTS:
        found = value.get(name)
        if name == "errors" and isinstance(found, dict):
            yield from _by_name(found)
        elif isinstance(found, list | dict):
            if isinstance(found, dict) and (where := _place(found)):
                yield f"{where}: {' '.join(_sentences(found)) or 'not accepted'}"
            else:
                yield from _faults(found, depth + 1)


def _fault(each: dict[str, Any], depth: int) -> Iterator[str]:
    words, where = list(dict.fromkeys(_sentences(each))), _place(each)
    code = each.get("code") or each.get("type")
    if isinstance(code, str) and not words:
        words = [_line(code)]
    if words and where in words:
        where = ""
    if words:
        yield f"{where}: {': '.join(words)}" if where else ": ".join(words)
    else:
        yield from _faults(each, depth + 1)


def _by_name(found: dict[str, Any]) -> Iterator[str]:
    """`{"email": ["is taken"]}`, as Laravel, Rails and ASP.NET write it."""
    for name, words in found.items():
        for word in words if isinstance(words, list) else [words]:
            yield f"{_line(name)}: {_line(word if isinstance(word, str) else msgspec.json.encode(word).decode())}"


def _place(each: dict[str, Any]) -> str:
    for name in _FIELDS:
        found = each.get(name)
        if isinstance(found, str) and found:
            return _line(found)
        if isinstance(found, list) and found:
            return _line(".".join(str(part) for part in found if isinstance(part, str | int)))
        if isinstance(found, dict):
            return _place(found)
    return ""


def _line(text: str) -> str:
    return _cut(" ".join(text.split()), _MAX_WORDS)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
