"""A seed and a number make a case: the bytes that one client sends on one connection."""

import random
import zlib

from msgspec import Struct

from tests.fuzz import http_grammar, json_grammar, rpc_grammar
from tests.fuzz.http_grammar import Draft

KINDS = ("http", "json", "rpc", "pipeline")
_WEIGHTS = (40, 18, 36, 6)


class Place(Struct, frozen=True, kw_only=True):
    """How the endpoint is called where the case is sent."""

    target: bytes = b"/mcp"
    host: bytes = b"guard"


class Case(Struct, frozen=True, kw_only=True):
    """`cuts` are places in the data at which the client takes a breath. Only this case's bytes contain `mark`."""

    index: int
    kind: str
    data: bytes
    cuts: tuple[int, ...]
    mark: str


def case(seed: int, index: int, bearers: tuple[str, ...], place: Place) -> Case:
    """The same for the same seed and index, but for the tokens, which are of today."""
    chance = random.Random(f"{seed}/{index}")
    kind, mark = chance.choices(KINDS, _WEIGHTS)[0], mark_of("mk", index)
    data = _MAKERS[kind](chance, mark, bearers, place)
    return Case(index=index, kind=kind, data=data, cuts=_cuts(chance, len(data)), mark=mark)


def mark_of(kind: str, index: int) -> str:
    """With a check sum, so that a mark that was changed does not pass for another's."""
    plain = f"{kind}{index:07d}"
    return f"{plain}{zlib.crc32(plain.encode()):08x}z"


def honest(mark: str, bearer: str, place: Place) -> bytes:
    """A call that must succeed, and whose answer names the mark twice."""
    body = b'{"jsonrpc":"2.0","id":"%b","method":"tools/call","params":{"name":"echo","arguments":{"q":"%b"}}}' % (
        mark.encode(),
        mark.encode(),
    )
    return _draft(place, bearer, body).bytes()


def _draft(place: Place, bearer: str, body: bytes, version: bytes = b"2025-11-25") -> Draft:
    draft = Draft(
        [
            (b"Host", place.host),
            (b"Authorization", b"Bearer " + bearer.encode()),
            (b"Content-Type", b"application/json"),
            (b"MCP-Protocol-Version", version),
        ],
        body,
    )
    draft.target = place.target
    return draft


def _simple(chance: random.Random, mark: str) -> bytes:
    method = chance.choice((b'"ping"', b'"tools/list"', b'"tools/call","params":{"name":"echo","arguments":{"q":"%b"}}' % mark.encode()))
    return b'{"jsonrpc":"2.0","id":"%b","method":%b}' % (mark.encode(), method)


def _http(chance: random.Random, mark: str, bearers: tuple[str, ...], place: Place) -> bytes:
    draft = _draft(place, chance.choice(bearers), _simple(chance, mark))
    whole = http_grammar.spoiled(chance, draft)
    # The grammar knows one endpoint only.
    return whole if place.target == b"/mcp" else whole.replace(b"/mcp", place.target)


def _json(chance: random.Random, mark: str, bearers: tuple[str, ...], place: Place) -> bytes:
    body = json_grammar.spoiled(chance, _simple(chance, mark))
    version = chance.choice((b"2025-11-25", b"2025-06-18", b"2026-07-28"))
    draft = _draft(place, chance.choice(bearers), body, version)
    if chance.random() < 0.2:
        draft.framed, draft.body = False, http_grammar.chunks(chance, body[:20_000], sound=True)
        draft.headers.append((b"Transfer-Encoding", b"chunked"))
    return draft.bytes()


def _rpc(chance: random.Random, mark: str, bearers: tuple[str, ...], place: Place) -> bytes:
    headers, body = rpc_grammar.request(chance, mark, bearers)
    draft = Draft([(name, place.host if name == b"host" else value) for name, value in headers], body)
    draft.target = place.target
    return draft.bytes()


def _pipeline(chance: random.Random, mark: str, bearers: tuple[str, ...], place: Place) -> bytes:
    """Several at once: mostly honest, perhaps with a bad one in between, and something at the end."""
    parts = [honest(mark, chance.choice(bearers), place) for _ in range(chance.randrange(2, 8))]
    if chance.random() < 0.6:
        parts.insert(chance.randrange(len(parts) + 1), chance.choice((_http, _json, _rpc))(chance, mark, bearers, place))
    return b"".join(parts) + chance.choice((b"", b"", b"\r\n", b"\x00", http_grammar.hidden(chance)))


def _cuts(chance: random.Random, size: int) -> tuple[int, ...]:
    kind = chance.random()
    if kind < 0.03 and size < 1500:
        return tuple(range(1, size))
    if kind < 0.2 and size > 1:
        return tuple(sorted({chance.randrange(1, size) for _ in range(chance.randrange(1, 8))}))
    return ()


_MAKERS = {"http": _http, "json": _json, "rpc": _rpc, "pipeline": _pipeline}
