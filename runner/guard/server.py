"""Two listening sockets that other processes share, and a stop that loses no request."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from runner.guard.connection import Application, Connection, Connections

# Listening again on a shared socket sets its backlog for everyone: the same number as whoever made it.
BACKLOG = 4096
# Caddy closes what has been idle for a second; a connection idle for longer after the stop began gets no request any more.
IDLE_AFTER_STOP = 1.2
CANCEL_BEFORE_END = 1.0
LOOK_EVERY = 5.0
_TICK = 0.05


class Server:
    """Serves applications on inherited sockets until it is told to stop."""

    def __init__(self, *, grace: float, on_cut: Callable[[], None]) -> None:
        """`grace` bounds the stop in seconds; `on_cut` is called shortly before, to end what still runs."""
        self._connections = Connections()
        self._grace, self._on_cut = grace, on_cut
        self._listeners: list[asyncio.AbstractServer] = []

    async def listen(self, sock: socket.socket, application: Application) -> None:
        """Accept connections for an application. The socket's name is never removed."""
        loop = asyncio.get_running_loop()
        if not self._listeners:
            self._looking = loop.call_later(LOOK_EVERY, self._look)

        def protocol() -> Connection:
            return Connection(application, self._connections, loop)

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
        self._connections.stopping = True
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections):
            connection.finish()
        cut = False
        while self._connections and loop.time() < began + self._grace:
            if loop.time() >= began + IDLE_AFTER_STOP:
                self._close_idle()
            if not cut and loop.time() >= began + self._grace - CANCEL_BEFORE_END:
                cut = True
                self._on_cut()
            await asyncio.sleep(_TICK)
        for connection in list(self._connections):
            connection.close()
        self._looking.cancel()

    def _close_idle(self) -> None:
        for connection in list(self._connections):
            if connection.idle:
                connection.close()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(LOOK_EVERY, self._look)
        for connection in list(self._connections):
            connection.look(loop.time())
