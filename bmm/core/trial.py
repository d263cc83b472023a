"""What was tried with a candidate before it went live, and what came of it."""

from typing import Any, Literal

from msgspec import Struct

from bmm.core.finding import Finding

Case = Literal["valid", "missing", "wrong_type", "unknown"]
"""Arguments that fit the schema; without a required one; with a value of a wrong type; with one that the schema does not know."""
Outcome = Literal["promised", "note", "broken"]


class Sent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request that the recorder got. `<KEY>` stands where the value of a secret would be."""

    method: str
    url: str
    headers: dict[str, str] = {}
    body: str | None = None


class TriedCall(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call. `said` is what was not as promised; `arguments` is None where they are too long to keep."""

    tool: str
    case: Case
    arguments: dict[str, Any] | None
    outcome: Outcome
    ms: float
    sent: tuple[Sent, ...] = ()
    said: str = ""


class Trial(Struct, frozen=True, kw_only=True):
    """All calls of one trial: of how many tools, `of` how many there are."""

    tools: int
    of: int
    calls: tuple[TriedCall, ...]
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        """`20 tools tried: 40 calls, 38 as promised, 2 notes`."""
        promised, broken = (sum(call.outcome == outcome for call in self.calls) for outcome in ("promised", "broken"))
        notes = sum(each.level == "note" for each in self.findings)
        parts = [_counted(len(self.calls), "call"), f"{promised} as promised", _counted(notes, "note")]
        if broken:
            parts.append(f"{broken} broken")
        chosen = "" if self.tools == self.of else f" of {self.of}"
        return f"{self.tools}{chosen} tool{'s' if self.of != 1 else ''} tried: {', '.join(parts)}"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number != 1 else ''}"
