"""One connection through the gateway: hears the client out, then carries bytes both ways with back-pressure and half-close."""

import asyncio
import select
import socket
import time
from collections.abc import Callable
from typing import cast

from bmm.egress.database import DatabaseReader
from bmm.egress.hello import HelloReader
from bmm.egress.limits import Meter
from bmm.egress.refused import Reason, Refused, alert, response
from bmm.egress.request import RequestReader
from bmm.egress.rules import EgressEntry

_LINGER_SECONDS = 1.0
_TLS_RECORD = 22


class Side(asyncio.Protocol):
    """One end. Until it has a peer, what arrives goes to `on_data`; afterwards straight to the peer's transport."""

    def __init__(
        self, *, on_data: Callable[[bytes], None], count: Callable[[int], None], peer: "Side | None" = None, joins: bool = True
    ) -> None:
        """`joins`: what the peer receives comes here from the start."""
        self._on_data, self._count, self._joins = on_data, count, joins
        self.peer = peer
        self.ended = False
        self.transport: asyncio.Transport
        self.gone: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses
        if self.peer is not None and self._joins:
            self.peer.peer = self

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self._on_data(data)
            return
        self._count(len(data))
        if not self.peer.transport.is_closing():
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        if self.peer is None:
            self._on_data(b"")
        elif self.peer.ended:
            self.transport.close()
            self.peer.transport.close()
        elif not self.peer.transport.is_closing():
            self.peer.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        if self.peer is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and not self.peer.transport.is_closing():
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_result(exc)
        if self.peer is None:
            self._on_data(b"")
        elif not self.peer.transport.is_closing():
            # Close lets what is already on its way arrive; after an error there is nothing worth delivering.
            self.peer.transport.close() if exc is None else self.peer.transport.abort()


class Tunnel:
    """What the gateway knows of one connection; `why` says how it ended."""

    def __init__(self, entry: EgressEntry, meter: Meter, rules_key: str) -> None:
        self.entry, self.meter, self.rules_key = entry, meter, rules_key
        self.up = self.down = 0
        self.why = "closed"
        self.is_open = False
        self.began = self.active = time.monotonic()
        self._head = b""
        self._heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = _reader(entry)
        self._server_first = entry.protocol == "mysql"
        self._client: Side
        self._upstream: Side | None = None

    async def hear(self, accepted: socket.socket) -> None:
        """Take the client's first bytes and check whom they are for.

        Raises:
            Refused: it named another host, spoke another protocol or took too long.
        """
        loop = asyncio.get_running_loop()
        self._client = Side(on_data=self._listen, count=self._count_up)
        await loop.connect_accepted_socket(lambda: self._client, accepted)
        if not self._server_first:
            await self._listened()

    async def _listened(self) -> None:
        try:
            async with asyncio.timeout(self.meter.rules.opening_seconds):
                await self._heard
        except TimeoutError:
            raise Refused(Reason.NOT_ALLOWED, "the client did not say what it wants in time") from None

    async def carry(self, dialled: socket.socket) -> None:
        """Connect both ends and return when both are closed.

        Raises:
            Refused: as `hear`, where the server is the first to speak.
        """
        loop = asyncio.get_running_loop()
        client = self._client
        upstream = Side(on_data=self._listen, count=self._count_down, peer=client, joins=not self._server_first)
        await loop.create_connection(lambda: upstream, sock=dialled)
        self._upstream = upstream
        if self._server_first:
            await self._listened()
            client.peer = upstream
        self.is_open = True
        self._count_up(len(self._head))
        upstream.transport.write(self._head)
        self._head = b""
        if client.transport.is_closing():
            upstream.transport.abort()
        elif client.ended:
            upstream.transport.write_eof()
        else:
            client.transport.resume_reading()
        await asyncio.wait((client.gone, upstream.gone))
        if self.why == "closed":
            self.why = next((f"broken: {side.gone.result()}" for side in (client, upstream) if side.gone.result()), "closed")

    async def refuse(self, reason: Reason) -> None:
        """Tell the client why, and give it a moment to read that: closing at once would discard it."""
        client = self._client
        if client.transport.is_closing():
            return
        speaks_tls = self.entry.protocol == "http" and not self.entry.plain and (not self._head or self._head[0] == _TLS_RECORD)
        client.transport.write(alert(reason) if speaks_tls else response(reason))
        client.transport.write_eof()
        client.transport.resume_reading()
        await asyncio.wait((client.gone,), timeout=_LINGER_SECONDS)

    def cut(self, why: str) -> None:
        """End it now, from outside."""
        self.why = why
        if not self._heard.done():
            self._heard.set_exception(Refused(Reason.OVER_LIMIT, why))
        self.close()

    def close(self) -> None:
        """Let both ends go; safe at any time."""
        for side in (getattr(self, "_client", None), self._upstream):
            if side is not None and not side.gone.done():
                side.transport.abort()

    def is_abandoned(self) -> bool:
        """Whether the client has closed altogether, not only finished sending; a Unix socket can tell (POLLHUP)."""
        client = getattr(self, "_client", None)
        if client is None or not client.ended or client.transport.is_closing():
            return False
        poll = select.poll()
        poll.register(client.transport.get_extra_info("socket").fileno(), 0)
        return bool(poll.poll(0))

    def _listen(self, data: bytes) -> None:
        if self._heard.done():  # Refused already: what still comes is thrown away.
            return
        self._head += data
        try:
            name = self._reader.feed(data) if data else _nothing()
            if name is None:
                return
            self._check(name)
        except Refused as refused:
            self._heard.set_exception(refused)
        else:
            self._client.transport.pause_reading()
            self._heard.set_result(None)

    def _check(self, name: str) -> None:
        allowed = (self.entry.name, self.entry.place) if self.entry.plain and self.entry.protocol == "http" else (self.entry.name,)
        if name.lower() not in allowed:
            raise Refused(Reason.WRONG_NAME, f"the client named {name[:300]!r}")

    def _count_up(self, count: int) -> None:
        self.up += count
        self.meter.count(up=count)
        self._note()

    def _count_down(self, count: int) -> None:
        self.down += count
        self.meter.count(down=count)
        self._note()

    def _note(self) -> None:
        self.active = time.monotonic()
        if self.meter.is_spent:
            self.cut("over the bytes of this day")


def _reader(entry: EgressEntry) -> HelloReader | RequestReader | DatabaseReader:
    if entry.protocol != "http":
        return DatabaseReader(entry)
    return RequestReader() if entry.plain else HelloReader()


def _nothing() -> str:
    raise Refused(Reason.NOT_ALLOWED, "the client closed without saying what it wants")
