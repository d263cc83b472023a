"""A request of a client and its answer, whole or in pieces."""

import asyncio
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from runner.protocol.jsonrpc import Header

if TYPE_CHECKING:
    from runner.guard.connection import Connection

# Of a body that nobody has asked for yet.
MAX_READ_AHEAD = 64 * 1024

STATUS = {status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}


class Request:
    """One request. `headers` have names in lower case; what comes more than once is joined with commas (RFC 9110, 5.3).

    It is answered with `answer`, or with `begin`, any number of `say` and `end`; these write at once, so whoever sends much waits
    for `drained` before. The head of a stream leaves with the first piece, in one write.
    """

    __slots__ = ("_body", "_connection", "_expects", "_head", "_waiter", "body_size", "complete", "gone", "headers", "keep_alive", "method",
                 "more_body", "news", "path", "started", "task")  # fmt: skip

    def __init__(self, connection: "Connection", method: bytes, path: str, headers: dict[bytes, bytes], *, keep_alive: bool) -> None:
        self._connection, self.method, self.path, self.headers, self.keep_alive = connection, method, path, headers, keep_alive
        self._expects = b"expect" in headers and headers[b"expect"].lower() == b"100-continue"
        self._body: list[bytes] = []
        self.body_size = 0
        self.more_body = True
        self.news = self.gone = self.started = self.complete = False
        self._head: bytes | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None

    # What its connection tells it.

    def feed(self, body: bytes) -> None:
        self._body.append(body)
        self.body_size += len(body)
        self.wake()

    def wake(self) -> None:
        self.news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self) -> None:
        """Whoever should answer has ended without a whole answer; of one that has begun, whoever reads must see that it is cut off."""
        if not self.gone and not self.complete:
            self._connection.abort() if self.started else self._connection.refuse(500, b"The server failed inside.")

    # Its body.

    def arrived(self) -> bytes | None:
        """A small body that is here as a whole, as nearly always; None: ask for its pieces."""
        if self.more_body or not self.news or self.gone or self.body_size > MAX_READ_AHEAD:
            return None
        self.news = False
        return self._taken()

    async def piece(self) -> tuple[bytes, bool] | None:
        """What has come of the body and whether there is more of it; None when the client has gone, or has its answer."""
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
        return None if self.gone or self.complete else (self._taken(), self.more_body)

    def client_gone(self) -> bool:
        """Whether the client has hung up."""
        return self.gone or self._connection.client_gone()

    # Its answer.

    @property
    def blocked(self) -> bool:
        """The client does not read as fast as it is answered: wait for `drained`."""
        return self._connection.paused is not None

    async def drained(self) -> None:
        await self._connection.drained()

    def answer(self, status: int, headers: tuple[Header, ...], body: bytes) -> None:
        """The whole answer in one write. ValueError if a header holds a line break."""
        if self.gone:
            return
        head = self._begun(status, headers)
        self.started = True
        self._connection.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), b"" if self.method == b"HEAD" else body))
        self._ended()

    def begin(self, status: int, headers: tuple[Header, ...]) -> None:
        """An answer in pieces. ValueError if a header holds a line break."""
        if not self.gone:
            self._head = b"%btransfer-encoding: chunked\r\n\r\n" % self._begun(status, headers)

    def say(self, piece: bytes) -> None:
        if not self.gone:
            self._write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def end(self, piece: bytes = b"") -> None:
        """The end, and what is said before it."""
        if not self.gone:
            self._write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(piece), piece) if piece else b"0\r\n\r\n")
            self._ended()

    def _taken(self) -> bytes:
        parts, self._body, self.body_size = self._body, [], 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _begun(self, status: int, headers: tuple[Header, ...]) -> bytes:
        if self._head is not None or self.started:
            raise RuntimeError("an answer began twice")
        return _head(status, headers, self.keep_alive)

    def _write(self, data: bytes) -> None:
        if self._head is not None:
            data, self._head, self.started = self._head + data, None, True
        elif not self.started or self.complete:
            raise RuntimeError("an answer has no beginning, or has ended")
        self._connection.write(data)

    def _ended(self) -> None:
        self.complete = True
        self.wake()
        self._connection.answered(self)


@lru_cache(maxsize=256)
def _head(status: int, headers: tuple[Header, ...], keep_alive: bool) -> bytes:
    """The head of an answer but for its length; nearly all have the same."""
    lines = [STATUS[status]]
    for name, value in headers:
        # A line break inside a value would be a header of its own, or a second answer.
        if b"\n" in value or b"\r" in value or b"\0" in value:
            raise ValueError("a header of the answer holds a line break")
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines) + (b"" if keep_alive else b"connection: close\r\n")
