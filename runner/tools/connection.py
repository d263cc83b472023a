"""One HTTP/1.1 connection to an upstream: a request out, its whole response in, under limits."""

import asyncio
import re
import select
from typing import cast

import httptools
from msgspec import Struct

from runner.tools.request import HttpRequest

MAX_BODY = 10 * 1024 * 1024
MAX_HEAD = 64 * 1024
# Of what belongs neither to the head nor to the content, such as one endless trailer.
_MAX_UNSEEN = 512 * 1024
# These never have to end; what has come by the deadline is an answer.
STREAMS = ("text/event-stream", "application/x-ndjson", "application/jsonl", "application/stream+json", "application/json-seq")

_NAMES = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TARGET = re.compile(r"/[!-~]*")
_SENDS_LENGTH = frozenset({"POST", "PUT", "PATCH"})


class Response(Struct, frozen=True, kw_only=True):
    """Header names are lower case; repeated ones are joined. `body` is None when it was larger than `MAX_BODY`."""

    status: int
    headers: dict[str, str]
    body: bytes | None
    ended: bool = True
    """False for a stream that was still running at the deadline or the limit."""


class Unsendable(Exception):
    """The request would not be valid HTTP."""


class Cut(Exception):
    """The connection ended, or what came is not HTTP. `stale`: it was a kept one and not a byte came."""

    def __init__(self, *, stale: bool = False) -> None:
        super().__init__("stale" if stale else "cut")
        self.stale = stale


def encoded(request: HttpRequest, authority: str) -> bytes:
    """The bytes of a request, its target letter for letter as it was built.

    Raises:
        Unsendable: a header or the target has a character that HTTP does not allow there.
    """
    names, values = [name for name, _ in request.headers], [value for _, value in request.headers]
    where = target(request.url)
    if not all(map(_NAMES.fullmatch, names)) or _CONTROL.search("".join(values)) or not _TARGET.fullmatch(where):
        raise Unsendable
    lines = [f"{request.method} {where} HTTP/1.1\r\nHost: {authority}\r\n", *(f"{name}: {value}\r\n" for name, value in request.headers)]
    if not any(name.lower() == "accept-encoding" for name in names):
        lines.append("Accept-Encoding: gzip, deflate\r\n")
    body = request.body
    if body or request.method in _SENDS_LENGTH:
        lines.append(f"Content-Length: {len(body or b'')}\r\n")
    try:
        head = "".join((*lines, "\r\n")).encode("latin-1")
    except UnicodeEncodeError:
        raise Unsendable from None
    return head + body if body else head


def target(url: str) -> str:
    """Path and query of a URL, letter for letter."""
    rest = url.partition("://")[2]
    start = min((place for place in (rest.find("/"), rest.find("?")) if place >= 0), default=len(rest))
    path = rest[start:]
    return path if path.startswith("/") else f"/{path}"


class Connection(asyncio.Protocol):
    """Carries one exchange at a time. What comes outside of one ends the connection."""

    _head_only: bool
    _until: float | None
    _in_body: bool
    _framed: bool
    _over: bool
    _streaming: bool
    _silent: bool
    _lost: Exception | None
    _status: int
    _head_bytes: int
    _counted: int
    _unseen: int

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Response] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._poll = select.poll()
        self._used, self._lost = False, None
        self._begin(head_only=False, until=None)
        self.since = 0.0
        self.reusable = False
        """Whether the last exchange left it fit for another."""

    async def exchange(self, message: bytes, *, head_only: bool = False, until: float | None = None) -> Response:
        """Send and wait. `head_only`: the response has no body (HEAD). A stream is given up at the loop's time `until`.

        Raises:
            Cut: no complete response came.
        """
        if self._transport is None or self._transport.is_closing():
            # A host that refuses a client certificate can say so before the request is written.
            raise Cut(stale=self._used) from self._lost
        self._begin(head_only=head_only, until=until)
        self._waiter = self._loop.create_future()
        self._transport.write(message)
        try:
            return await self._waiter
        finally:
            self._used, self._waiter = True, None
            if self._timer is not None:
                self._timer.cancel()

    @property
    def ready(self) -> bool:
        """Whether it can be used again: open, and silent, so that nothing of an old answer is taken for a new one."""
        return self.reusable and self._transport is not None and not self._transport.is_closing() and not self._poll.poll(0)

    def close(self) -> None:
        # Not close(): over TLS that waits for the other side's goodbye.
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self.reusable = False
            return self.close()
        if not self._in_body:
            # A header that comes in pieces is kept by the parser, out of sight, until it is complete.
            self._head_bytes += len(data)
        self._unseen += len(data)
        self._silent = False
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.reusable = False
            return self._fail()
        if self._unseen > _MAX_UNSEEN or (not self._in_body and self._head_bytes > MAX_HEAD):
            self._fail()
        return None

    def eof_received(self) -> None:
        if self._in_body and not self._framed:
            self._done(ended=True)
        else:
            self._fail()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = exc
        self._fail(exc)

    def on_message_begin(self) -> None:
        if self._waiter is None or self._waiter.done():
            # A second response to one request.
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._unseen = 0
        if self._in_body:
            return
        key, text = name.lower().decode("latin-1"), value.strip(b" \t").decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text
        self._counted += len(name) + len(value) + 4
        if self._counted > MAX_HEAD:
            self._fail()

    def on_headers_complete(self) -> None:
        if self._in_body:
            return
        status = self._parser.get_status_code()
        if status < 200:
            # An interim response (RFC 9110 section 15.2); its headers belong to no one.
            self._headers.clear()
            if status < 100:
                self._fail()
            return
        self._in_body, self._status = True, status
        coding = self._headers.get("transfer-encoding")
        self._framed = coding is not None or "content-length" in self._headers
        self.reusable = self._parser.should_keep_alive() and not (coding and "content-length" in self._headers)
        if self._parser.get_http_version() not in ("1.1", "1.0") or (coding is not None and coding.lower() != "chunked"):
            self._fail()
        elif self._head_only:
            # The parser cannot be told that no body follows, so it cannot be trusted with what comes next.
            self.reusable = False
            self._done(ended=True)
        elif self._until is not None and self._headers.get("content-type", "").partition(";")[0].strip().lower() in STREAMS:
            self._streaming = True
            self._timer = self._loop.call_at(self._until, self._give_up)

    def on_chunk_header(self) -> None:
        self._unseen = 0

    def on_body(self, data: bytes) -> None:
        self._unseen = 0
        if len(self._body) + len(data) <= MAX_BODY:
            self._body += data
        elif self._streaming:
            self._give_up()
        elif not self._over:
            self._over, self.reusable = True, False
            self._done(ended=True)

    def on_message_complete(self) -> None:
        if self._in_body:
            self._done(ended=True)

    def _begin(self, *, head_only: bool, until: float | None) -> None:
        self._parser = httptools.HttpResponseParser(self)
        # What h11 takes as well: a line may end without CR, and chunks win over a length (the connection is not kept then).
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_chunked_length=True)
        self._head_only, self._until = head_only, until
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._status = self._head_bytes = self._counted = self._unseen = 0
        self._in_body = self._framed = self._over = self._streaming = self.reusable = False
        self._silent = True

    def _give_up(self) -> None:
        self.reusable = False
        self._done(ended=False)

    def _done(self, *, ended: bool) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if not self._framed or (self._transport is not None and self._transport.get_write_buffer_size()):
            self.reusable = self.reusable and self._status in (204, 304)
        body = None if self._over else bytes(self._body)
        self._waiter.set_result(Response(status=self._status, headers=self._headers, body=body, ended=ended))

    def _fail(self, cause: Exception | None = None) -> None:
        self.reusable = False
        if self._waiter is not None and not self._waiter.done():
            cut = Cut(stale=self._used and self._silent)
            cut.__cause__ = cause
            self._waiter.set_exception(cut)
        self.close()
