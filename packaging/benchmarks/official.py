"""The official client at a fixed rate: one session, whatever the answers take.

    python official.py <<< '{"url": "http://…", "token": "…", "tool": "…", "arguments": {…}, "rate": 100, "connections": 8, "seconds": 8}'

Prints {"took": […]}, the latency of each call in milliseconds: from the moment it is due (as its timer saw it) to its result. The first second
does not count. No more calls than `connections` are under way at once; what waits for that waits in the latency.
"""

import asyncio
import json
import sys
from time import perf_counter

import httpx2
import msgspec
import uvloop
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from msgspec import Struct

_WARM = 1.0


class Task(Struct, frozen=True, kw_only=True):
    url: str
    token: str
    tool: str
    arguments: dict[str, str | int]
    rate: float
    connections: int
    seconds: float


async def measured(task: Task) -> list[float]:
    took: list[float] = []
    at_once = asyncio.Semaphore(task.connections)
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {task.token}"}, timeout=30, trust_env=False) as http,
        Client(streamable_http_client(task.url, http_client=http)) as client,
        asyncio.TaskGroup() as calls,
    ):

        async def one(due: float) -> None:
            async with at_once:
                result = await client.call_tool(task.tool, task.arguments)
            assert not result.is_error, result
            if due >= began + _WARM:
                took.append(1000 * (perf_counter() - due))

        began = perf_counter()
        for number in range(int(task.rate * (_WARM + task.seconds))):
            if (early := began + number / task.rate - perf_counter()) > 0:
                await asyncio.sleep(early)
            calls.create_task(one(perf_counter()))
    return took


if __name__ == "__main__":
    print(json.dumps({"took": uvloop.run(measured(msgspec.json.decode(sys.stdin.buffer.read(), type=Task)))}))
