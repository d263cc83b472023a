"""What a call's outcome says of the tool: as promised, worth a note, or broken."""

import re
from typing import Any

from msgspec import Struct

from bmm.builds.contract.asking import Said, line_of
from bmm.builds.contract.promised import differences, unmet
from bmm.builds.contract.recorder import Received
from bmm.core.finding import Finding
from bmm.core.stand_in import stand_in, without_stand_ins
from bmm.core.trial import Case, Outcome
from runner.contract import HttpTool, PythonTool, ServerSpec, Tool

_ALWAYS = frozenset({"NameError", "UnboundLocalError", "SyntaxError", "IndentationError", "ImportError", "ModuleNotFoundError"})
"""Whatever an API answers, it cannot be the reason for these."""
_AT_ONCE = frozenset({"TypeError", "AttributeError"})
"""These can come of an answer that was made up, but not where nothing was asked."""
_WORDS = {"missing": "without a required one", "wrong_type": "one of a wrong type", "unknown": "one that it does not have"}


class Judged(Struct, frozen=True, kw_only=True):
    outcome: Outcome
    said: str = ""
    finding: Finding | None = None


_PROMISED = Judged(outcome="promised")


def judge_refused(tool: Tool, number: int, case: Case, said: Said, sent: tuple[Received, ...]) -> Judged:
    """Arguments that do not fit must be refused as such, before anything is sent."""
    if sent:
        message = f"{tool.name!r} sent a request although its arguments were wrong ({_WORDS[case]})."
        return _broken(
            "contract.refusal", f"/tools/{number}/input_schema", message, "Say in the input schema what is required, and of which type"
        )
    if said.code == "no_answer":
        return _note("contract.slow", f"/tools/{number}", f"{tool.name!r} did not answer in time when its arguments were wrong.")
    if said.code != "invalid_arguments":
        message = f"{tool.name!r} did not refuse arguments that its schema forbids ({_WORDS[case]}): {said.text[:200] or 'it answered'}"
        return _broken("contract.refusal", f"/tools/{number}/input_schema", message, "Correct the input schema")
    return _PROMISED


def judge_valid(
    spec: ServerSpec, tool: Tool, number: int, arguments: dict[str, Any], said: Said, sent: tuple[Received, ...], log: str
) -> Judged:
    """Arguments that fit must bring what the tool declares; `log` is what its owner reads of the call."""
    said = Said(code=said.code, text=without_stand_ins(said.text, [need.key for need in spec.secrets]))
    if isinstance(tool, HttpTool):
        return _http(spec, tool, f"/tools/{number}", arguments, said, sent)
    if isinstance(tool, PythonTool):
        return _python(tool, f"/tools/{number}", said, sent, log)
    if said.code is not None:
        return _note(
            "contract.query",
            f"/tools/{number}/query",
            f"The query of {tool.name!r} failed with arguments that were made up: {said.text[:300]}",
        )
    return _PROMISED


def _http(spec: ServerSpec, tool: HttpTool, place: str, arguments: dict[str, Any], said: Said, sent: tuple[Received, ...]) -> Judged:
    if said.code == "no_answer":
        return _note("contract.slow", place, f"{tool.name!r} did not answer in time.")
    if not sent:
        if lacking := unmet(tool):
            message = f"The request of {tool.name!r} needs {' and '.join(lacking)}, which its input schema does not have."
            return _broken(
                "contract.request", f"{place}/input_schema/properties", message, "Add it to the properties, and to the required ones"
            )
        if said.code == "invalid_arguments":
            return _note(
                "contract.arguments", f"{place}/input_schema", f"{tool.name!r} refused arguments that were made up: {said.text[:300]}"
            )
        message = f"{tool.name!r} sent nothing, with arguments that fit its schema: {said.text[:300]}"
        return _broken("contract.request", place, message, "Correct the request the tool declares")
    if len(sent) > 1:
        return _broken("contract.request", place, f"One call of {tool.name!r} sent {len(sent)} requests.", "A declared tool sends one")
    secrets = {need.key: stand_in(need.key) for need in spec.secrets}
    if different := differences(tool, arguments, secrets, sent[0]):
        message = f"The request of {tool.name!r} is not the one it declares: {'; '.join(different[:3])}."
        fix = "Correct the tool's path, parameters or body"
        return _broken("contract.request", place, without_stand_ins(message, secrets), fix)
    if said.code is not None:
        message = f"{tool.name!r} sent its request, but could not tell the answer: {said.text[:300]}"
        return _broken("contract.answer", f"{place}/output_schema", message, "Correct the output schema or the tool's answer")
    return _PROMISED


def _python(tool: PythonTool, place: str, said: Said, sent: tuple[Received, ...], log: str) -> Judged:
    code, line, last = f"{place}/code", line_of(log, tool.name), (log.strip().splitlines() or [""])[-1][:300]
    kind = found[1] if said.code == "tool_failed" and (found := re.match(r"The tool failed \((\w+)\)", said.text)) else ""
    fix = "Correct the code; `bmm dev` runs it on your machine"
    if said.code is None:
        return _PROMISED
    if said.code == "no_answer" or said.code == "timeout":
        message = f"{tool.name!r} was still running when its time in the trial was over."
        if sent:
            return _note("contract.slow", code, f"{message} It had sent {len(sent)} requests, whose answers were made up")
        return _broken("contract.hang", code, f"{message} It had asked for nothing.", "Let it return, or ask what it waits for", line)
    if said.code == "tool_broken":
        return _broken("contract.code", code, f"{tool.name!r} cannot run: {last or said.text[:300]}", fix, line)
    if said.code == "tool_failed" and (not kind or kind in _ALWAYS or (kind in _AT_ONCE and not sent)):
        what = f"failed at once: {last}" if kind else "ended its process or broke the rules of its sandbox"
        return _broken("contract.code" if kind else "contract.crash", code, f"{tool.name!r} {what}", fix, line)
    if said.code == "invalid_output" and not sent:
        message = (
            f"The answer of {tool.name!r} breaks its own output schema: {said.text.partition(':')[2].strip()[:300] or said.text[:300]}"
        )
        return _broken("contract.output", f"{place}/output_schema", message, "Correct the output schema, or what the code returns")
    why = "the answers it got were made up" if sent else "its arguments were made up"
    return _note("contract.failed", code, f"{tool.name!r} ended with an error, perhaps because {why}: {last or said.text[:300]}", line)


def _broken(finding_id: str, place: str, message: str, fix: str, line: int | None = None) -> Judged:
    return Judged(
        outcome="broken", said=message, finding=Finding(level="block", id=finding_id, place=place, message=message, fix=fix, line=line)
    )


def _note(finding_id: str, place: str, message: str, line: int | None = None) -> Judged:
    return Judged(outcome="note", said=message, finding=Finding(level="note", id=finding_id, place=place, message=message, line=line))
