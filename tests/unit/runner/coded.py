"""Python tools in real workers, as the guard runs them: a pool of its own, a scripted client, a log that can be read."""

import asyncio
import textwrap
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from runner.contract import Entry, PythonTool, SecretNeed, ServerSpec
from runner.tools.alone import Alone
from runner.tools.context import Capability, Context, InputNeeded, Level, Question
from runner.tools.http import Upstreams
from runner.tools.outgoing import Refused
from runner.tools.pool import Pool
from runner.tools.python import PythonRunner, Services
from runner.tools.result import ToolAnswer
from tests.waiting import PATIENCE

ENTRY = Entry(index=0, name="shop.test", port=8081, plain=True)
SECRETS = {"SHOP_KEY": "hunter22", "UNLISTED": "never-seen", "PEM": 'first line\nsecond wi"th\n'}


class Databases:
    """Answers every query with itself."""

    async def query(self, database: str, query: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        if database != "main":
            raise Refused("sql_unknown", f"There is no database {database}.")
        return [{"query": query, **params}]


class Client(Alone):
    """A client that answers what a test has written down, or is to be asked first."""

    def __init__(self, answers: dict[str, dict[str, Any]] | None = None, *, asks_back: bool = False, delay: float = 0) -> None:
        self.told: list[tuple[Any, ...]] = []
        self._answers, self._asks_back, self._delay = answers, asks_back, delay

    def can(self, capability: Capability) -> bool:
        return self._answers is not None or self._asks_back

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        self.told.append(("progress", progress, total, message))

    async def log(self, level: Level, data: object, logger: str | None = None) -> None:
        self.told.append((level, data, logger))

    async def ask(self, questions: Mapping[str, Question]) -> dict[str, dict[str, Any]]:
        await asyncio.sleep(self._delay)
        if self._asks_back:
            raise InputNeeded(questions)
        if self._answers is None:
            return await super().ask(questions)
        return {key: self._answers[key] for key in questions}


class Server:
    """Tools by the code they are given. `lines` are the owner's log."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.lines: list[tuple[str, str]] = []
        spec = ServerSpec(name="Coded", secrets=(SecretNeed(key="SHOP_KEY"), SecretNeed(key="UNSET"), SecretNeed(key="PEM")))
        self.pool = Pool(log=lambda level, text: self.lines.append((level, text)), **options)
        self.upstreams = Upstreams((ENTRY,), egress=folder)
        self._services = Services(
            spec,
            self.pool,
            upstreams=self.upstreams,
            secrets=SECRETS,
            log=lambda level, text, tool: self.lines.append((level, f"{tool}: {text}")),
        )

    def tool(self, body: str, *, name: str = "tool", timeout: float = PATIENCE) -> PythonRunner:
        """`body` is that of `run`, or a whole module where it defines `run` itself."""
        code = textwrap.dedent(body)
        if "async def run(" not in code:
            code = f"async def run(args, ctx):\n{textwrap.indent(code, '    ')}\n"
        tool = PythonTool(name=name, description="", input_schema={"type": "object"}, code=code, timeout=timeout)
        return self._services.runner(tool, Databases())

    async def call(self, body: str, arguments: dict[str, Any] | None = None, context: Context | None = None, **options: Any) -> ToolAnswer:
        return await self.tool(body, **options).run(arguments or {}, context)

    @property
    def log(self) -> str:
        return "\n".join(f"{level} {text}" for level, text in self.lines)


@asynccontextmanager
async def serving(folder: Path, **options: Any) -> AsyncIterator[Server]:
    server = Server(folder, **options)
    try:
        yield server
    finally:
        await server.pool.close()
        await server.upstreams.close()
