"""Calls every tool of a candidate, with arguments that fit and with ones that do not, and judges what came of it."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bmm.builds.contract import asking
from bmm.builds.contract.asking import Said
from bmm.builds.contract.judge import Judged, judge_refused, judge_valid
from bmm.builds.contract.recorder import Received, Recorder, recording
from bmm.builds.contract.values import CannotMake, Schema
from bmm.core.finding import Finding, by_weight
from bmm.core.stand_in import without_stand_ins
from bmm.core.trial import Case, Sent, Trial, TriedCall
from bmm.errors import TrialFailed
from runner.contract import Entry, HttpTool, PythonTool, ServerSpec, SqlTool, Tool

MOST_TOOLS = 100
SECONDS = 8.0
"""For all calls of a trial."""
CALL_SECONDS = 3.0
_AT_ONCE, _NOTICED_SECONDS = 6, 0.5
_MOST_KEPT = 4000
_HEADERS = frozenset({"accept-encoding", "connection", "content-length", "host", "user-agent"})


class _Planned(Struct, frozen=True, kw_only=True):
    """A tool, the schema of its arguments, and what it is called with; `valid` is None where that was not to be made or is not tried."""

    number: int
    tool: Tool
    valid: dict[str, Any] | None
    wrong: tuple[tuple[Case, dict[str, Any]], ...]
    answer: bytes


def try_tools(spec: ServerSpec, *, private: Path, egress: Path, events: Path) -> Trial:
    """Call the tools of a candidate that answers on `private`. `egress` is the folder of its ways out, `events` its event file.

    Raises:
        TrialFailed: it stopped answering at all.
    """
    tools, tried = len(spec.tools), min(len(spec.tools), MOST_TOOLS)
    return asyncio.run(_Tries(spec, private, events).run(egress, [index * tools // tried for index in range(tried)]))


class _Tries:
    def __init__(self, spec: ServerSpec, private: Path, events: Path) -> None:
        self._spec, self._private, self._events = spec, private, events
        self._until = time.monotonic() + SECONDS
        # The first call of code has to start a worker: on a machine that is slow or busy that alone can take a call's time.
        self._code_has_run = False
        self._calls: dict[int, list[TriedCall]] = {}
        self._findings: list[Finding] = []

    async def run(self, egress: Path, chosen: list[int]) -> Trial:
        entries = [
            Entry(index=number, name=host.name, port=host.port, protocol=host.protocol) for number, host in enumerate(self._spec.hosts)
        ]
        async with recording(egress, entries) as recorder:
            plans = [self._plan(number) for number in chosen if self._has_time]
            await self._refusals(plans, recorder)
            for plan in plans:
                if plan.valid is not None and self._has_time:
                    await self._valid(plan, plan.valid, recorder)
        self._note_what_was_left_out(plans, [self._spec.tools[number] for number in chosen[len(plans) :]])
        calls = [call for plan in plans for call in self._calls.get(plan.number, [])]
        findings = by_weight(dict.fromkeys(self._findings))
        return Trial(tools=len(plans), of=len(self._spec.tools), calls=tuple(calls), findings=tuple(findings))

    @property
    def _has_time(self) -> bool:
        """For one more call, which may take all of its own."""
        return time.monotonic() + CALL_SECONDS <= self._until

    def _plan(self, number: int) -> _Planned:
        tool, schema = self._spec.tools[number], Schema(self._spec.tools[number].input_schema)
        paging = tool.answer.paging if isinstance(tool, HttpTool) else None
        valid: dict[str, Any] | None = None
        try:
            # What asks for a further page was given by the page before; it cannot be made up.
            valid = schema.value(frozenset({paging.argument} if paging is not None else ()))
        except CannotMake as error:
            message = f"No arguments could be made up for {tool.name!r}: {error}"
            fix = "Give the input schema examples that fit, so that the tool can be tried"
            self._findings.append(
                Finding(level="note", id="contract.arguments", place=f"/tools/{number}/input_schema", message=message, fix=fix)
            )
        wrong = tuple(schema.wrong(valid or {}))
        answer = self._answer(number, tool)
        return _Planned(number=number, tool=tool, valid=valid if self._is_run(tool) else None, wrong=wrong, answer=answer)

    def _is_run(self, tool: Tool) -> bool:
        """A query needs its database; only an uploaded file is there."""
        kinds = {database.name: database.kind for database in self._spec.databases}
        return not isinstance(tool, SqlTool) or (kinds.get(tool.database) == "sqlite" and tool.read_only)

    def _answer(self, number: int, tool: Tool) -> bytes:
        """What the recorder answers this tool: an example of its output, which an owner's own schema must fit."""
        if tool.output_schema is None:
            return b"{}"
        place, binds = f"/tools/{number}/output_schema", not isinstance(tool, HttpTool)
        try:
            schema = Schema(tool.output_schema)
            examples = tool.output_schema.get("examples")
            for example in examples if isinstance(examples, list) else []:
                if not schema.fits(example):
                    message = f"An example of the answer of {tool.name!r} does not fit its own schema: {schema.problem(example)}"
                    fix = "Correct the example or the schema"
                    self._findings.append(
                        Finding(level="block" if binds else "note", id="contract.example", place=place, message=message, fix=fix)
                    )
                    break
            return msgspec.json.encode(schema.value())
        except ValueError:  # CannotMake too, and a schema of an API that is none
            return b"{}"

    async def _refusals(self, plans: list[_Planned], recorder: Recorder) -> None:
        """All at once; if anything was sent, one by one, to see by whom."""
        work = [(plan, case, arguments) for plan in plans for case, arguments in plan.wrong]
        places = asyncio.Semaphore(_AT_ONCE)

        async def refused(plan: _Planned, case: Case, arguments: dict[str, Any]) -> tuple[Said, float]:
            async with places:
                return await self._ask(plan.tool, arguments)

        answers = await asyncio.gather(*(refused(*each) for each in work))
        alone = bool(recorder.taken())
        for (plan, case, arguments), (said, ms) in zip(work, answers, strict=True):
            if alone:
                said, ms = await self._ask(plan.tool, arguments)
            sent = recorder.taken()
            self._keep(plan, case, arguments, judge_refused(plan.tool, plan.number, case, said, sent), sent, ms)

    async def _valid(self, plan: _Planned, arguments: dict[str, Any], recorder: Recorder) -> None:
        recorder.taken()
        recorder.answer = plan.answer
        size = self._events.stat().st_size if self._events.exists() else 0
        said, ms = await self._ask(plan.tool, arguments)
        if said.code == "no_answer":
            # Until the guard has noticed that nobody waits; what it still sends is not the next tool's.
            await asyncio.sleep(_NOTICED_SECONDS)
        sent = recorder.taken()
        if isinstance(plan.tool, PythonTool):
            first, self._code_has_run = not self._code_has_run, True
            if first and said.code == "no_answer" and not sent and self._has_time:
                return await self._valid(plan, arguments, recorder)
        log = asking.logged(self._events, size, plan.tool.name) if said.code is not None else ""
        judged = judge_valid(self._spec, plan.tool, plan.number, arguments, said, sent, log)
        self._keep(plan, "valid", arguments, judged, sent, ms)
        return None

    async def _ask(self, tool: Tool, arguments: dict[str, Any]) -> tuple[Said, float]:
        begun = time.monotonic()
        seconds = max(min(CALL_SECONDS, self._until - begun), 0.1)
        try:
            said = await asyncio.to_thread(asking.call, self._private, tool, arguments, seconds)
        except asking.NoAnswer as error:
            raise TrialFailed(f"The candidate stopped answering when {tool.name!r} was called: {error}") from error
        return said, (time.monotonic() - begun) * 1000

    def _keep(self, plan: _Planned, case: Case, arguments: dict[str, Any], judged: Judged, sent: tuple[Received, ...], ms: float) -> None:
        if judged.finding is not None:
            self._findings.append(judged.finding)
        kept = arguments if len(msgspec.json.encode(arguments)) <= _MOST_KEPT else None
        call = TriedCall(
            tool=plan.tool.name, case=case, arguments=kept, outcome=judged.outcome, said=judged.said, ms=round(ms, 1),
            sent=tuple(_shown(self._spec, each) for each in sent[:5]),
        )  # fmt: skip
        calls = self._calls.setdefault(plan.number, [])
        calls.insert(0, call) if case == "valid" else calls.append(call)

    def _was_valid(self, number: int) -> bool:
        return any(each.case == "valid" for each in self._calls.get(number, []))

    def _note_what_was_left_out(self, plans: list[_Planned], unplanned: list[Tool]) -> None:
        queries = [plan.tool for plan in plans if isinstance(plan.tool, SqlTool) and plan.valid is None]
        if queries:
            names = ", ".join(sorted({each.database for each in queries}))
            message = f"A trial does not reach {names}: of {_tools(len(queries))} only the refusals were tried."
            self._findings.append(Finding(level="note", id="contract.database", place="/databases", message=message))
        late = [plan.tool for plan in plans if plan.valid is not None and not self._was_valid(plan.number)] + unplanned
        if late:
            names = ", ".join(each.name for each in late[:5])
            message = f"{_tools(len(late))} could not be tried in the {SECONDS:.0f} seconds a trial has: {names}"
            self._findings.append(Finding(level="note", id="contract.time", place="/tools", message=message))


def _shown(spec: ServerSpec, request: Received) -> Sent:
    """A request as it is kept: without values of secrets, and not longer than is of use."""
    plain = any((host.name, host.port, host.plain) == (request.host, request.port, True) for host in spec.hosts)
    try:
        body = request.body.decode()
    except UnicodeDecodeError:
        body = f"({len(request.body)} bytes)"
    scheme = "http" if plain else "https"
    url = f"{scheme}://{request.header('host') or request.host}{request.target}"
    keys = [need.key for need in spec.secrets]
    headers = {name: without_stand_ins(value, keys)[:500] for name, value in request.headers if name not in _HEADERS}
    kept = without_stand_ins(body, keys)
    return Sent(method=request.method, url=without_stand_ins(url, keys)[:2000], headers=headers, body=kept[:2000] if kept else None)


def _tools(number: int) -> str:
    return f"{number} tool{'s' if number != 1 else ''}"


def lines(trial: Trial, most: int = 20) -> Iterator[str]:
    """A line per problem."""
    yield from (str(each) for each in trial.findings[:most])
    if len(trial.findings) > most:
        yield f"and {len(trial.findings) - most} more; `bmm deploy --json` has them all"
