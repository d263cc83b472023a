"""The recorder: an HTTP server on the sockets that would lead out of a trial; it notes every request and answers what it was told to."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from msgspec import Struct

from runner.contract import Entry

_MOST_HEAD, _MOST_BODY = 64 * 1024, 16 * 1024 * 1024


class Received(Struct, frozen=True, kw_only=True):
    """A request as it came. `host` and `port` are those of the socket it came by; header names are in lower case."""

    host: str
    port: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for each, value in self.headers if each == name), None)


class Recorder:
    """Answers every request with `answer`, a JSON document; `received` are all requests so far."""

    def __init__(self) -> None:
        self.answer = b"{}"
        self.received: list[Received] = []
        self._open: set[asyncio.StreamWriter] = set()

    def taken(self) -> tuple[Received, ...]:
        """What came since this was asked last."""
        taken, self.received = tuple(self.received), []
        return taken

    async def serve(self, entry: Entry, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the other side has enough of it or says what is not HTTP/1.1."""
        self._open.add(writer)
        try:
            while (request := await _read(entry, reader)) is not None:
                self.received.append(request)
                content = b"" if request.method == "HEAD" else self.answer
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(self.answer), content)
                )
                await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    def close(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()


@contextlib.asynccontextmanager
async def recording(folder: Path, entries: Iterable[Entry]) -> AsyncIterator[Recorder]:
    """A recorder behind the HTTP entries of a manifest whose egress folder this is."""
    recorder = Recorder()
    async with contextlib.AsyncExitStack() as held:
        held.callback(recorder.close)
        for entry in entries:
            if entry.protocol != "http":
                continue

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, entry: Entry = entry) -> None:
                await recorder.serve(entry, reader, writer)

            server = await asyncio.start_unix_server(serve, sock=_listening(folder / f"{entry.index}.sock"), limit=_MOST_HEAD)
            held.callback(server.close)
        yield recorder


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o666)  # the container's user is another one of the host
    return listener


async def _read(entry: Entry, reader: asyncio.StreamReader) -> Received | None:
    """The next request; None where there is none.

    Raises:
        ValueError: it is not HTTP/1.1, or too large.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, target, version = first.split(" ")
    if version != "HTTP/1.1":
        raise ValueError(f"{version[:20]} is not HTTP/1.1")
    headers = tuple((name.lower(), value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines))
    length = int(next((value for name, value in headers if name == "content-length"), "0"))
    if not 0 <= length <= _MOST_BODY:
        raise ValueError("the body is too large")
    body = await reader.readexactly(length)
    return Received(host=entry.name, port=entry.port, method=method, target=target, headers=headers, body=body)
