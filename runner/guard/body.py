"""Reads the bodies of requests: bounded in size, in time and, all together, in what of the server they take up meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from runner.protocol.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST, Reply, error_reply

Pieces = Callable[[], Awaitable[tuple[bytes, bool] | None]]
"""The next piece and whether there are more; None once the client has gone."""

MAX_BODY_BYTES = 4 * 1024 * 1024
# A body that is too large is read to its end if that is near: closing at once would cut the client off before it reads the answer.
MAX_DRAINED_BYTES = 32 * 1024 * 1024
BODY_SECONDS = 30.0
# Of the bodies that are still arriving. One client that sends slowly must leave descriptors and memory for the others.
MAX_ARRIVING, MAX_ARRIVING_BYTES = 512, 64 * 1024 * 1024

_TOO_LARGE = error_reply(None, INVALID_REQUEST, f"The body is larger than {MAX_BODY_BYTES // 1024**2} MiB.", status=413)
_TOO_SLOW = msgspec.structs.replace(error_reply(None, INVALID_REQUEST, "The body did not arrive in time.", status=408), close=True)
_TOO_MANY = msgspec.structs.replace(
    error_reply(None, INTERNAL_ERROR, "Too many requests are arriving. Try again in a second.", status=503, headers=((b"retry-after", b"1"),)),
    close=True,
)


class Bodies:
    """All bodies of one server; `seconds` is what each may take to arrive."""

    def __init__(self, *, seconds: float = BODY_SECONDS) -> None:
        self._seconds = seconds
        self._arriving = self._bytes = 0

    async def read(self, length: bytes | None, pieces: Pieces) -> bytes | Reply | None:
        """The body, None when the client went away before it was complete, or why it is refused."""
        if length is not None and int(length) > MAX_DRAINED_BYTES:
            return msgspec.structs.replace(_TOO_LARGE, close=True)
        if self._arriving >= MAX_ARRIVING:
            return _TOO_MANY
        parts = bytearray()
        self._arriving += 1
        try:
            # From the very start: a client may announce a body and never send its first byte.
            async with asyncio.timeout(self._seconds):
                return await self._collect(parts, pieces)
        except TimeoutError:
            return _TOO_SLOW
        finally:
            self._arriving -= 1
            self._bytes -= len(parts)

    async def _collect(self, parts: bytearray, pieces: Pieces) -> bytes | Reply | None:
        size, more = 0, True
        while more:
            if (found := await pieces()) is None:
                return None
            piece, more = found
            size += len(piece)
            if size <= MAX_BODY_BYTES:
                parts += piece
                self._bytes += len(piece)
                if self._bytes > MAX_ARRIVING_BYTES:
                    return _TOO_MANY
            elif size > MAX_DRAINED_BYTES:
                return msgspec.structs.replace(_TOO_LARGE, close=True)
        return bytes(parts) if size <= MAX_BODY_BYTES else _TOO_LARGE
