"""What a source has to say about a description besides the spec it made of it."""

from typing import Literal

from msgspec import Struct

from bmm.errors import BadInput
from runner.contract import ServerSpec

Level = Literal["error", "warning", "note"]


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


class Compiled(Struct, frozen=True, kw_only=True):
    """What every source returns."""

    spec: ServerSpec
    findings: tuple[Finding, ...] = ()


class UnusableDocument(BadInput):
    """No spec can be made. The sentence names the line (syntax) or the pointer (content); `findings` came up on the way."""

    code = "unusable_document"

    def __init__(
        self, user_message: str, *, pointer: str | None = None, line: int | None = None, findings: tuple[Finding, ...] = ()
    ) -> None:
        message = user_message if line is None else f"{user_message} (line {line})"
        super().__init__(one_line(message), pointer=None if pointer is None else one_line(pointer))
        self.line, self.findings = line, findings
