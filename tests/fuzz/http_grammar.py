"""HTTP/1.1 as it should not be: heads, lengths, chunks and pipelines that two readers might understand differently."""

import random
from collections.abc import Callable

Chance = random.Random
Header = tuple[bytes, bytes]


class Draft:
    """A request before it is bytes. `framed` says whether a right Content-Length is added."""

    def __init__(self, headers: list[Header], body: bytes) -> None:
        self.method, self.target, self.version = b"POST", b"/mcp", b"HTTP/1.1"
        self.headers, self.body = headers, body
        self.framed = True
        self.lines: list[bytes] = []
        """More lines of the head, whatever they are."""

    def bytes(self) -> bytes:
        framing = [(b"Content-Length", b"%d" % len(self.body))] if self.framed else []
        lines = [b"%b %b %b" % (self.method, self.target, self.version)]
        lines += [b"%b: %b" % header for header in self.headers + framing]
        return b"\r\n".join([*lines, *self.lines, b"", self.body])


METHODS = (
    b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT", b"PRI", b"post", b"Post", b"POST\x00", b"PO ST", b"",
    b"M-SEARCH",
    b"X" * 300, b"PROPFIND", b"\xff", b"POST\t",
)  # fmt: skip
TARGETS = (
    b"/", b"/mcp/", b"//mcp", b"/mcp?x=1", b"/mcp#x", b"/%6dcp", b"/mcp%00", b"/mcp%", b"/mcp%zz", b"/mcp%2f", b"/../mcp", b"/./mcp",
    b"/MCP", b"*", b"mcp",
    b"http://guard/mcp", b"http://other.test/mcp", b"https://guard:443/mcp", b"http:/mcp", b"/mcp ", b"/m cp", b"", b"/health", b"/\xff",
    b"/\x01",
    b"/mcp;x", b"\\mcp", b"/" + b"a" * 70_000, b"/mcp?" + b"%41" * 500, b"guard:80", b"/mcp\tx", b"/mcp?\xc3\xa9", b"//", b"/?/mcp",
)  # fmt: skip
VERSIONS = (
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"HTTP/1.2",
    b"HTTP/1.10",
    b"http/1.1",
    b"HTTP/1",
    b"",
    b"HTTP/1.1 ",
    b" HTTP/1.1",
    b"XTTP/1.1",
    b"HTTP/9.9",
)
VALUES = (
    b"", b" ", b"\t", b"a", b"\x00", b"a\x00b", b"\x7f", b"\xff", b"a\rb", b"a\nb", b"\xe2\x98\x83", b"a" * 5000, b",", b"a,b", b'"',
    b"0", b"-1", b"null",
)  # fmt: skip
NAMES = (
    b"Host", b"Accept", b"Origin", b"Content-Type", b"Authorization", b"Connection", b"Expect", b"Trailer", b"TE", b"Upgrade",
    b"Content-Encoding",
    b"MCP-Protocol-Version", b"Mcp-Method", b"Mcp-Name", b"Mcp-Session-Id", b"Last-Event-ID", b"Cookie", b"X-Forwarded-For", b"Forwarded",
    b"Range",
    b"Transfer_Encoding", b"Content_Length", b"X-HTTP-Method-Override", b"Proxy-Connection", b"Keep-Alive", b"", b" ", b"X Y", b"X\x00",
    b"X:", b"\xff",
    b"X(", b"a" * 3000, b"Mcp-Param-", b"Mcp-Param-Region", b"If-None-Match", b"Via", b"Max-Forwards", b"Sec-Fetch-Site",
)  # fmt: skip
LENGTHS = (
    b"0", b"-1", b"+5", b"5 5", b"5,5", b"5,6", b"0x5", b"1e1", b"5.0", b"", b" ", b"\xb2", b"00005", b"9" * 15, b"9" * 19, b"9" * 30,
    b"18446744073709551617",
    b"5\x00", b"5;", b"NaN", b"5\x0b", b"1_0", b"33554433",
)  # fmt: skip
CODINGS = (
    b"chunked", b"Chunked", b" chunked", b"chunked ", b"\tchunked", b"\x0bchunked", b"chunked, identity", b"identity, chunked",
    b"identity", b"gzip",
    b"gzip, chunked", b"chunked, chunked", b"chunked, gzip", b"xchunked", b"chunkedx", b"chunked;q=1", b'"chunked"', b"", b",chunked",
    b"chunked,",
    b"chunked\x00", b"chun ked", b"x", b"CHUNKED",
)  # fmt: skip
LINES = (
    b" folded", b"\tfolded: x", b"no colon", b": no name", b"X : spaced", b"Content-Length : 5", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\x00: chunked",
    b"\x00", b"X: a\r\n\tb", b"X: a\n b", b"X: y\rZ: w", b"X: a\nTransfer-Encoding: chunked", b"X: a\rContent-Length: 1",
    b"GET / HTTP/1.1", b"\xff\xfe: x",
    b"Content-Length\t: 3", b"\x0bTransfer-Encoding: chunked", b"Transfer-Encoding:\n chunked", b"Content-Length:\r\n 7",
    b"Connection: close, Authorization",
    b"Expect: 100-continue", b"Expect: 200-ok", b"Expect: 100-continue, x",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAAA",
    b"Upgrade: websocket\r\nConnection: Upgrade", b"Connection: Transfer-Encoding", b"Connection: close",
    b"Connection: keep-alive, close", b"Connection: Content-Length",
)  # fmt: skip


def spoiled(chance: Chance, draft: Draft) -> bytes:
    """The bytes of a request with one to three things wrong, or odd, about it."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        chance.choice(_SPOIL)(chance, draft)
    whole = draft.bytes()
    return chance.choice(_BYTES)(chance, whole) if chance.random() < 0.15 else whole


def chunks(chance: Chance, body: bytes, *, sound: bool = False) -> bytes:
    """A body in chunks; unless `sound`, with something odd about them."""
    parts, at = list[bytes](), 0
    odd = -1 if sound else chance.randrange(4)
    while at < len(body):
        size = chance.randrange(1, len(body) - at + 1)
        parts.append(_chunk(chance, body[at : at + size], odd=odd == len(parts)))
        at += size
    end = b"0\r\n\r\n"
    if odd == 3:
        end = chance.choice(
            (b"0\r\n", b"", b"00000\r\n\r\n", b"0;x\r\n\r\n", b"0\r\nX: trailer\r\n\r\n", b"0\r\nContent-Length: 9\r\n\r\n", b"0\n\n",
            b"0\r\n\n", b"-0\r\n\r\n",
             b"0\r\nbad trailer\r\n\r\n", b"0\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\n" + b"X: y\r\n" * 5000 + b"\r\n")
        )  # fmt: skip
    return b"".join(parts) + end


def _chunk(chance: Chance, data: bytes, *, odd: bool) -> bytes:
    sound = b"%x\r\n%b\r\n" % (len(data), data)
    if not odd:
        return sound
    size = len(data)
    return chance.choice(
        (
            b"%x;ext=1\r\n%b\r\n" % (size, data), b'%x;ext="a\r\nb"\r\n%b\r\n' % (size, data), b"%x \r\n%b\r\n" % (size, data),
            b"%x\n%b\r\n" % (size, data),
            b"%x\r\n%b\n" % (size, data), b"%x\r\n%bXX" % (size, data), b"0x%x\r\n%b\r\n" % (size, data), b"+%x\r\n%b\r\n" % (size, data),
            b"-%x\r\n%b\r\n" % (size, data), b"%020x\r\n%b\r\n" % (size, data), b"1%016x\r\n%b\r\n" % (size, data),
            b"%x\r\n%b\r\n" % (size + 1, data),
            b"%x\r\n%b\r\n" % (max(size - 1, 0), data), b"g\r\n%b\r\n" % data, b"\r\n%b\r\n" % data, b"%x\x00\r\n%b\r\n" % (size, data),
            b"%x\r%b\r\n" % (size, data), b"%x;%b\r\n%b\r\n" % (size, b"e" * 20_000, data), b"%x;a\nb\r\n%b\r\n" % (size, data),
            b"ffffffffffffffff\r\n%b\r\n" % data,
            b"%x;a\rb\r\n%b\r\n" % (size, data), b" %x\r\n%b\r\n" % (size, data), b"%x_\r\n%b\r\n" % (size, data),
        )
    )  # fmt: skip


def _method(chance: Chance, draft: Draft) -> None:
    draft.method = chance.choice(METHODS)


def _target(chance: Chance, draft: Draft) -> None:
    draft.target = chance.choice(TARGETS)


def _version(chance: Chance, draft: Draft) -> None:
    draft.version = chance.choice(VERSIONS)


def _header(chance: Chance, draft: Draft) -> None:
    draft.headers.insert(chance.randrange(len(draft.headers) + 1), (chance.choice(NAMES), chance.choice(VALUES)))


def _repeat(chance: Chance, draft: Draft) -> None:
    name, value = chance.choice(draft.headers)
    draft.headers.append((chance.choice((name, name.lower(), name.upper())), chance.choice((value, value + b" ", b"", b"other"))))


def _change(chance: Chance, draft: Draft) -> None:
    at = chance.randrange(len(draft.headers))
    name, value = draft.headers[at]
    draft.headers[at] = (name, chance.choice((*VALUES, value + b"\t ", b"  " + value, value.upper(), value + b"," + value)))


def _drop(chance: Chance, draft: Draft) -> None:
    del draft.headers[chance.randrange(len(draft.headers))]
    if not draft.headers:
        draft.headers.append((b"Host", b"guard"))


def _line(chance: Chance, draft: Draft) -> None:
    draft.lines.append(chance.choice(LINES))


def _length(chance: Chance, draft: Draft) -> None:
    sound = b"%d" % len(draft.body)
    draft.framed = chance.random() < 0.4
    draft.headers.append(
        (chance.choice((b"Content-Length", b"content-length", b"CONTENT-LENGTH")), chance.choice((*LENGTHS, sound, sound + b" ")))
    )


def _short_or_long(chance: Chance, draft: Draft) -> None:
    draft.framed = False
    draft.headers.append((b"Content-Length", b"%d" % max(0, len(draft.body) + chance.choice((-20, -1, 1, 20, 10_000)))))


def _chunked(chance: Chance, draft: Draft) -> None:
    draft.framed = False
    draft.headers.append((b"Transfer-Encoding", b"chunked"))
    draft.body = chunks(chance, draft.body, sound=chance.random() < 0.2)


def _contradiction(chance: Chance, draft: Draft) -> None:
    """What smuggling is made of: a length and a coding, or a coding that not everyone reads as one."""
    draft.framed = chance.random() < 0.6
    if chance.random() < 0.8:
        draft.body = chunks(chance, draft.body, sound=True) + chance.choice((b"", hidden(chance)))
    draft.headers.insert(chance.randrange(len(draft.headers) + 1), (b"Transfer-Encoding", chance.choice(CODINGS)))
    if chance.random() < 0.2:
        draft.headers.append((b"Transfer-Encoding", chance.choice(CODINGS)))


def _hidden_after(chance: Chance, draft: Draft) -> None:
    draft.framed = chance.random() < 0.5
    if not draft.framed:
        draft.headers.append((b"Content-Length", b"%d" % len(draft.body)))
    draft.body += hidden(chance)


def _many_headers(chance: Chance, draft: Draft) -> None:
    count = chance.choice((100, 1000, 5000))
    draft.headers += [(b"X-%d" % number, b"y" * chance.choice((0, 5, 60))) for number in range(count)]


def _large_head(chance: Chance, draft: Draft) -> None:
    draft.headers.append(
        (
            chance.choice((b"X-Large", b"Mcp-Name", b"Authorization", b"Mcp-Param-Region")),
            b"a" * chance.choice((8_000, 60_000, 66_000, 300_000)),
        )
    )


def hidden(chance: Chance) -> bytes:
    """What somebody would like another's request to be read as the rest of."""
    return chance.choice(
        (
            b"GET /stolen HTTP/1.1\r\nX-Swallow: ",
            b"POST /mcp HTTP/1.1\r\nContent-Length: 500\r\n\r\n",
            b"\r\n\r\n",
            b"0\r\n\r\n",
            b"POST /mcp HTTP/1.1\r\nX: ",
        )
    )


def _bare_line_feeds(_chance: Chance, whole: bytes) -> bytes:
    head, end, body = whole.partition(b"\r\n\r\n")
    return (head + end).replace(b"\r\n", b"\n") + body


def _one_bare_line_feed(chance: Chance, whole: bytes) -> bytes:
    places = [at for at in range(len(whole)) if whole[at : at + 2] == b"\r\n"]
    at = chance.choice(places)
    return whole[:at] + chance.choice((b"\n", b"\r", b"\r\r\n", b"\n\r")) + whole[at + 2 :]


def _flip(chance: Chance, whole: bytes) -> bytes:
    changed = bytearray(whole)
    changed[chance.randrange(min(len(changed), 600))] = chance.randrange(256)
    return bytes(changed)


def _cut(chance: Chance, whole: bytes) -> bytes:
    return whole[: chance.randrange(len(whole))]


def _lead(chance: Chance, whole: bytes) -> bytes:
    return (
        chance.choice(
            (
                b"\r\n",
                b"\r\n\r\n",
                b"\n",
                b" ",
                b"\x00",
                b"\x16\x03\x01\x02\x00",
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            )
        )
        + whole
    )


_BYTES: tuple[Callable[[Chance, bytes], bytes], ...] = (
    _bare_line_feeds,
    _one_bare_line_feed,
    _one_bare_line_feed,
    _flip,
    _flip,
    _cut,
    _lead,
)
_SPOIL: tuple[Callable[[Chance, Draft], None], ...] = (
    _method, _target, _version, _header, _header, _repeat, _change, _change, _drop, _line, _line, _length, _length, _short_or_long,
    _chunked, _chunked,
    _contradiction, _contradiction, _contradiction, _hidden_after, _many_headers, _large_head,
)  # fmt: skip
