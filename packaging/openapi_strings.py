"""Texts that a schema's `pattern`, `format` and lengths ask for, the same ones every time."""

import importlib
import re
from typing import Any

# The standard library's own reading of an expression, which it has no public name for.
kinds: Any = importlib.import_module("re._constants")
parser: Any = importlib.import_module("re._parser")

FORMATS = {
    "date": "2024-02-29",
    "date-time": "2024-02-29T12:34:56Z",
    "time": "12:34:56Z",
    "duration": "P1DT2H",
    "email": "ada@example.com",
    "idn-email": "ada@example.com",
    "hostname": "www.example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/a",
    "url": "https://example.com/a",
    "uri-reference": "/a",
    "iri": "https://example.com/a",
    "uri-template": "https://example.com/{a}",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
    "guid": "123e4567-e89b-42d3-a456-426614174000",
    "byte": "YWJj",
    "base64": "YWJj",
    "binary": "YWJj",
    "json-pointer": "/a",
    "regex": "a+",
    "phone": "+14155550100",
    "int32": "1",
    "int64": "1",
    "decimal": "1.5",
}
_MANY = 64
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. ,:;/@+=!?#$%&*()[]{}<>|~^'\"\\`\t\n"


def fitting(schema: dict[str, Any], number: int) -> list[str]:
    """Candidates, the likeliest first; `number` makes members of one list differ."""
    found: list[str] = []
    if isinstance(schema.get("format"), str) and schema["format"] in FORMATS:
        found.append(FORMATS[schema["format"]])
    if schema.get("contentEncoding") == "base64":
        found.append(FORMATS["byte"])
    if isinstance(schema.get("pattern"), str):
        found += from_pattern(schema["pattern"], number)
    plain = f"text{number}" if number else "text"
    least, most = _length(schema.get("minLength"), 0), _length(schema.get("maxLength"), 10_000)
    for text in (plain, *found[:]):
        padded = (text + "abcdefghij" * (least // 10 + 1))[: max(least, len(text))]
        found += [padded[:most], padded]
    return [*found, "a" * least, str(number + 1), "A" * max(least, 1)]


def from_pattern(pattern: str, number: int = 0) -> list[str]:
    """Texts that match an ECMA pattern as far as Python's parser reads it; the shortest first."""
    for source in (pattern, re.sub(r"\\([pP])\{?\w+\}?", r"\\w", pattern), pattern.replace("(?<", "(?P<")):
        try:
            parsed = parser.parse(source)
        except (re.error, OverflowError, RecursionError):
            continue
        return list(dict.fromkeys(_text(parsed, least, number) for least in (0, 1, 3, 12, 40)))
    return []


def _length(value: object, otherwise: int) -> int:
    return min(int(value), 10_000) if isinstance(value, int | float) else otherwise


def _text(parts: Any, least: int, number: int) -> str:
    return "".join(_part(kind, value, least, number) for kind, value in parts)


def _part(kind: Any, value: Any, least: int, number: int) -> str:
    if kind is kinds.LITERAL:
        return chr(value)
    if kind is kinds.NOT_LITERAL:
        return "b" if chr(value) == "a" else "a"
    if kind is kinds.ANY:
        return "a"
    if kind is kinds.IN:
        return _one_of(value, number)
    if kind is kinds.BRANCH:
        return _text(value[1][number % len(value[1])], least, number)
    if kind is kinds.SUBPATTERN:
        return _text(value[-1], least, number)
    if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT) or kind is getattr(kinds, "POSSESSIVE_REPEAT", None):
        low, high, inner = value
        times = max(low, min(least, int(high), _MANY))
        return "".join(_text(inner, least, number if turn == 0 else 0) for turn in range(times))
    return _text(value[-1], least, number) if kind is getattr(kinds, "ATOMIC_GROUP", None) else ""


def _one_of(choices: Any, number: int) -> str:
    negated = bool(choices) and choices[0][0] is kinds.NEGATE
    fits = [each for each in _ALPHABET if _in(each, choices) != negated]
    if not fits:
        return chr(choices[0][1] if choices[0][0] is kinds.LITERAL else choices[0][1][0]) if not negated else "a"
    return fits[number % len(fits)]


def _in(letter: str, choices: Any) -> bool:
    for kind, value in choices:
        if kind is kinds.LITERAL and ord(letter) == value:
            return True
        if kind is kinds.RANGE and value[0] <= ord(letter) <= value[1]:
            return True
        if kind is kinds.CATEGORY and re.fullmatch(_CATEGORIES[str(value)], letter):
            return True
    return False


_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}
