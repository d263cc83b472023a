"""A loopback door for one database session: what a driver sends to 127.0.0.1 goes through the egress gateway's socket.

Drivers speak TLS over TCP only, and a container has no other network. Each session has a door of its own, so what one query may
bring in can be limited before the driver has it in memory.
"""

import asyncio
import contextlib
import re
import ssl
from types import TracebackType
from typing import Self

from runner.tools.egress import HEADER

_CHUNK = 64 * 1024
_SAYS = re.compile(rb"(?i)\r\n" + HEADER.encode() + rb": *([a-z_]+)\r\n")


class Relay:
    """Listens while it is entered. `refusal` is the gateway's reason when it did not connect; `over` whether a limit was passed."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._left: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.refusal: str | None = None
        self.over = False
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_CHUNK)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def allow(self, count: int | None) -> None:
        """From now on so many bytes may come in (None: any number); beyond them the connection is cut."""
        self._left, self.over = count, False

    def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        outside: asyncio.StreamWriter | None = None
        try:
            answers, outside = await asyncio.open_unix_connection(self._socket, limit=_CHUNK)
            up = asyncio.ensure_future(self._carry(reader, outside))
            try:
                await self._bring(answers, writer)
            finally:
                up.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await up
        except OSError:
            self.refusal = self.refusal or "unreachable"
        except asyncio.CancelledError:
            pass  # Closed from outside: there is nobody to tell.
        finally:
            self._tasks.discard(task)
            for each in (writer, outside):
                if each is not None:
                    each.transport.abort() if self.over else each.close()

    async def _bring(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = True
        while data := await reader.read(_CHUNK):
            # No database begins like this; it is how the gateway refuses.
            if first and data.startswith(b"HTTP/1.1 "):
                said = _SAYS.search(data)
                self.refusal = said[1].decode() if said else "not_allowed"
                return
            first = False
            if self._left is not None:
                self._left -= len(data)
                if self._left < 0:
                    self.over = True
                    return
            writer.write(data)
            await writer.drain()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


class NamedTrust(ssl.SSLContext):
    """Verifies a certificate for the database's own name, whatever address the driver has dialled."""

    name: str

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side=server_side, server_hostname=self.name, session=session)


def named_trust(name: str, certificates: str = "") -> NamedTrust:
    """Trusts these certificates (PEM), or the system's where none are given.

    Raises:
        ssl.SSLError: they are not certificates.
    """
    context = NamedTrust(ssl.PROTOCOL_TLS_CLIENT)
    context.name = name
    if certificates:
        context.load_verify_locations(cadata=certificates)
    else:
        context.load_default_certs()
    return context
