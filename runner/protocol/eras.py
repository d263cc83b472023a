"""Which era of the protocol a request belongs to, read from its `MCP-Protocol-Version` header."""

import base64
import binascii
import re
from collections.abc import Callable
from enum import Enum

MODERN = "2026-07-28"
LATEST_LEGACY = "2025-11-25"
LEGACY = (LATEST_LEGACY, "2025-06-18", "2025-03-26", "2024-11-05")

_SENTINEL_START, _SENTINEL_END = b"=?base64?", b"?="
_PLAIN = re.compile(rb"[\t\x20-\x7e]*")


class Era(Enum):
    """`ABSENT` and `UNKNOWN` are decided with the help of the body."""

    MODERN = "modern"
    LEGACY = "legacy"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Contradiction(ValueError):
    """A header that was sent twice with different values."""


_KNOWN = {MODERN.encode(): Era.MODERN, **{version.encode(): Era.LEGACY for version in LEGACY}}


def era_of(version: bytes | None) -> Era:
    """The era of a `MCP-Protocol-Version` header already passed through `single`."""
    if version is None:
        return Era.ABSENT
    return _KNOWN.get(version, Era.UNKNOWN)


def single(name: str, value: bytes | None) -> bytes | None:
    """A header value without surrounding whitespace; identical copies joined by commas count once.

    httptools keeps trailing whitespace, and Claude Code 2.1 sends the version header twice.

    Raises:
        Contradiction: the copies differ.
    """
    if value is None:
        return None
    value = value.strip(b" \t")
    if b"," not in value:
        return value
    copies = {copy.strip(b" \t") for copy in value.split(b",")}
    if len(copies) > 1:
        raise Contradiction(f"The header {name} was sent with different values.")
    return copies.pop()


def header_text(value: bytes) -> str | None:
    """The text of a header value, with the `=?base64?…?=` form decoded; None when it is malformed (2026-07-28, Value Encoding)."""
    if value.startswith(_SENTINEL_START) and value.endswith(_SENTINEL_END) and len(value) >= len(_SENTINEL_START) + len(_SENTINEL_END):
        return _decoded(value[len(_SENTINEL_START) : -len(_SENTINEL_END)])
    return plain_text(value)


def says(value: bytes, expected: str, text: Callable[[bytes], str | None] = header_text) -> bool:
    """Whether a routing header carries `expected`, once or in identical copies; `text` reads it."""
    if text(value.strip(b" \t")) == expected:
        return True
    return b"," in value and all(text(copy.strip(b" \t")) == expected for copy in value.split(b","))


def plain_text(value: bytes) -> str | None:
    """The same of a header that knows no other form: whoever routes by it compares what it finds there."""
    if _PLAIN.fullmatch(value) is None:
        return None
    return value.decode("ascii")


def _decoded(payload: bytes) -> str | None:
    try:
        decoded = base64.b64decode(payload, validate=True)
        # A second spelling of the same bytes would let two readers of the header disagree.
        return decoded.decode() if base64.b64encode(decoded) == payload else None
    except (binascii.Error, UnicodeDecodeError):
        return None
