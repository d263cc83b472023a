"""One connection of a client: HTTP/1.1 requests in, answered one after the other by an ASGI application."""

import asyncio
import select
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote

import httptools

MAX_HEAD_BYTES = 64 * 1024
# Of a body that nobody has asked for yet.
MAX_READ_AHEAD = 64 * 1024
# Longer than any client keeps an idle connection, so that it is never this side that closes under a request.
KEEP_ALIVE = 75.0
# Of answers that clients do not read: what one may take until it reads on, and what all may take of the server.
UNREAD_SECONDS = 30.0
MAX_UNREAD_BYTES = 64 * 1024 * 1024

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

_STATUS = {status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}
_LAST = b"content-type: %b\r\n%bconnection: close\r\ncontent-length: %d\r\n\r\n%b"
_CROWDED = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"Too many answers wait to be read. Try again soon."}}'


class Connections(set["Connection"]):
    """All that are open, of one server."""

    def __init__(self) -> None:
        super().__init__()
        self.stopping = False
        self.unread: set[Connection] = set()
        """Those whose clients do not read as fast as they are answered."""
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def unread_bytes(self) -> int:
        return sum(one.unsent for one in self.unread)


class Cycle:
    """A request and its answer, as ASGI's `scope`, `receive` and `send`.

    The head of an answer waits for the first `http.response.body` and leaves with it in one write; an empty one with `more_body`
    sends the head alone. Names of headers are lower case.
    """

    __slots__ = ("_body", "_chunked", "_connection", "_expects", "_head", "_left", "_waiter", "body_size", "complete", "gone", "keep_alive",
                 "more_body", "news", "scope", "started")  # fmt: skip

    def __init__(self, connection: "Connection", scope: Message, *, keep_alive: bool, expects: bool) -> None:
        self._connection, self.scope, self.keep_alive, self._expects = connection, scope, keep_alive, expects
        self._body: list[bytes] = []
        self.body_size = 0
        self.more_body = True
        self.news = self.gone = self.started = self.complete = self._chunked = False
        self._head: bytes | None = None
        self._left = 0
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, body: bytes) -> None:
        self._body.append(body)
        self.body_size += len(body)
        self.wake()

    def wake(self) -> None:
        self.news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def arrived(self) -> bytes | None:
        """A small body that is here as a whole, as nearly always; None: ask `receive`."""
        if self.more_body or not self.news or self.gone or self.body_size > MAX_READ_AHEAD:
            return None
        self.news = False
        return self._taken()

    async def receive(self) -> Message:
        if self._expects:
            self._expects = False
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self.news and not self.gone and not self.complete:
            self._connection.read_on()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self.news = False
        if self.gone or self.complete:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self._taken(), "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        connection = self._connection
        if connection.paused is not None and not self.gone:
            await connection.drained()
        if self.gone:
            return
        if message["type"] == "http.response.start":
            self._begin(message["status"], message["headers"])
        else:
            self._go_on(message.get("body", b""), bool(message.get("more_body")))

    def fail(self) -> None:
        """The application has ended without a whole answer; of one that has begun, whoever reads must see that it is cut off."""
        if not self.gone and not self.complete:
            self._connection.abort() if self.started else self._connection.refuse(500, b"The server failed inside.")

    def _taken(self) -> bytes:
        parts, self._body, self.body_size = self._body, [], 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        if self._head is not None or self.started:
            raise RuntimeError("an answer began twice")
        lines, length, closes = [_STATUS[status]], None, False
        for name, value in headers:
            lines.append(b"%b: %b\r\n" % (name, value))
            if name == b"content-length":
                length = int(value)
            elif name == b"connection":
                closes = value == b"close"
        if closes:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(b"connection: close\r\n")
        if length is None:
            self._chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        head = b"".join(lines)
        # A line break inside a value would be a header of its own, or a second answer.
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            raise ValueError("a header of the answer holds a line break")
        self._head, self._left = head + b"\r\n", length or 0

    def _go_on(self, body: bytes, more: bool) -> None:
        if self.complete or (self._head is None and not self.started):
            raise RuntimeError("an answer has no beginning, or has ended")
        if self.scope["method"] == "HEAD":
            body = b""
        elif self._chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        else:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("an answer is longer or shorter than it says")
        if self._head is not None:
            body, self._head, self.started = self._head + body, None, True
        self._connection.write(body)
        if not more:
            self.complete = True
            self.wake()
            self._connection.answered(self)


class Connection(asyncio.Protocol):
    """Bounds the head of a request, speaks no other protocol, and knows whether its client is still there."""

    def __init__(self, application: Application, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self._application, self._all, self._loop = application, connections, loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._poll: select.poll | None = None
        self._current: Cycle | None = None
        self._newest: Cycle | None = None
        self._waiting: deque[Cycle] = deque()
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._in_head = self._expects = self._holds = False
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

    # What a cycle asks for.

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

    def answered(self, cycle: Cycle) -> None:
        self._current, self._since = None, self._loop.time()
        if not cycle.keep_alive:
            self.close()
        elif self._waiting:
            self._start(self._waiting.popleft())
        self.read_on()

    def refuse(self, status: int, text: bytes, kind: bytes = b"text/plain", more: bytes = b"") -> None:
        """A last answer, written by nobody else; `more` are lines of its head."""
        self.write(_STATUS[status] + _LAST % (kind, more, len(text), text))
        self._current = None
        self.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses
        self._all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.discard(self)
        self.resume_writing()
        for cycle in (self._current, *self._waiting):
            if cycle is not None:
                cycle.gone = True
                cycle.wake()
        self._current = self._newest = self._poll = None
        self._waiting.clear()
        del self._parser  # it and this hold each other

    def data_received(self, data: bytes) -> None:
        inside = self._in_head
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return self._unreadable(b"This is not an HTTP request, or its head is too large.")
        # A header that comes in pieces is kept by the parser, out of sight, until it is complete.
        if inside and self._in_head:
            self._unseen_bytes += len(data)
            if self._unseen_bytes > MAX_HEAD_BYTES:
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
        self._url, self._headers = b"", []
        self._in_head, self._expects = True, False
        self._head_bytes = self._unseen_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        name = name.lower()
        self._headers.append((name, value))
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects = True
        elif name == b"transfer-encoding" and value.strip(b" \t").lower() != b"chunked":
            # The parser goes by the last coding alone; the body of any other one would be read as what it is not (RFC 9112, 6.1).
            raise ValueError("the body has a coding that this server does not know")

    def on_headers_complete(self) -> None:
        self._in_head = False
        parser = self._parser
        if parser.should_upgrade():
            # The parser ends such a request (`Upgrade`, CONNECT) at its head and would read its body as the next one: whoever shares
            # this connection through Caddy would have his own put behind what a stranger wrote (CWE-444).
            raise ValueError("this server speaks HTTP only")
        keep_alive = parser.should_keep_alive() and parser.get_http_version() == "1.1" and not self._all.stopping
        # What comes by this name from here on are trailers, which nobody may take for headers (RFC 9110, 6.5.1).
        headers, self._headers = self._headers, []
        scope: Message = {"type": "http", "method": parser.get_method().decode("ascii"), "path": _path(self._url), "headers": headers}
        cycle = Cycle(self, scope, keep_alive=keep_alive, expects=self._expects)
        scope["extensions"] = {"guard": {"client_gone": self.client_gone, "arrived": cycle.arrived}}
        self._newest = cycle
        if self._current is None:
            self._start(cycle)
        else:
            self._waiting.append(cycle)
            self._hold()

    def on_body(self, body: bytes) -> None:
        if self._newest is not None and not self._newest.complete:
            self._newest.feed(body)
            if self._newest.body_size > MAX_READ_AHEAD:
                self._hold()

    def on_message_complete(self) -> None:
        if self._newest is not None and not self._newest.complete:
            self._newest.more_body = False
            self._newest.wake()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("the head of the request is too large")

    def _start(self, cycle: Cycle) -> None:
        self._current = cycle
        if self._all.unread and self._all.unread_bytes > MAX_UNREAD_BYTES:
            cycle.gone = True
            return self.refuse(503, _CROWDED, b"application/json", b"retry-after: 2\r\n")
        # The loop holds tasks by weak references only.
        self._all.tasks.add(self._loop.create_task(self._answer(cycle)))
        return None

    async def _answer(self, cycle: Cycle) -> None:
        try:
            await self._application(cycle.scope, cycle.receive, cycle.send)
        except (Exception, asyncio.CancelledError):  # noqa: S110 - the application has logged it; its text may hold arguments
            pass
        finally:
            cycle.fail()
            # Without the loop, asyncio asks the kernel for the process's id (Python 3.11).
            self._all.tasks.discard(cast("asyncio.Task[None]", asyncio.current_task(self._loop)))

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
