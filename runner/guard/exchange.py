"""One request being answered: with a JSON document, or with a stream of events where something has to be said before."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from runner.guard.request import Request
from runner.protocol.jsonrpc import Header, Reply

LOOK_EVERY = 0.25
KEEP_ALIVE_SECONDS = 15.0
_JSON: Header = (b"content-type", b"application/json")
_NO_STORE: Header = (b"cache-control", b"no-store")
_DOCUMENT = (_JSON, _NO_STORE)
# nginx and others in front would hold events back until they have enough of them.
_STREAM: tuple[Header, ...] = ((b"content-type", b"text/event-stream"), _NO_STORE, (b"x-accel-buffering", b"no"))
_KEEP_ALIVE = b":\n\n"


class Exchange:
    """The way back to one client. Streams have no event ids: nothing is resumed."""

    __slots__ = ("_ended", "_lock", "_more", "_request", "gone", "size", "spoke_at", "streaming", "task")

    def __init__(self, request: Request, more: tuple[Header, ...] = ()) -> None:
        """`more` goes onto every kind of answer."""
        self._request, self._more = request, more
        self.gone = request.client_gone
        self.task = request.task
        self._lock: asyncio.Lock | None = None
        self._ended = self.streaming = False
        self.spoke_at = 0.0
        self.size = 0
        """Of the body that is being answered, in bytes."""

    @property
    def takes_stream(self) -> bool:
        """A client that says what it accepts, and does not name event streams, gets none."""
        accept = self._request.headers.get(b"accept")
        return accept is None or b"text/event-stream" in (lower := accept.lower()) or b"*/*" in lower or b"text/*" in lower

    async def notify(self, message: bytes) -> bool:
        """Send an encoded message before the answer; the first makes the answer a stream. False: it went nowhere."""
        if not self.takes_stream:
            return False
        return await self._event(b"event: message\ndata: %b\n\n" % message)

    async def answer(self, reply: Reply) -> None:
        """The last thing that is sent. A stream has had its status already; a reply without a body only ends it."""
        if self.streaming:
            async with self._writing():
                if not self._ended:
                    self._ended = True
                    await self._drained()
                    self._request.end(b"event: message\ndata: %b\n\n" % reply.body if reply.body else b"")
            return
        self._ended = True
        headers: tuple[Header, ...] = _DOCUMENT if reply.body else (_NO_STORE,)
        if reply.headers or self._more:
            headers = (*headers, *reply.headers, *self._more)
        if reply.close:
            self._request.keep_alive = False
        if self._request.blocked:
            await self._request.drained()
        self._request.answer(reply.status, headers, reply.body)

    async def keep_alive(self) -> None:
        if self.streaming:
            await self._event(_KEEP_ALIVE)

    async def _event(self, event: bytes) -> bool:
        async with self._writing():
            if self._ended or self.gone():
                return False
            await self._drained()
            if not self.streaming:
                self.streaming = True
                self._request.begin(200, (*_STREAM, *self._more))
            self.spoke_at = asyncio.get_running_loop().time()
            self._request.say(event)
            return True

    async def _drained(self) -> None:
        if self._request.blocked:
            await self._request.drained()

    def _writing(self) -> asyncio.Lock:
        # Made by those who stream only; nearly every answer is one document.
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock


class Open(Protocol):
    """Something that is being answered and takes a while."""

    exchange: Exchange

    def client_left(self) -> None:
        """The client has hung up; may be said more than once."""

    def still_welcome(self) -> bool:
        """Asked at every keep-alive; what is no longer welcome ends itself."""


class Watch:
    """Looks, while anything is open, whether the clients are still there, and keeps quiet streams alive.

    One timer for all: a task beside every call would cost more than most calls.
    """

    def __init__(self, *groups: Iterable[Open], keep_alive: float = KEEP_ALIVE_SECONDS) -> None:
        self._groups, self._keep_alive = groups, keep_alive
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Something was opened."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for one in [each for group in self._groups for each in group]:
            self.wake()
            exchange = one.exchange
            if exchange.gone():
                one.client_left()
            elif exchange.streaming and now - exchange.spoke_at >= self._keep_alive and one.still_welcome():
                exchange.spoke_at = now
                task = asyncio.ensure_future(exchange.keep_alive())
                self._writing.add(task)
                task.add_done_callback(self._writing.discard)
