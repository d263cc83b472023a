"""A fast upstream API, so that what is measured is the way to it: one fixed JSON answer for every GET, and a count of what was asked.

    python upstream.py UNIX_SOCKET

Prints the TCP port it listens on (loopback), then serves there and on the Unix socket until SIGTERM. GET /count says how many were asked.
"""

import asyncio
import json
import signal
import sys
from typing import cast

import uvloop

WIDGET = {"id": "w-1", "name": "Blue widget", "price": 12.5, "in_stock": True}


def _http(content: object) -> bytes:
    body = json.dumps(content, separators=(",", ":")).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


_FIXED = _http(WIDGET)


class Api(asyncio.Protocol):
    """One connection. A request ends with its head: clients of this API send no bodies, or only such as may be ignored."""

    asked = 0

    def __init__(self) -> None:
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses

    def data_received(self, data: bytes) -> None:
        *heads, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for head in heads:
            if head.startswith(b"GET /count "):
                self._transport.write(_http(Api.asked))
            else:
                Api.asked += 1
                self._transport.write(_FIXED)


async def serve(socket: str) -> None:
    loop, asked_to_end = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, asked_to_end.set)
    tcp = await loop.create_server(Api, "127.0.0.1", 0)
    async with tcp, await loop.create_unix_server(Api, socket):
        print(tcp.sockets[0].getsockname()[1], flush=True)
        await asked_to_end.wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
