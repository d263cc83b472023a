"""One connection of a client: HTTP/1.1 requests in, answered one after the other by an application."""

import asyncio
import select
from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import unquote

import httptools
from msgspec import Struct

from runner.guard.request import MAX_READ_AHEAD, STATUS, Request

MAX_HEAD_BYTES = 64 * 1024
# What a header that comes again and again is joined to, at most.
MAX_JOINED_BYTES = 4096
# Longer than any client keeps an idle connection, so that it is never this side that closes under a request.
KEEP_ALIVE = 75.0
# Heads that were read before, of all connections together.
MAX_KNOWN, MAX_KNOWN_BYTES = 256, 4096
# Of answers that clients do not read: what one may take until it reads on, and what all may take of the server.
UNREAD_SECONDS = 30.0
MAX_UNREAD_BYTES = 64 * 1024 * 1024

Application = Callable[[Request], Awaitable[None]]

_LAST = b"content-type: %b\r\n%bconnection: close\r\ncontent-length: %d\r\n\r\n%b"
_CROWDED = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"Too many answers wait to be read. Try again soon."}}'


class Head(Struct, frozen=True):
    """What a head said: the same bytes say the same again."""

    method: bytes
    path: str
    headers: dict[bytes, bytes]
    body_size: int


class Connections(set["Connection"]):
    """All that are open, of one server."""

    def __init__(self) -> None:
        super().__init__()
        self.stopping = False
        self.unread: set[Connection] = set()
        """Those whose clients do not read as fast as they are answered."""
        self.tasks: set[asyncio.Task[None]] = set()
        self.heads: dict[bytes, Head] = {}
        """Those that were read: a client sends the same one over and over, and to parse it is a fifth of what a small request costs."""

    @property
    def unread_bytes(self) -> int:
        return sum(one.unsent for one in self.unread)


class Connection(asyncio.Protocol):
    """Bounds the head of a request, speaks no other protocol, and knows whether its client is still there."""

    def __init__(self, application: Application, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self._application, self._all, self._loop = application, connections, loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._poll: select.poll | None = None
        self._current: Request | None = None
        self._newest: Request | None = None
        self._waiting: deque[Request] = deque()
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._in_head = self._holds = False
        self._head_bytes = self._unseen_bytes = 0
        self._since = loop.time()
        self.paused: asyncio.Future[None] | None = None
        self._unsent = (0, self._since)

    @property
    def idle(self) -> bool:
        """Nothing is being answered and no request has begun to arrive."""
        return self._current is None and not self._in_head

    @property
    def unsent(self) -> int:
        return self._transport.get_write_buffer_size()

    def finish(self) -> None:
        """Let the answer that is being made, or else the next one, be the last."""
        if self._current is not None and not self._current.started:
            (self._waiting[-1] if self._waiting else self._current).keep_alive = False

    def close(self) -> None:
        """What was written is still sent."""
        self._waiting.clear()
        self._transport.close()

    def abort(self) -> None:
        self._waiting.clear()
        self._transport.abort()

    def look(self, now: float) -> None:
        """Close what has been idle, or in the middle of a head, for too long, and give up on a client that does not read."""
        if self._current is None and now - self._since >= KEEP_ALIVE:
            self.close()
        unsent = self.unsent
        if unsent == 0 or unsent != self._unsent[0]:
            self._unsent = unsent, now
        elif now - self._unsent[1] >= UNREAD_SECONDS:
            self.abort()

    def client_gone(self) -> bool:
        """Whether the other side has hung up; asks the kernel, since a request queued for long is read before its end is."""
        if self._transport.is_closing():
            return True
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLRDHUP)
        return bool(self._poll.poll(0))

    # What a request asks for.

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def read_on(self) -> None:
        if self._holds and not self._waiting and not self._transport.is_closing():
            self._holds = False
            self._transport.resume_reading()

    async def drained(self) -> None:
        if self.paused is not None:
            await asyncio.shield(self.paused)

    def answered(self, request: Request) -> None:
        self._current, self._since = None, self._loop.time()
        if not request.keep_alive:
            self.close()
        elif self._waiting:
            self._start(self._waiting.popleft())
        self.read_on()

    def refuse(self, status: int, text: bytes, kind: bytes = b"text/plain", more: bytes = b"") -> None:
        """A last answer, written by nobody else; `more` are lines of its head."""
        self.write(STATUS[status] + _LAST % (kind, more, len(text), text))
        self._current = None
        self.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses
        self._all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.discard(self)
        self.resume_writing()
        for request in (self._current, *self._waiting):
            if request is not None:
                request.gone = True
                request.wake()
        self._current = self._newest = self._poll = None
        self._waiting.clear()
        del self._parser  # it and this hold each other

    def data_received(self, data: bytes) -> None:
        before, end = self._newest, data.find(b"\r\n\r\n") + 4
        between = not self._in_head and (before is None or not before.more_body)
        if between and (said := self._all.heads.get(data[:end])) is not None and said.body_size == len(data) - end:
            return self._read_before(said, data[end:])
        inside = self._in_head
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return self._unreadable(b"This is not an HTTP request, or its head is too large.")
        if between and end <= MAX_KNOWN_BYTES and self._newest is not before:
            self._learn(data[:end], len(data) - end)
        # A header that comes in pieces is kept by the parser, out of sight, until it is complete.
        if inside and self._in_head:
            self._unseen_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES or self._unseen_bytes > MAX_HEAD_BYTES:
            self._unreadable(b"The head of the request is too large.")
        return None

    def pause_writing(self) -> None:
        self.paused = self._loop.create_future()
        self._all.unread.add(self)

    def resume_writing(self) -> None:
        self._all.unread.discard(self)
        if self.paused is not None:
            self.paused.set_result(None)
            self.paused = None

    # httptools.HttpRequestParser: an exception in any of these stops the parser.

    def on_message_begin(self) -> None:
        self._since = self._loop.time()
        self._url, self._headers = b"", {}
        self._in_head = True
        self._head_bytes = self._unseen_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._head_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        name, headers = name.lower(), self._headers
        if name in headers:
            # What it says twice contradicts itself or is a list; both show long before this is full.
            value = b"%b, %b" % (headers[name], value) if len(headers[name]) < MAX_JOINED_BYTES else headers[name]
        headers[name] = value

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("the head of the request is too large")
        # What comes by this name from here on are trailers, which nobody may take for headers (RFC 9110, 6.5.1).
        parser, headers, self._headers = self._parser, self._headers, {}
        if parser.should_upgrade():
            # The parser ends such a request (`Upgrade`, CONNECT) at its head and would read its body as the next one: whoever shares
            # this connection through Caddy would have his own put behind what a stranger wrote (CWE-444).
            raise ValueError("this server speaks HTTP only")
        if b"transfer-encoding" in headers and headers[b"transfer-encoding"].strip(b" \t").lower() != b"chunked":
            # The parser goes by the last coding alone; the body of any other one would be read as what it is not (RFC 9112, 6.1).
            raise ValueError("the body has a coding that this server does not know")
        keep_alive = parser.should_keep_alive() and parser.get_http_version() == "1.1" and not self._all.stopping
        self._arrived(Request(self, parser.get_method(), _path(self._url), headers, keep_alive=keep_alive))

    def on_body(self, body: bytes) -> None:
        if self._newest is not None and not self._newest.complete:
            self._newest.feed(body)
            if self._newest.body_size > MAX_READ_AHEAD:
                self._hold()

    def on_message_complete(self) -> None:
        if self._newest is not None and not self._newest.complete:
            self._newest.more_body = False
            self._newest.wake()

    def _learn(self, head: bytes, rest: int) -> None:
        """Remember what a head said of which so many bytes came at once with the rest of its request, and nothing else."""
        request = self._newest
        assert request is not None
        if request.keep_alive and request.headers.get(b"content-length") == b"%d" % rest:
            known = self._all.heads
            if len(known) >= MAX_KNOWN:
                known.clear()
            known[head] = Head(request.method, request.path, request.headers, rest)

    def _read_before(self, head: Head, body: bytes) -> None:
        """A whole request whose head is known: the parser, which is between two requests, would say the same."""
        self._since = self._loop.time()
        request = Request(self, head.method, head.path, head.headers, keep_alive=not self._all.stopping)
        self._arrived(request)
        request.feed(body)
        request.more_body = False

    def _arrived(self, request: Request) -> None:
        self._newest = request
        if self._current is None:
            self._start(request)
        else:
            self._waiting.append(request)
            self._hold()

    def _start(self, request: Request) -> None:
        self._current = request
        if self._all.unread and self._all.unread_bytes > MAX_UNREAD_BYTES:
            request.gone = True
            return self.refuse(503, _CROWDED, b"application/json", b"retry-after: 2\r\n")
        task = request.task = self._loop.create_task(self._answer(request))
        # The loop holds tasks by weak references only.
        self._all.tasks.add(task)
        return None

    async def _answer(self, request: Request) -> None:
        try:
            await self._application(request)
        except (Exception, asyncio.CancelledError):  # noqa: S110 - the application has logged it; its text may hold arguments
            pass
        finally:
            request.fail()
            self._all.tasks.discard(cast("asyncio.Task[None]", request.task))
            request.task = None  # it and this hold each other

    def _hold(self) -> None:
        if not self._holds and not self._transport.is_closing():
            self._holds = True
            self._transport.pause_reading()

    def _unreadable(self, why: bytes) -> None:
        if self._transport.is_closing():
            return None
        newest = self._newest
        if newest is not None and newest.more_body:
            # Its body will never be complete.
            newest.gone = True
            newest.wake()
            if newest.started:
                # It has its answer, or the beginning; another one would be taken for a part of it, or for the next request's.
                return self.close()
            self._current = None if newest is self._current else self._current
            self._waiting = deque(one for one in self._waiting if one is not newest)
        if self._current is None:
            return self.refuse(400, why)
        # An answer that is being made is finished first: one in the middle of it would be taken for a part of it.
        self._hold()
        (self._waiting[-1] if self._waiting else self._current).keep_alive = False
        return None


def _path(url: bytes) -> str:
    """The path of a request target, in origin form or absolute; raises where there is none."""
    raw = url.partition(b"?")[0] if url.startswith(b"/") else httptools.parse_url(url).path
    path: str = raw.decode("ascii")
    return unquote(path) if "%" in path else path
