"""An upstream that says, byte for byte, what a test has written down, and a runner of one tool in front of it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from runner.contract import Entry, HttpTool
from runner.tools.http import HttpRunner, Upstreams
from runner.tools.result import ToolAnswer
from tests.waiting import PATIENCE

ENTRY = Entry(index=0, name="shop.test", port=8081, plain=True)


class Cut:
    """Instead of an answer: the connection is closed."""


class Last(bytes):
    """An answer after which the connection is closed."""


class Pieces(bytes):
    """An answer that comes byte by byte."""


def said(value: Any = None, *, status: int = 200, **headers: str) -> bytes:
    """A response with a JSON body."""
    body = b"" if value is None else msgspec.json.encode(value)
    lines = [f"HTTP/1.1 {status} Words", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Upstream:
    """`targets` are what was asked for, `connections` how many there were."""

    def __init__(self, script: list[bytes | type[Cut]]) -> None:
        self.script, self.targets, self.connections, self.heads = script, list[str](), 0, list[str]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.heads.append(head)
                self.targets.append(head.split(" ")[1])
                answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                if not isinstance(answer, bytes):
                    return
                for piece in [answer[place : place + 1] for place in range(len(answer))] if isinstance(answer, Pieces) else [answer]:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if isinstance(answer, Last):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def behind(
    tool: HttpTool, *script: bytes | type[Cut], secrets: dict[str, str] | None = None
) -> AsyncIterator[tuple[HttpRunner, Upstream]]:
    """The last answer of the script is repeated."""
    with tempfile.TemporaryDirectory() as folder:
        upstream = Upstream(list(script))
        server = await asyncio.start_unix_server(upstream.serve, f"{folder}/0.sock")
        upstreams = Upstreams((ENTRY,), egress=Path(folder))
        try:
            async with asyncio.timeout(PATIENCE):
                yield HttpRunner(tool, upstreams, secrets or {}), upstream
        finally:
            await upstreams.close()
            server.close()


def answers(
    tool: HttpTool, script: Sequence[bytes | type[Cut]], *calls: dict[str, Any], secrets: dict[str, str] | None = None
) -> tuple[list[ToolAnswer], Upstream]:
    """The answers of calls made one after the other."""

    async def go() -> tuple[list[ToolAnswer], Upstream]:
        async with behind(tool, *script, secrets=secrets) as (runner, upstream):
            return [await runner.run(arguments) for arguments in calls or ({"id": 1},)], upstream

    return asyncio.run(go())
