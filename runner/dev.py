"""`python -m runner dev`: a spec's tools called from a prompt, code in the same workers as in a container, requests straight from here."""

import argparse
import asyncio
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from runner.contract import Entry, ServerSpec, SpecError, decode_spec
from runner.tools.alone import Alone
from runner.tools.connection import Connection
from runner.tools.context import Capability, Level, NotCapable, Question, Unanswered
from runner.tools.destination import Destination, NotConnected
from runner.tools.http import Upstreams
from runner.tools.pool import Pool
from runner.tools.python import Services
from runner.tools.registry import KindNotRunnable, RegisteredTool, SchemaUnusable, registered
from runner.tools.result import ToolAnswer

HELP = 'TOOL {"argument": "value"} calls a tool, `tools` lists them, `quit` ends.'


class Here(Upstreams):
    """The hosts of a spec, reached from this machine without the egress gateway; `resolve` is `name:port` to address."""

    def __init__(self, entries: tuple[Entry, ...], resolve: Mapping[str, str]) -> None:
        super().__init__(entries, egress=Path("/"))
        self._resolve = resolve

    def _way_to(self, entry: Entry, socket: str, trust: Callable[[], ssl.SSLContext] | None) -> Destination:
        return Direct(entry, self._resolve.get(f"{entry.name}:{entry.port}", entry.name), trust)

    def way(self, name: str, port: int) -> str | None:
        """Databases are reached by relays of the appliance only."""
        return None


class Direct(Destination):
    """One place, dialled over TCP."""

    def __init__(self, entry: Entry, address: str, trust: Callable[[], ssl.SSLContext] | None) -> None:
        super().__init__(entry, "", trust)
        self._place = address, entry.port

    async def _opened(self) -> Connection:
        loop = asyncio.get_running_loop()
        host, port = self._place
        trust = None if self._trust is None else self._trust()
        try:
            _, connection = await loop.create_connection(Connection, host, port, ssl=trust, server_hostname=self._name if trust else None)
        except (OSError, socket.gaierror, ssl.CertificateError) as error:
            raise NotConnected from error
        return connection


class AtTerminal(Alone):
    """The person at the prompt is the client."""

    def can(self, capability: Capability) -> bool:
        return capability == "elicitation"

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        _say(f"progress {progress:g}{'' if total is None else f' of {total:g}'} {message or ''}".rstrip())

    async def log(self, level: Level, data: object, logger: str | None = None) -> None:
        """It stands in the owner's log, which is shown here as well."""

    async def ask(self, questions: Mapping[str, Question]) -> dict[str, dict[str, Any]]:
        answers: dict[str, dict[str, Any]] = {}
        for key, question in questions.items():
            if question.needs != "elicitation":
                raise NotCapable(frozenset({question.needs}))
            _say(f"{question.params.get('message', key)}\n{msgspec.json.encode(question.params.get('requestedSchema', {})).decode()}")
            line = await _line("accept with JSON, or decline: ")
            try:
                content = None if line in (None, "", "decline") else msgspec.json.decode(line or "", type=dict[str, Any])
            except msgspec.MsgspecError as error:
                raise Unanswered(f"The answer is not a JSON object: {error}") from None
            answers[key] = {"action": "decline"} if content is None else {"action": "accept", "content": content}
        return answers


class Dev:
    """The tools of a spec file, read again whenever it has changed."""

    def __init__(self, path: Path, secrets: Mapping[str, str], resolve: Mapping[str, str]) -> None:
        """Files of databases lie beside the spec, by their SHA-256."""
        self._path, self._secrets, self._resolve = path, secrets, resolve
        self._pool = Pool(size=2, log=lambda level, text: _say(f"{level}: {text}"))
        self._read_at = 0
        self._upstreams: Upstreams | None = None
        self.tools: dict[str, RegisteredTool] = {}

    async def look(self) -> None:
        """Use what the file says now; where that cannot be used, say why and go on with what was."""
        changed = self._path.stat().st_mtime_ns
        if changed == self._read_at:
            return
        again, self._read_at = self._read_at > 0, changed
        try:
            spec = decode_spec(self._path.read_bytes())
            upstreams = Here(_entries(spec), self._resolve)
            services = Services(spec, self._pool, upstreams=upstreams, secrets=self._secrets, log=_log)
            self.tools = registered(spec, secrets=self._secrets, upstreams=upstreams, files=self._path.parent, code=services)
        except (SpecError, KindNotRunnable) as error:
            _say(f"error: {error}")
            return
        if self._upstreams is not None:
            await self._upstreams.close()
        self._upstreams = upstreams
        if again:
            _say("(reloaded)")

    async def call(self, line: str) -> bool:
        """Run what was typed; whether it went well."""
        name, text = (*line.split(None, 1), "", "")[:2]
        await self.look()
        tool = self.tools.get(name)
        if tool is None:
            _say(f"There is no tool {name!r}. {HELP}")
            return False
        try:
            arguments = msgspec.json.decode(text or "{}", type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            _say(f"The arguments are not a JSON object: {error}")
            return False
        try:
            if problems := tool.problems(arguments):
                _say("These arguments do not fit the tool:\n- " + "\n- ".join(problems))
                return False
            answer = await tool.runner.run(arguments, AtTerminal())
            if tool.binds and not answer.is_error and (problems := tool.output_problems(answer.structured)):
                _say("error: this breaks the tool's own output schema:\n- " + "\n- ".join(problems))
                return False
        except NotCapable as error:
            _say(f"error: {error}")
            return False
        except SchemaUnusable as error:
            _say(f"error: a schema of {name} cannot be used; correct it: {error}")
            return False
        _show(answer)
        return not answer.is_error

    async def close(self) -> None:
        await self._pool.close()
        if self._upstreams is not None:
            await self._upstreams.close()


def main(argv: list[str]) -> int:
    """0 when the person is done or the one call went well; 1 when it did not; 2 when the file of secrets cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m runner dev", description="Secrets come from environment variables of the same name.")
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--secrets", type=Path)
    parser.add_argument("--resolve", action="append", default=[], metavar="NAME:PORT=ADDRESS")
    parser.add_argument("--call", metavar="LINE")
    args = parser.parse_args(argv)
    try:
        secrets = dict(os.environ) | (_secrets(args.secrets) if args.secrets else {})
    except (OSError, ValueError) as error:
        _say(f"error: {args.secrets} cannot be read: {getattr(error, 'strerror', None) or error}")
        return 2
    resolve = dict(pair.split("=", 1) for pair in args.resolve)
    return uvloop.run(_run(args.spec, secrets, resolve, args.call))


async def _run(path: Path, secrets: Mapping[str, str], resolve: Mapping[str, str], line: str | None) -> int:
    dev = Dev(path, secrets, resolve)
    try:
        await dev.look()
        if line is not None:
            return int(not await _ended_by_ctrl_c(dev.call(line)))
        _say(f"{_names(dev)}\n{HELP}")
        while (line := await _line("> ")) not in (None, "quit", "exit"):
            if line == "tools":
                await dev.look()
                _say(_names(dev))
            elif line:
                await _ended_by_ctrl_c(dev.call(line))
        return 0
    finally:
        await dev.close()


def _entries(spec: ServerSpec) -> tuple[Entry, ...]:
    return tuple(
        Entry(index=number, name=host.name, port=host.port, plain=host.plain, protocol=host.protocol) for number, host in enumerate(spec.hosts)
    )


def _secrets(path: Path) -> dict[str, str]:
    """Lines of `KEY=value`; empty ones and those that begin with # are left out. Raises ValueError, without a value in it."""
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        key, equals, value = line.partition("=")
        if line and not line.startswith("#"):
            if not equals:
                raise ValueError(f"line {number} is not KEY=value")
            found[key.strip()] = value.strip()
    return found


def _names(dev: Dev) -> str:
    return "\n".join(f"{name}  {tool.tool.description.splitlines()[0] if tool.tool.description else ''}" for name, tool in dev.tools.items())


def _show(answer: ToolAnswer) -> None:
    if answer.is_error:
        _say(f"error: {answer.text}")
    elif answer.structured is not None:
        print(msgspec.json.format(msgspec.json.encode(answer.structured), indent=2).decode(), flush=True)  # noqa: T201  a prompt
    elif answer.text is not None:
        print(answer.text, flush=True)  # noqa: T201
    for block in answer.blocks:
        shown = block.get("text") or {key: value for key, value in block.items() if key != "data"}
        print(shown, flush=True)  # noqa: T201
    if answer.note is not None:
        _say(f"note: {answer.note}")


async def _ended_by_ctrl_c(call: Coroutine[Any, Any, bool]) -> bool:
    """Whether it went well."""
    task = asyncio.ensure_future(call)
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        _say("\n(ended)")
        return False


async def _line(prompt: str) -> str | None:
    """What was typed; None at the end of it. Ctrl-C ends the process: nothing else ends `input`, and workers end with this process."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _leave)
    try:
        return (await asyncio.to_thread(input, prompt if sys.stdin.isatty() else "")).strip()
    except EOFError:
        return None


def _leave() -> None:
    _say("")
    os._exit(130)


def _log(level: str, text: str, tool: str) -> None:
    _say(f"{level} {tool}: {text}")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
