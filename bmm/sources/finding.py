"""What a source has to say about a description besides the spec it made of it."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct, field

from bmm.errors import BadInput
from bmm.sources.credentials import Credentials
from runner.contract import ServerSpec

Level = Literal["error", "warning", "note"]

MAX_ALIKE = 10
# What a message quotes, and the name or number it ends with.
_VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|\{[^{}]*\}|\b[0-9][0-9,]*\b|(?<=called )\S+")


def one_line(text: str) -> str:
    """Without line breaks, terminal controls and what cannot be encoded."""
    return "".join(each if each.isprintable() else " " for each in text)


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One remark. `error`: a part was skipped; `warning`: a part was repaired or may not work; `note`: good to know.

    `pointer` is the RFC 6901 place in the document, `fix` what its author or the caller can do.
    """

    level: Level
    pointer: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        """One line, whatever the document put into it."""
        place = f"{self.pointer}: " if self.pointer else ""
        return one_line(f"{self.level}: {place}{self.message}{f' ({self.fix})' if self.fix else ''}")


class Remarks:
    """Collects findings: each once, and of many that differ only in names the first `MAX_ALIKE`, then how many more there are."""

    def __init__(self) -> None:
        self._found: dict[Finding, None] = {}

    def error(self, pointer: str, message: str, fix: str = "") -> None:
        self._found[Finding(level="error", pointer=pointer, message=message, fix=fix)] = None

    def warn(self, pointer: str, message: str, fix: str = "") -> None:
        self._found[Finding(level="warning", pointer=pointer, message=message, fix=fix)] = None

    def note(self, pointer: str, message: str, fix: str = "") -> None:
        self._found[Finding(level="note", pointer=pointer, message=message, fix=fix)] = None

    def add(self, findings: Iterable[Finding]) -> None:
        self._found |= dict.fromkeys(findings)

    def all(self) -> tuple[Finding, ...]:
        """Every error, and the others up to the limit of each kind."""
        alike: Counter[tuple[Level, str]] = Counter()
        last: dict[tuple[Level, str], Finding] = {}
        shown: list[Finding] = []
        for each in self._found:
            kind = each.level, _VARYING.sub("…", each.message)
            alike[kind] += 1
            last[kind] = each
            if each.level == "error" or alike[kind] <= MAX_ALIKE:
                shown.append(each)
        for kind, count in alike.items():
            if kind[0] != "error" and count > MAX_ALIKE:
                message = f"{count - MAX_ALIKE} more like this: {last[kind].message}"
                shown.append(Finding(level=kind[0], pointer=last[kind].pointer, message=message, fix=last[kind].fix))
        return tuple(shown)


class Compiled(Struct, frozen=True, kw_only=True):
    """What every source returns. `seen` are values of credentials that stood in the description: to be offered as secrets, never to be written down."""

    spec: ServerSpec
    findings: tuple[Finding, ...] = ()
    seen: Credentials = field(default_factory=Credentials)


class UnusableDocument(BadInput):
    """No spec can be made. The sentence names the line (syntax) or the pointer (content); `findings` came up on the way."""

    code = "unusable_document"

    def __init__(
        self, user_message: str, *, pointer: str | None = None, line: int | None = None, findings: tuple[Finding, ...] = ()
    ) -> None:
        message = user_message if line is None else f"{user_message} (line {line})"
        super().__init__(one_line(message), pointer=None if pointer is None else one_line(pointer))
        self.line, self.findings = line, findings
