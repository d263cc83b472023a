"""A tool call from the check of its scopes to the line that counts it, and prompts that need the person."""

import asyncio
import math
import time
import traceback
from collections.abc import Mapping

import msgspec

from runner.guard.asking import Asking
from runner.guard.challenge import Challenge
from runner.guard.context import CallContext
from runner.guard.events import EventLog
from runner.guard.exchange import Exchange, Watch
from runner.guard.limits import CALLS_AT_ONCE, OF_A_PERSON, Limits
from runner.guard.prompting import prompted
from runner.guard.sealed import StateRefused, StateTooLarge
from runner.guard.subscriptions import Subscriptions
from runner.guard.token import Caller
from runner.protocol.jsonrpc import ACCEPTED, INTERNAL_ERROR, INVALID_PARAMS, MISSING_CAPABILITY, Reply, RpcError, error_reply, result_reply
from runner.protocol.modern import Modern
from runner.protocol.offers import Offers
from runner.protocol.requests import Cancelled, PromptGet, ToolCall
from runner.protocol.search import ToolSearch
from runner.protocol.tools import encoded_result, promise_of
from runner.tools import confirm
from runner.tools.context import InputNeeded, NotCapable, Unanswered
from runner.tools.registry import RegisteredTool, SchemaUnusable
from runner.tools.result import ToolAnswer, failed

MAX_AT_ONCE = 64
# Of the bodies of calls that run: what is made of one takes several times its size. Small ones are never refused for large ones.
MAX_RUNNING_BYTES, SMALL = 32 * 1024 * 1024, 64 * 1024
MAX_RESULT_BYTES = 4 * 1024 * 1024
RATE_LIMITED = "rate_limited"
_RETRY_SOON = ((b"retry-after", b"1"),)

Outcome = tuple[Reply | None, str | None]
"""What to send (nothing to a client that has gone) and the code under which the call is counted (None: it went well)."""


class Calls:
    """Runs what one server offers and counts what came of every call."""

    def __init__(
        self,
        tools: Mapping[str, RegisteredTool],
        *,
        search: ToolSearch,
        offers: Offers,
        modern: Modern,
        events: EventLog,
        challenge: Challenge,
        limits: Limits,
        asking: Asking,
        subscriptions: Subscriptions,
        keep_alive: float,
    ) -> None:
        """`search` adds its own tools to those of the spec."""
        self._tools, self._search, self._offers, self._modern = {**tools, **search.tools}, search, offers, modern
        self._events, self._challenge, self._limits = events, challenge, limits
        self._asking, self._subscriptions = asking, subscriptions
        self._start = {True: modern.complete, False: b"{"}
        self.open: set[CallContext] = set()
        self.watch = Watch(self.open, subscriptions.listeners, keep_alive=keep_alive)
        self._interrupted = False
        self._told_at = 0.0
        self._running_bytes = 0

    @property
    def running(self) -> int:
        return len(self.open)

    async def run(self, call: ToolCall, *, caller: Caller | None, address: str, exchange: Exchange) -> Reply | None:
        """Answer a call. `caller` is None on the private socket, where nothing is counted and every scope is granted."""
        call = self._search.resolved(call)
        at, clock = time.time(), time.perf_counter()
        reply, error = await self._outcome(call, caller, address, exchange)
        if caller is None:
            return _with_outcome(reply, error)
        if not (error == RATE_LIMITED and at - self._told_at < 1.0):
            # A flood of refused calls would be one of lines: one in a second says enough.
            self._told_at = at if error == RATE_LIMITED else self._told_at
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

    async def prompt(self, get: PromptGet, *, caller: Caller | None, address: str, exchange: Exchange) -> Reply | None:
        """Make a prompt for which the person may be asked."""
        if refusal := self._full(get, caller, exchange):
            return refusal
        context = CallContext(get, caller, address, exchange, self._asking, self._subscriptions)
        self._opened(context)
        try:
            inner = await self._prompted(get, context)
            return result_reply(get.id, b"%b%b}" % (self._start[get.modern], inner))
        except RpcError as error:
            return error_reply(get.id, error.code, error.message, status=error.status if get.modern else 200)
        except (InputNeeded, NotCapable, StateRefused, StateTooLarge) as error:
            return self._asked_back(context, error)
        except asyncio.CancelledError:
            return self._cut(context)
        finally:
            self._closed(context)

    def cancel(self, cancelled: Cancelled, *, caller: Caller | None, address: str) -> None:
        """`notifications/cancelled`: without sessions, whose it is follows from grant, address and id, if they fit one run only."""
        grant = caller.grant if caller is not None else ""
        fitting = [
            each
            for each in self.open
            if not each.call.modern and each.call.id == cancelled.request_id and each.grant == grant and each.address == address
        ]
        if len(fitting) == 1:
            fitting[0].cancel()

    def interrupt(self) -> None:
        """End what still runs, with an answer that says so."""
        self._interrupted = True
        for context in self.open:
            if context.task is not None:
                context.task.cancel()

    async def _outcome(self, call: ToolCall, caller: Caller | None, address: str, exchange: Exchange) -> Outcome:
        if caller is not None and (wait := self._limits.admit(grant=caller.grant, address=address, now=time.monotonic())) is not None:
            return _slow_down(call, wait), RATE_LIMITED
        tool = self._tools.get(call.name)
        if tool is None:
            status = 400 if call.modern else 200
            return error_reply(call.id, INVALID_PARAMS, f"Unknown tool: {call.name[:100]}", status=status), "unknown_tool"
        if caller is not None and not tool.scopes <= caller.scopes:
            return self._challenge.insufficient(tool.tool.scopes), "insufficient_scope"
        if exchange.gone():
            return None, "client_gone"
        if refusal := self._full(call, caller, exchange):
            return refusal, "busy"
        context = CallContext(call, caller, address, exchange, self._asking, self._subscriptions)
        try:
            answer = await self._answer(tool, context)
        except (InputNeeded, NotCapable, StateRefused, StateTooLarge) as error:
            code = None if isinstance(error, InputNeeded) else "not_capable" if isinstance(error, NotCapable) else "invalid_state"
            return self._asked_back(context, error), code
        except asyncio.CancelledError:
            return self._cut(context), "cancelled"
        result = encoded_result(answer, start=self._start[call.modern], promise=promise_of(tool.tool, modern=call.modern))
        if len(result) > MAX_RESULT_BYTES:
            answer = _too_much(len(result))
            result = encoded_result(answer, start=self._start[call.modern])
        return result_reply(call.id, result), answer.error_code or ("failed" if answer.is_error else None)

    async def _answer(self, tool: RegisteredTool, context: CallContext) -> ToolAnswer:
        self._opened(context)
        try:
            return await self._run(tool, context)
        except asyncio.CancelledError:
            if context.cancelled or not self._interrupted:
                raise
            _uncancelled()
            return failed("interrupted", "The server was stopped while the tool ran. It may have acted; check before you repeat a change.")
        except (InputNeeded, StateRefused, StateTooLarge):
            raise
        except NotCapable as error:
            if context.call.modern:
                raise
            needed = " and ".join(sorted(error.needed))
            return failed("not_capable", f"This tool needs {needed}, which this client does not offer. Use a client that does.")
        except Unanswered as error:
            return failed("unanswered", str(error))
        except SchemaUnusable as error:
            self._events.log("error", f"the schema of tool {tool.tool.name} cannot be used: {error}", at=time.time(), tool=tool.tool.name)
            return failed("schema_unusable", "The schema of this tool cannot be used, so it cannot be called until its owner corrects it.")
        except Exception as error:
            self._events.log("error", f"tool {tool.tool.name} failed unexpectedly: {where(error)}", at=time.time(), tool=tool.tool.name)
            return failed(
                "internal_error", "The tool failed inside the server; its owner can see it in the log. Other arguments rarely help."
            )
        finally:
            self._closed(context)

    async def _run(self, tool: RegisteredTool, context: CallContext) -> ToolAnswer:
        call = context.call
        assert isinstance(call, ToolCall)
        context.check_state()
        arguments, said = call.arguments, False
        if tool.confirm is not None:
            arguments = {name: value for name, value in arguments.items() if name != tool.confirm}
            said = call.arguments.get(tool.confirm) is True
        if problems := tool.problems(arguments):
            return failed("invalid_arguments", "These arguments do not fit the tool:\n- " + "\n- ".join(problems))
        if tool.confirm is not None:
            if context.can("elicitation"):
                answers = await context.ask({confirm.KEY: confirm.question(tool.tool, arguments)})
                if not confirm.agreed(answers[confirm.KEY]):
                    return confirm.declined()
            elif not said:
                return confirm.unconfirmed(tool.confirm)
        answer = await tool.runner.run(arguments, context)
        if tool.binds and not answer.is_error and (problems := tool.output_problems(answer.structured)):
            return failed("invalid_output", "The tool gave an answer that breaks its own output schema:\n- " + "\n- ".join(problems))
        return answer

    async def _prompted(self, get: PromptGet, context: CallContext) -> bytes:
        context.check_state()
        return await prompted(self._offers, get, context)

    def _opened(self, context: CallContext) -> None:
        """It counts as running from here on, and its client may end it, until `_closed`."""
        context.task = context.exchange.task
        self.open.add(context)
        self.watch.wake()

    def _closed(self, context: CallContext) -> None:
        self.open.discard(context)
        self._running_bytes -= context.exchange.size
        self._limits.leave(context.grant, context.person)

    def _asked_back(self, context: CallContext, error: Exception) -> Reply:
        """The answer to a request that cannot be finished as it is."""
        call = context.call
        if isinstance(error, InputNeeded):
            try:
                return result_reply(call.id, self._modern.input_required(error.questions, context.sealed()))
            except StateTooLarge as too_large:
                error = too_large
        if isinstance(error, NotCapable):
            names = " and ".join(sorted(error.needed))
            data: dict[str, dict[str, dict[str, str]]] = {"requiredCapabilities": {name: {} for name in sorted(error.needed)}}
            text = f"This needs {names}, which the client has not declared."
            return error_reply(call.id, MISSING_CAPABILITY, text, status=400, data=data)
        if isinstance(error, StateRefused):
            return error_reply(call.id, INVALID_PARAMS, f"The requestState {error.reason}.", status=400)
        return error_reply(call.id, INVALID_PARAMS, "The answers are too large to be carried from request to request.", status=400)

    def _cut(self, context: CallContext) -> Reply | None:
        """What follows a cancellation: nothing, as the protocol wants it. A client that still waits for a document gets an empty 202."""
        if not (context.cancelled or self._interrupted):
            raise asyncio.CancelledError
        _uncancelled()
        if context.cancelled:
            return None if context.call.modern else ACCEPTED
        return error_reply(context.call.id, INTERNAL_ERROR, "The server was stopped. Try again.", status=503, headers=_RETRY_SOON)

    def _full(self, call: ToolCall | PromptGet, caller: Caller | None, exchange: Exchange) -> Reply | None:
        """Take a place, or say why there is none."""
        if len(self.open) >= MAX_AT_ONCE:
            text = f"This server is running {MAX_AT_ONCE} calls already. Try again in a second."
        elif exchange.size > SMALL and self._running_bytes + exchange.size > MAX_RUNNING_BYTES:
            text = "The calls that are running are too large for another one of this size. Try again in a second."
        elif not self._limits.enter(*(("", "") if caller is None else (caller.grant, caller.subject))):
            most = f"{CALLS_AT_ONCE} calls of this grant, or {OF_A_PERSON} of this person"
            text = f"{most}, are running already. Try again when one has ended."
            return error_reply(call.id, INTERNAL_ERROR, text, status=429, headers=_RETRY_SOON)
        else:
            self._running_bytes += exchange.size
            return None
        return error_reply(call.id, INTERNAL_ERROR, text, status=503, headers=_RETRY_SOON)


def _with_outcome(reply: Reply | None, error: str | None) -> Reply | None:
    """For the control plane, which tries a candidate and counts nothing: under which code this call would be counted."""
    if reply is None or error is None:
        return reply
    return msgspec.structs.replace(reply, headers=(*reply.headers, (b"bmm-outcome", error.encode("ascii", "replace"))))


def where(error: BaseException) -> str:
    """The type of an error and the line it came from. Its text stays out: it may hold arguments or secrets."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else type(error).__name__


def _uncancelled() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


def _slow_down(call: ToolCall, wait: float) -> Reply:
    seconds = math.ceil(wait)
    text = f"Too many calls in a minute. Try again in {seconds} s."
    return error_reply(call.id, INTERNAL_ERROR, text, status=429, headers=((b"retry-after", b"%d" % seconds),))


def _too_much(size: int) -> ToolAnswer:
    limit, found = MAX_RESULT_BYTES // 1024**2, size / 1024**2
    return failed(
        "result_too_large",
        f"The answer has {found:.1f} MiB; at most {limit} MiB are sent. Ask for less: a smaller page, fewer fields or a filter.",
    )
