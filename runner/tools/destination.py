"""The ways out: each destination has its own socket into the egress gateway and its own kept connections."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable

from runner.contract import Entry
from runner.tools.connection import Connection, Cut, Response, encoded
from runner.tools.request import HttpRequest

KEEP_ALIVE = 15.0


class NotConnected(Exception):
    """There was no connection, so nothing was sent; the cause says why."""


class Destination:
    """One `name:port` behind its socket, and the idle connections to it, most recently used last."""

    def __init__(self, entry: Entry, socket: str, trust: Callable[[], ssl.SSLContext] | None) -> None:
        """`trust` gives the context for TLS; None is HTTP without it."""
        self.host = f"{entry.name}:{entry.port}"
        self._name, self._authority = entry.name, entry.name if entry.port == (443 if trust else 80) else self.host
        self._socket, self._trust = socket, None if entry.recorded else trust
        self._idle: deque[Connection] = deque()

    async def send(self, request: HttpRequest, *, fresh: bool = False, until: float | None = None) -> Response:
        """The response. `fresh` asks for a connection of its own; `until` is when, on the loop's clock, a stream is given up.

        Raises:
            NotConnected: nothing was sent.
            Cut: it may have been sent, and no complete response came.
            Unsendable: it would not be valid HTTP.
            RequestError: the client certificate cannot be shown.
        """
        message = encoded(request, self._authority)
        connection = None if fresh else self._kept()
        if connection is None:
            connection = await self._opened()
        try:
            response = await connection.exchange(message, head_only=request.method == "HEAD", until=until)
        except BaseException:
            connection.close()
            raise
        self._keep(connection)
        return response

    def warm(self) -> None:
        """Make what the first connection would wait for.

        Raises:
            RequestError: there can be no connection with these secrets.
        """
        if self._trust is not None:
            self._trust()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> Connection | None:
        now = time.monotonic()
        while self._idle:
            connection = self._idle.pop()
            if connection.ready and now - connection.since < KEEP_ALIVE:
                return connection
            connection.close()
        return None

    def _keep(self, connection: Connection) -> None:
        if not connection.reusable:
            return connection.close()
        connection.since = now = time.monotonic()
        self._idle.append(connection)
        if now - self._idle[0].since > KEEP_ALIVE:
            self._idle.popleft().close()
        return None

    async def _opened(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            if self._trust is None:
                _, connection = await loop.create_unix_connection(Connection, self._socket)
            else:
                _, connection = await loop.create_unix_connection(Connection, self._socket, ssl=self._trust(), server_hostname=self._name)
        except (OSError, ssl.CertificateError) as error:
            raise NotConnected from error
        return connection


__all__ = ["KEEP_ALIVE", "Cut", "Destination", "NotConnected", "Response"]
