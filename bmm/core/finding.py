"""What the checks say about a spec, about code or about a prompt."""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

Level = Literal["block", "ask", "note"]


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One remark. `block`: nothing is built with it; `ask`: a person should look at it; `note`: good to know.

    `id` is stable, such as `code.import`; `place` is the JSON pointer (RFC 6901) into the spec, `""` for the whole, and `line` the
    line where it points at text. Neither `message` nor `fix` ever holds the value of a credential.
    """

    level: Level
    id: str
    message: str
    fix: str = ""
    place: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """One line, whatever the spec put into it."""
        at = f"{self.place or '/'}{f' line {self.line}' if self.line else ''}"
        said = f"{self.level}: {at}: {self.message}{f' ({self.fix})' if self.fix else ''} [{self.id}]"
        return "".join(each if each.isprintable() else " " for each in said)


def blocks(findings: Iterable[Finding]) -> list[Finding]:
    """Those that keep a spec from being built."""
    return [each for each in findings if each.level == "block"]
