"""A client that asks at a fixed rate, whatever the answers take: what waits for a connection waits in the latency.

    python paced.py <<< '{"port": …, "target": "/…", "headers": {…}, "body": "…", "rate": 200, "connections": 16, "seconds": 4}'

Prints {"took": […]}, the latency of each request in milliseconds, over loopback. A request is due every 1/rate seconds; its latency runs from
the moment it is due (as its timer saw it) to the last byte of its answer. The first half second does not count.
"""

import asyncio
import json
import re
import sys
from collections import deque
from time import perf_counter
from typing import cast

import msgspec
import uvloop
from msgspec import Struct

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_WARM = 0.5
_TICK = 0.001
_PATIENCE = 10.0


class Task(Struct, frozen=True, kw_only=True):
    port: int
    target: str
    headers: dict[str, str]
    body: str
    rate: float
    connections: int
    seconds: float


class Ask(asyncio.Protocol):
    """A kept connection that asks one thing at a time."""

    def __init__(self, request: bytes, free: "deque[Ask]", waiting: deque[float], done: list[tuple[float, float]]) -> None:
        self._request, self._free, self._waiting, self._done = request, free, waiting, done
        self._got = b""
        self._due = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses
        self._free.append(self)

    def ask(self, due: float) -> None:
        self._due = due
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found:
            return
        length = _LENGTH.search(head)
        assert head.startswith(b"HTTP/1.1 200 "), head
        assert length is not None, head
        if len(body) < int(length[1]):
            return
        self._got = b""
        self._done.append((self._due, perf_counter()))
        if self._waiting:
            self.ask(self._waiting.popleft())
        else:
            self._free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        sys.exit("a connection was closed under a request" if self not in self._free else 0)


async def measured(task: Task) -> list[float]:
    loop = asyncio.get_running_loop()
    lines = "".join(f"{name}: {value}\r\n" for name, value in task.headers.items())
    head = f"POST {task.target} HTTP/1.1\r\nHost: localhost:{task.port}\r\n{lines}Content-Length: {len(task.body)}\r\n\r\n"
    free: deque[Ask] = deque()
    waiting: deque[float] = deque()
    done: list[tuple[float, float]] = []
    for _ in range(task.connections):
        await loop.create_connection(lambda: Ask((head + task.body).encode(), free, waiting, done), "127.0.0.1", task.port)
    began, sent = perf_counter(), 0
    all_of_them = int(task.rate * (task.seconds + _WARM))
    while len(done) < all_of_them:
        now = perf_counter()
        assert now - began < task.seconds + _WARM + _PATIENCE, f"{all_of_them - len(done)} answers did not come"
        while sent < all_of_them and began + sent / task.rate <= now:
            waiting.append(now)
            sent += 1
        while waiting and free:
            free.popleft().ask(waiting.popleft())
        await asyncio.sleep(_TICK)
    return [1000 * (end - due) for due, end in done if due >= began + _WARM]


if __name__ == "__main__":
    print(json.dumps({"took": uvloop.run(measured(msgspec.json.decode(sys.stdin.buffer.read(), type=Task)))}))
