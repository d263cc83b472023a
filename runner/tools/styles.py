"""How the value of a parameter becomes text: the styles of OpenAPI's Parameter Object, which follow RFC 6570.

Everything here returns text that is already percent-encoded where its place needs it. A null is an absent value, as RFC 6570 says of
undefined ones: alone it gives nothing, inside a list or an object it is left out.
"""

import re
from collections.abc import Callable
from urllib.parse import quote

import msgspec

Encode = Callable[[str], str]

_TRIPLET = re.compile(r"(%[0-9A-Fa-f]{2})")
# RFC 6570's reserved expansion without what would end the value in a query: `&`, `#`, `+` (a space to form parsers) and brackets.
_RESERVED = ":/?@!$'()*,;="


def strictly(text: str) -> str:
    """Only RFC 3986's unreserved characters stay."""
    return quote(text, safe="")


def loosely(text: str) -> str:
    """Reserved characters and percent triplets stay (`allowReserved`)."""
    return "".join(part if _TRIPLET.fullmatch(part) else quote(part, safe=_RESERVED) for part in _TRIPLET.split(text))


def keeping_slashes(text: str) -> str:
    """For a path parameter that may fill several segments."""
    return quote(text, safe="/:@!$'()*,;=")


def verbatim(text: str) -> str:
    return text


def fits_a_header(text: str) -> bool:
    """Whether text can be a header's value: Latin-1 without control characters (RFC 9110 section 5.5)."""
    return text.isprintable() if text.isascii() else all(" " <= each <= "\xff" and not "\x7f" <= each < "\xa0" for each in text)


def text_of(value: object) -> str:
    """A scalar as JSON would write it, without quotes; a list or object where no style reaches is compact JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value - value != 0:
        raise ValueError(f"{value} is not a number JSON can write")
    return msgspec.json.encode(value).decode()


def as_query(name: str, value: object, *, style: str, explode: bool, encode: Encode) -> list[tuple[str, str]]:
    """The pairs of a query or cookie parameter: form, spaceDelimited, pipeDelimited, tabDelimited or deepObject."""
    if style == "deepObject" and isinstance(value, list | dict):
        return _deep(strictly(name), value, encode)
    key = quote(name, safe="$:@")
    if not isinstance(value, list | dict):
        return [(key, encode(text_of(value)))]
    if explode:
        named = _members(value) if isinstance(value, dict) else [(name, item) for item in _items(value)]
        return [(quote(each, safe="$:@"), encode(item)) for each, item in named]
    flat = _flat(value, encode)
    separator = {"spaceDelimited": "%20", "pipeDelimited": "%7C", "tabDelimited": "%09"}.get(style, ",")
    return [(key, separator.join(flat))] if flat else []


def as_path(name: str, value: object, *, style: str, explode: bool, encode: Encode = strictly) -> str:
    """A part of a path segment: simple, label (`.a.b`) or matrix (`;name=a`)."""
    if style == "matrix":
        return _matrix(strictly(name), value, explode)
    if not isinstance(value, list | dict):
        text = encode(text_of(value))
    elif explode:
        text = ("." if style == "label" else ",").join(_exploded(value, encode))
    else:
        text = ",".join(_flat(value, encode))
    return f".{text}" if style == "label" else text


def as_header(value: object, *, explode: bool) -> str:
    """A header's value in style simple; RFC 9110 knows no percent-encoding there."""
    if not isinstance(value, list | dict):
        return text_of(value)
    return ",".join(_exploded(value, verbatim) if explode else _flat(value, verbatim))


def _matrix(key: str, value: object, explode: bool) -> str:
    if isinstance(value, dict) and explode:
        pairs = [(strictly(name), strictly(item)) for name, item in _members(value)]
    elif isinstance(value, list) and explode:
        pairs = [(key, strictly(item)) for item in _items(value)]
    elif isinstance(value, list | dict):
        pairs = [(key, ",".join(_flat(value, strictly)))]
    else:
        pairs = [(key, strictly(text_of(value)))]
    return "".join(f";{name}={item}" if item else f";{name}" for name, item in pairs)


def _deep(key: str, value: object, encode: Encode) -> list[tuple[str, str]]:
    # OpenAPI leaves nesting and lists open; `a[b][0]` is what Rails, PHP and the qs library all read.
    if isinstance(value, dict):
        return [pair for name, each in value.items() if each is not None for pair in _deep(f"{key}%5B{strictly(name)}%5D", each, encode)]
    if isinstance(value, list):
        return [pair for number, each in enumerate(value) if each is not None for pair in _deep(f"{key}%5B{number}%5D", each, encode)]
    return [(key, encode(text_of(value)))]


def _items(value: list[object]) -> list[str]:
    return [text_of(item) for item in value if item is not None]


def _members(value: dict[str, object]) -> list[tuple[str, str]]:
    return [(name, text_of(item)) for name, item in value.items() if item is not None]


def _flat(value: list[object] | dict[str, object], encode: Encode) -> list[str]:
    if isinstance(value, dict):
        return [encode(part) for member in _members(value) for part in member]
    return [encode(item) for item in _items(value)]


def _exploded(value: list[object] | dict[str, object], encode: Encode) -> list[str]:
    if isinstance(value, dict):
        return [f"{encode(name)}={encode(item)}" for name, item in _members(value)]
    return [encode(item) for item in _items(value)]
