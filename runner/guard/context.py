"""What a running tool sees of the client that called it, and what the guard knows of the run."""

import asyncio
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from runner.guard.exchange import Exchange
from runner.guard.token import Caller
from runner.protocol.jsonrpc import encode
from runner.protocol.requests import LEVELS, Kind, PromptGet, ToolCall, answers, kind_of, kinds_of
from runner.tools.context import Capability, InputNeeded, Level, NotCapable, Question, Unanswered

if TYPE_CHECKING:
    from runner.guard.asking import Asking
    from runner.guard.subscriptions import Subscriptions


class CallContext:
    """One run. `grant` is empty on the private socket."""

    __slots__ = ("_answers", "_asking", "_kinds", "_progress", "_subscriptions", "address", "call", "caller", "cancelled", "exchange", "task")

    def __init__(
        self, call: ToolCall | PromptGet, caller: Caller | None, address: str, exchange: Exchange, asking: "Asking", subscriptions: "Subscriptions"
    ) -> None:
        self.call, self.caller, self.address, self.exchange = call, caller, address, exchange
        self._asking, self._subscriptions = asking, subscriptions
        self._answers: dict[str, dict[str, Any]] | None = None
        self._kinds: frozenset[Kind] | None = None
        self._progress = -math.inf
        self.cancelled = False
        self.task: asyncio.Task[Any] | None = None

    @property
    def grant(self) -> str:
        return self.caller.grant if self.caller is not None else ""

    @property
    def person(self) -> str:
        return self.caller.subject if self.caller is not None else ""

    @property
    def principal(self) -> str:
        caller = self.caller
        return "private" if caller is None else f"{caller.subject}\n{caller.client}\n{caller.grant}"

    # runner.tools.context.Context

    @property
    def modern(self) -> bool:
        return self.call.modern

    def can(self, capability: Capability) -> bool:
        return ("form" if capability == "elicitation" else capability) in self._known_kinds()

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        token = self.call.progress
        if token is None or not progress > self._progress or not math.isfinite(progress):
            return
        self._progress = progress
        params: dict[str, Any] = {"progressToken": token, "progress": progress}
        if total is not None and math.isfinite(total):
            params["total"] = total
        if message is not None:
            params["message"] = message
        await self._notify("notifications/progress", params)

    async def log(self, level: Level, data: object, logger: str | None = None) -> None:
        wanted = self.call.level if self.call.modern else self._asking.level_of(self.grant)
        if wanted is None or LEVELS.index(level) < LEVELS.index(wanted):
            return
        named = {} if logger is None else {"logger": logger}
        await self._notify("notifications/message", {"level": level, **named, "data": data})

    async def ask(self, questions: Mapping[str, Question]) -> dict[str, dict[str, Any]]:
        given = self.answers()
        if needed := {key: question for key, question in questions.items() if not _fits(question, given.get(key, {}))}:
            known = self._known_kinds()
            if lacking := frozenset(question.needs for question in needed.values() if kind_of(question) not in known):
                raise NotCapable(lacking)
            if self.call.modern:
                raise InputNeeded(needed)
            found = await self._asking.ask(self.exchange, self.grant, needed)
            if not all(_fits(needed[key], result) for key, result in found.items()):
                raise Unanswered("The client was asked and sent something that is no answer.")
            given |= found
        return {key: given[key] for key in questions}

    def changed(self, what: Literal["tools", "prompts", "resources"]) -> None:
        self._subscriptions.changed(what)

    def updated(self, uri: str) -> None:
        self._subscriptions.updated(uri)

    # What the guard asks.

    def answers(self) -> dict[str, dict[str, Any]]:
        """What the client has answered so far: in earlier rounds, and with this request.

        Raises:
            StateRefused: the state that came with it counts for nothing.
        """
        if self._answers is None:
            self._answers = {}
            if self.call.state is not None:
                self._answers |= self._asking.opened(self.call.state, self.principal, self.call.digest(), now=time.time())
            self._answers |= self.call.responses or {}
        return self._answers

    def check_state(self) -> None:
        """Refuse a state that counts for nothing even where nobody is asked.

        Raises:
            StateRefused: it was altered, say.
        """
        if self.call.state is not None:
            self.answers()

    def sealed(self) -> str:
        """The answers so far, for the client to bring back.

        Raises:
            StateTooLarge: they are too much to carry.
        """
        return self._asking.sealed(self.answers(), self.principal, self.call.digest(), now=time.time())

    def client_left(self) -> None:
        # Before 2026-07-28 a client that hangs up has cancelled nothing (2025-11-25, Streamable HTTP); only answers will not come.
        if self.call.modern:
            self.cancel()
        else:
            self._asking.abandon(self.exchange)

    def still_welcome(self) -> bool:
        return True

    def cancel(self) -> None:
        """End the run; nothing is sent for it any more."""
        if not self.cancelled and self.task is not None:
            self.cancelled = True
            self.task.cancel()

    def _known_kinds(self) -> frozenset[Kind]:
        if self._kinds is None:
            if self.call.modern:
                self._kinds = kinds_of(self.call.capabilities)
            else:
                self._kinds = self._asking.kinds(self.grant) if self.exchange.takes_stream else frozenset()
        return self._kinds

    async def _notify(self, method: str, params: dict[str, Any]) -> None:
        await self.exchange.notify(encode({"jsonrpc": "2.0", "method": method, "params": params}))


def _fits(question: Question, answer: dict[str, Any]) -> bool:
    """Whether it is an answer to the question; what a person filled in must be what the form asked for."""
    if not answers(question, answer):
        return False
    schema = question.params.get("requestedSchema")
    if schema is None or answer.get("action") != "accept":
        return True
    from runner.tools.arguments import Checker

    return not Checker(schema).problems(answer.get("content", {}))
