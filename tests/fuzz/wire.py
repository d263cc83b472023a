"""One connection of a rude client: sends bytes as they are, in pieces, and reads answers without forgiving anything."""

import asyncio
import contextlib
import re
import socket
from pathlib import Path

from msgspec import Struct

_STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [ -~]*")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([\t -~]*)")


class Unreadable(AssertionError):
    """An answer that is not well-formed HTTP/1.1."""


class Silent(Exception):
    """Nothing, or not all of an answer, came in the time given."""


class Closed(Exception):
    """The connection ended before the next answer began."""


class Response(Struct, frozen=True, kw_only=True):
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    stream: bool = False
    """Events without an end; `body` is how they begin."""

    def values(self, name: bytes) -> list[bytes]:
        return [value for each, value in self.headers if each == name]


UNKNOWN = b""
"""The method of a request that cannot be read."""
Where = Path | int
"""A Unix socket, or a port on loopback."""


class Line:
    """`seconds` bounds every wait. Works on the bare socket: what came before the other side closed stays readable after a failed write."""

    def __init__(self, end: socket.socket, seconds: float) -> None:
        self._socket, self._seconds = end, seconds
        self._loop = asyncio.get_running_loop()
        self._waiting = b""
        self.received = b""

    @classmethod
    async def to(cls, where: Where, *, seconds: float = 5.0) -> "Line":
        end = socket.socket(socket.AF_INET if isinstance(where, int) else socket.AF_UNIX)
        end.setblocking(False)
        await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", where) if isinstance(where, int) else str(where))
        return cls(end, seconds)

    async def send(self, data: bytes, cuts: tuple[int, ...] = ()) -> None:
        """Send, with a breath at each cut; the other side may have closed meanwhile."""
        try:
            async with asyncio.timeout(self._seconds):
                for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
                    await self._loop.sock_sendall(self._socket, data[start:end])
                    if end != len(data):
                        await asyncio.sleep(0.001)
        except ConnectionError:
            return
        except TimeoutError:
            raise Silent from None

    async def answer(self, method: bytes, *, seconds: float | None = None) -> Response:
        """The next final answer; those of 1xx are read over.

        Raises:
            Silent, Closed, Unreadable: see there.
        """
        try:
            async with asyncio.timeout(self._seconds if seconds is None else seconds):
                while True:
                    response = await self._response(method)
                    if response.status >= 200:
                        return response
        except TimeoutError:
            raise Silent from None
        except ConnectionError:
            raise Closed from None

    async def ended(self, *, seconds: float = 1.0) -> bool:
        """Whether the other side closes within that time and without another byte.

        Raises:
            Unreadable: it sends more.
        """
        try:
            async with asyncio.timeout(seconds):
                more = self._waiting or await self._more()
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        self.received += more
        if more:
            raise Unreadable(f"more than was asked for: {more[:300]!r}")
        return True

    def close(self) -> None:
        self._socket.close()

    async def _more(self) -> bytes:
        """What came; nothing at the end."""
        return await self._loop.sock_recv(self._socket, 1 << 18)

    async def _line(self) -> bytes:
        while b"\n" not in self._waiting:
            if not (more := await self._more()):
                if self._waiting:
                    raise Unreadable(f"it ends within a line: {self._waiting!r}")
                raise Closed
            self._waiting += more
        line = await self._exactly(self._waiting.index(b"\n") + 1)
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise Unreadable(f"a line ends wrongly: {line!r}")
        return line[:-2]

    async def _exactly(self, size: int) -> bytes:
        while len(self._waiting) < size:
            if not (more := await self._more()):
                raise Unreadable(f"a body ends early: {self._waiting[-200:]!r}")
            self._waiting += more
        data, self._waiting = self._waiting[:size], self._waiting[size:]
        self.received += data
        return data

    async def _rest(self) -> bytes:
        while more := await self._more():
            self._waiting += more
        return await self._exactly(len(self._waiting))

    async def _response(self, method: bytes) -> Response:
        line = await self._line()
        status = _STATUS.fullmatch(line)
        if status is None:
            raise Unreadable(f"no status line: {line!r}")
        headers: list[tuple[bytes, bytes]] = []
        while text := await self._line():
            header = _HEADER.fullmatch(text)
            if header is None:
                raise Unreadable(f"no header: {text!r}")
            headers.append((header[1].lower(), header[2]))
        return await self._with_body(int(status[1]), tuple(headers), method)

    async def _with_body(self, status: int, headers: tuple[tuple[bytes, bytes], ...], method: bytes) -> Response:
        lengths = [value for name, value in headers if name == b"content-length"]
        codings = [value for name, value in headers if name == b"transfer-encoding"]
        kinds = [value for name, value in headers if name == b"content-type"]
        if len(lengths) + len(codings) > 1:
            raise Unreadable(f"its length is said twice: {headers}")
        if status < 200 or status in (204, 304) or (method == b"HEAD" and (b"connection", b"close") not in headers):
            return Response(status=status, headers=headers, body=b"")
        if method in (b"HEAD", UNKNOWN) and (b"connection", b"close") in headers:
            # What is no request any more is answered with a body, whatever its method seemed to be.
            body = await self._rest()
            if body and lengths and lengths != [b"%d" % len(body)]:
                raise Unreadable(f"its body has not the length it says: {body[:300]!r}")
            return Response(status=status, headers=headers, body=body)
        if kinds and kinds[0].startswith(b"text/event-stream"):
            return Response(status=status, headers=headers, body=await self._beginning(), stream=True)
        if codings:
            if codings != [b"chunked"]:
                raise Unreadable(f"its coding is none: {codings}")
            body = b""
            while size := int(await self._line(), 16):
                body += await self._exactly(size)
                await self._exactly(2)
            await self._line()
        elif lengths:
            if method == UNKNOWN and not self._waiting:
                self._waiting += await self._more()
                if not self._waiting:
                    return Response(status=status, headers=headers, body=b"")  # it was a HEAD
            body = await self._exactly(int(lengths[0]))
        elif (b"connection", b"close") in headers:
            body = await self._rest()
        else:
            raise Unreadable(f"its length is not said: {headers}")
        return Response(status=status, headers=headers, body=body)

    async def _beginning(self) -> bytes:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await self._rest()
        return await self._exactly(len(self._waiting))
