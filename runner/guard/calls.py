"""A tool call from the check of its scopes to the line that counts it."""

import asyncio
import time
import traceback
from collections.abc import Callable, Mapping

from runner.guard.challenge import Challenge
from runner.guard.events import EventLog
from runner.guard.token import Caller
from runner.protocol.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, Reply, error_reply, result_reply
from runner.protocol.tools import ToolCall, encoded_result, promise_of
from runner.tools.registry import RegisteredTool, SchemaUnusable
from runner.tools.result import ToolAnswer, failed

MAX_AT_ONCE = 64
_RETRY_SOON = ((b"retry-after", b"1"),)

Outcome = tuple[Reply | None, str | None]
"""What to send (nothing to a client that has gone) and the code under which the call is counted (None: it went well)."""


class Calls:
    """Runs the tools of one server and counts what came of every call."""

    def __init__(self, tools: Mapping[str, RegisteredTool], *, events: EventLog, challenge: Challenge, modern_start: bytes) -> None:
        self._tools, self._events, self._challenge = tools, events, challenge
        self._start = {True: modern_start, False: b"{"}
        self._running: set[asyncio.Task[object]] = set()
        self._interrupted = False

    @property
    def running(self) -> int:
        return len(self._running)

    async def run(self, call: ToolCall, *, caller: Caller | None, gone: Callable[[], bool]) -> Reply | None:
        """Answer a call. `caller` is None on the private socket, where nothing is counted and every scope is granted."""
        at, clock = time.time(), time.perf_counter()
        reply, error = await self._outcome(call, caller, gone)
        if caller is not None:
            self._events.call(
                tool=call.name,
                started=at,
                ms=(time.perf_counter() - clock) * 1000,
                error=error,
                subject=caller.subject,
                client=caller.client,
                grant=caller.grant,
            )
        return reply

    def interrupt(self) -> None:
        """End what still runs, with an answer that says so."""
        self._interrupted = True
        for task in self._running:
            task.cancel()

    async def _outcome(self, call: ToolCall, caller: Caller | None, gone: Callable[[], bool]) -> Outcome:
        tool = self._tools.get(call.name)
        if tool is None:
            status = 400 if call.modern else 200
            return error_reply(call.id, INVALID_PARAMS, f"Unknown tool: {call.name[:100]}", status=status), "unknown_tool"
        if caller is not None and not tool.scopes <= caller.scopes:
            return self._challenge.insufficient(tool.tool.scopes), "insufficient_scope"
        if len(self._running) >= MAX_AT_ONCE:
            text = f"This server is running {MAX_AT_ONCE} calls already. Try again in a second."
            return error_reply(call.id, INTERNAL_ERROR, text, status=503, headers=_RETRY_SOON), "busy"
        if gone():
            return None, "client_gone"
        answer = await self._answer(tool, call)
        result = encoded_result(answer, start=self._start[call.modern], promise=promise_of(tool.tool, modern=call.modern))
        return result_reply(call.id, result), answer.error_code or ("failed" if answer.is_error else None)

    async def _answer(self, tool: RegisteredTool, call: ToolCall) -> ToolAnswer:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            if problems := tool.problems(call.arguments):
                return failed("invalid_arguments", "These arguments do not fit the tool:\n- " + "\n- ".join(problems))
            return await tool.runner.run(call.arguments)
        except asyncio.CancelledError:
            if not self._interrupted:
                raise
            task.uncancel()
            return failed("interrupted", "The server was stopped while the tool ran. It may have acted; check before you repeat a change.")
        except SchemaUnusable as error:
            self._events.log("error", f"the schema of tool {tool.tool.name} cannot be used: {error}", at=time.time(), tool=tool.tool.name)
            return failed("schema_unusable", "The schema of this tool cannot be used, so it cannot be called until its owner corrects it.")
        except Exception as error:
            self._events.log("error", f"tool {tool.tool.name} failed unexpectedly: {where(error)}", at=time.time(), tool=tool.tool.name)
            return failed(
                "internal_error", "The tool failed inside the server; its owner can see it in the log. Other arguments rarely help."
            )
        finally:
            self._running.discard(task)


def where(error: BaseException) -> str:
    """The type of an error and the line it came from. Its text stays out: it may hold arguments or secrets."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else type(error).__name__
