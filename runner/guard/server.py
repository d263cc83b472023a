"""Connections: two listening sockets that other processes share, and a stop that loses no request."""

import asyncio
import select
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

MAX_HEAD_BYTES = 64 * 1024
# Listening again on a shared socket sets its backlog for everyone: the same number as whoever made it.
BACKLOG = 4096
# Caddy closes what has been idle for a second; a connection idle for longer after the stop began gets no request any more.
IDLE_AFTER_STOP = 1.2
# Longer than any client keeps an idle connection, so that it is never this side that closes under a request.
KEEP_ALIVE = 75
CANCEL_BEFORE_END = 1.0
_TICK = 0.05

Application = Callable[..., Awaitable[None]]


class _Connections(ServerState):
    stopping = False


class GuardProtocol(HttpToolsProtocol):
    """uvicorn's connection with four additions: a bounded head, no other protocol, a look whether the client is there, and the end of its life."""

    server_state: _Connections
    _in_head = False
    _read_bytes = 0
    _unread_bytes = 0

    def data_received(self, data: bytes) -> None:
        inside = self._in_head
        super().data_received(data)
        # A header that comes in pieces is kept by the parser, out of sight, until it is complete.
        if inside and self._in_head:
            self._unread_bytes += len(data)
            if self._unread_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._read_bytes, self._unread_bytes = True, 0, 0
        self.scope["extensions"] = {"guard": {"client_gone": self.client_gone}}

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._read_bytes += size
        if self._read_bytes > MAX_HEAD_BYTES:
            # The parser stops at an exception, and uvicorn answers 400 and closes.
            raise ValueError("the head of the request is too large")

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self.parser.should_upgrade():
            # The parser ends such a request (`Upgrade`, CONNECT) at its head and would read its body as the next one: whoever shares
            # this connection through Caddy would have his own put behind what a stranger wrote (CWE-444).
            raise ValueError("this server speaks HTTP only")
        super().on_headers_complete()
        if self.server_state.stopping:
            self.cycle.keep_alive = False

    def client_gone(self) -> bool:
        """Whether the other side has hung up; asks the kernel, since a request queued for long is read before its end is."""
        if self.transport.is_closing():
            return True
        end = self.transport.get_extra_info("socket")
        poll = select.poll()
        poll.register(end.fileno(), select.POLLRDHUP)
        return bool(poll.poll(0))

    @property
    def idle(self) -> bool:
        """Nothing is being answered and no request has begun to arrive."""
        return (self.cycle is None or self.cycle.response_complete) and not self._in_head

    def finish(self) -> None:
        """Let the answer that is being made, or else the next one, be the last."""
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.response_started:
            (self.pipeline[0][0] if self.pipeline else self.cycle).keep_alive = False


class Server:
    """Serves applications on inherited sockets until it is told to stop."""

    def __init__(self, *, grace: float, on_cut: Callable[[], None]) -> None:
        """`grace` bounds the stop in seconds; `on_cut` is called shortly before, to end what still runs."""
        self._state = _Connections()
        self._grace, self._on_cut = grace, on_cut
        self._listeners: list[asyncio.AbstractServer] = []

    async def listen(self, sock: socket.socket, application: Application) -> None:
        """Accept connections for an application. The socket's name is never removed."""
        config = _config(application)
        loop = asyncio.get_running_loop()

        def protocol() -> GuardProtocol:
            return GuardProtocol(config=config, server_state=self._state, app_state={}, _loop=loop)

        if sock.family == socket.AF_UNIX:
            # Newer loops unlink the name of a Unix socket when they close it, and others still listen on this one.
            options: dict[str, Any] = {"cleanup_socket": False}
            self._listeners.append(await loop.create_unix_server(protocol, sock=sock, backlog=BACKLOG, **options))
        else:
            self._listeners.append(await loop.create_server(protocol, sock=sock, backlog=BACKLOG))

    async def stop(self) -> None:
        """Accept no more, answer what came, and wait until nobody can send on a kept connection."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._state.stopping = True
        for listener in self._listeners:
            listener.close()
        for connection in self._open():
            connection.finish()
        cut = False
        while self._state.connections and loop.time() < began + self._grace:
            if loop.time() >= began + IDLE_AFTER_STOP:
                self._close_idle()
            if not cut and loop.time() >= began + self._grace - CANCEL_BEFORE_END:
                cut = True
                self._on_cut()
            await asyncio.sleep(_TICK)
        for connection in self._open():
            connection.transport.close()

    def _open(self) -> list[GuardProtocol]:
        return [connection for connection in self._state.connections if isinstance(connection, GuardProtocol)]

    def _close_idle(self) -> None:
        for connection in self._open():
            if connection.idle:
                connection.transport.close()


def _config(application: Application) -> Config:
    config = Config(
        application,
        http=GuardProtocol,
        ws="none",
        loop="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE,
    )
    config.load()
    return config
