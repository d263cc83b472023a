"""JSON as it should not be: broken, deep, huge, ambiguous."""

import json
import random
from collections.abc import Callable
from typing import Any

Chance = random.Random

NUMBERS = (
    b"0", b"-0", b"1", b"-1", b"01", b"+1", b".5", b"1.", b"1e5", b"1E400", b"-1e400", b"1e-400", b"9007199254740993",
    b"18446744073709551616",
    b"-9223372036854775809", b"NaN", b"Infinity", b"-Infinity", b"0x10", b"1_000", b"9" * 400, b"0." + b"3" * 5000, b"1" + b"0" * 4500,
)  # fmt: skip
STRINGS = (
    b'""', b'"a"', b'"\\u0000"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"', b'"\x00"', b'"\t"', b'"\n"', b'"\xff"',
    b'"\xc0\x80"',
    b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x80\xa8"', b'"\\x41"', b'"\\u12"', b'"open', b"'single'", b'"\xef\xbb\xbf"',
    b'"</script>"',
    b'"__proto__"', b'"../../etc/passwd"', b'"%00"', b'"\\r\\nX-Injected: 1"',
)  # fmt: skip
ODD = (
    b"null",
    b"true",
    b"false",
    b"[]",
    b"{}",
    b"[null]",
    b"undefined",
    b"tru",
    b"",
    b" ",
    b"[,]",
    b"[1,]",
    b'{"a":}',
    b'{"a" 1}',
    b"{1:2}",
    b"/**/1",
)


def value(chance: Chance, depth: int = 3) -> Any:
    """A JSON value that is sound."""
    kind = chance.randrange(8 if depth else 6)
    if kind == 0:
        return None
    if kind == 1:
        return chance.random() < 0.5
    if kind == 2:
        return chance.choice((0, -1, 1, 2**31, 2**53 + 1, -(2**63), 2**64, 10**30, chance.randrange(1000)))
    if kind == 3:
        return chance.choice((0.0, -0.5, 1e300, 5e-324, chance.random()))
    if kind in (4, 5):
        return text(chance)
    if kind == 6:
        return [value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {text(chance): value(chance, depth - 1) for _ in range(chance.randrange(4))}


def text(chance: Chance) -> str:
    return chance.choice(
        (
            "",
            "a",
            "id",
            "name",
            "cursor",
            "é",
            "🙂",
            "\u2028",
            "\x00",
            "\x7f",
            "a" * chance.randrange(300),
            "=?base64?YQ==?=",
            " x ",
            "1",
            "null",
            "\\",
        )
    )


def raw(chance: Chance) -> bytes:
    """A piece of text where a value is due, sound or not."""
    return chance.choice((*NUMBERS, *STRINGS, *ODD)) if chance.random() < 0.7 else json.dumps(value(chance)).encode()


def spoiled(chance: Chance, document: bytes) -> bytes:
    """A document with one thing wrong, or odd, about it."""
    return chance.choice(_SPOIL)(chance, document)


def _cut(chance: Chance, document: bytes) -> bytes:
    return document[: chance.randrange(len(document) + 1)]


def _flip(chance: Chance, document: bytes) -> bytes:
    changed = bytearray(document)
    for _ in range(chance.randrange(1, 5)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _insert(chance: Chance, document: bytes) -> bytes:
    at = chance.randrange(len(document) + 1)
    return document[:at] + raw(chance) + document[at:]


def _replace_a_value(chance: Chance, document: bytes) -> bytes:
    places = [at + 1 for at, byte in enumerate(document) if byte == ord(b":")]
    at = chance.choice(places or [0])
    end = next((place for place in range(at, len(document)) if document[place] in b",}"), len(document))
    return document[:at] + raw(chance) + document[end:]


def _duplicate_keys(chance: Chance, document: bytes) -> bytes:
    key = chance.choice((b'"id"', b'"method"', b'"jsonrpc"', b'"params"', b'"\\u0069d"', b'"ID"', b'"result"', b'"error"'))
    extra = key + b":" + raw(chance)
    return b"{" + extra + b"," + document[1:] if chance.random() < 0.5 else document[:-1] + b"," + extra + b"}"


def _deep(chance: Chance, document: bytes) -> bytes:
    depth = chance.choice((10, 100, 900, 1100, 5000, 100_000))
    opened, closed = chance.choice(((b"[", b"]"), (b'{"a":', b"}")))
    nested = opened * depth + b"1" + closed * (depth if chance.random() < 0.8 else depth - 1)
    return nested if chance.random() < 0.3 else document[:-1] + b',"more":' + nested + b"}"


def _huge(chance: Chance, document: bytes) -> bytes:
    bulk = chance.choice(
        (
            lambda: b'"' + b"a" * 1_000_000 + b'"',
            lambda: b'"' + b"\\u0061" * 100_000 + b'"',
            lambda: b"[" + b"0," * 200_000 + b"0]",
            lambda: b"{" + b",".join(b'"%d":0' % number for number in range(20_000)) + b"}",
            lambda: b"9" * 100_000,
            lambda: b" " * 1_000_000 + b"1",
        )
    )()
    key = chance.choice((b"more", b"params", b"id", b"method"))
    return document[:-1] + b',"%b":%b}' % (key, bulk)


def _encoded(chance: Chance, document: bytes) -> bytes:
    readable = document.decode("utf-8", "replace")
    return chance.choice(
        (
            lambda: b"\xef\xbb\xbf" + document,
            lambda: readable.encode("utf-16"),
            lambda: readable.encode("utf-32-be"),
            lambda: readable.encode("utf-7", "replace"),
            lambda: document.replace(b"a", b"\xc1\xa1"),
            lambda: document + b"\x00",
            lambda: b"\x00" + document,
        )
    )()


def _several(chance: Chance, document: bytes) -> bytes:
    return chance.choice(
        (b"[%b]", b"[%b,%b]", b"%b%b", b"%b\n%b", b"[[%b]]", b"[]", b"[1,%b]", b")]}',%b", b"data: %b\n\n", b"%b,", b"(%b)", b"<x>%b</x>")
    ).replace(b"%b", document)


def _whole_other(chance: Chance, _document: bytes) -> bytes:
    return raw(chance)


_SPOIL: tuple[Callable[[Chance, bytes], bytes], ...] = (
    _cut, _flip, _insert, _insert, _replace_a_value, _replace_a_value, _replace_a_value, _duplicate_keys, _duplicate_keys, _deep, _huge,
    _encoded,
    _several, _whole_other,
)  # fmt: skip
