"""What the checks say about a spec, about code or about a prompt."""

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from msgspec import Struct

Level = Literal["block", "ask", "note"]
_MOST_SAID = 4


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

    @property
    def where(self) -> str:
        return f"{self.place or '/'}{f' line {self.line}' if self.line else ''}"

    def __str__(self) -> str:
        """One line, whatever the spec put into it."""
        said = f"{self.level}: {self.where}: {self.message}{f' ({self.fix})' if self.fix else ''} [{self.id}]"
        return "".join(each if each.isprintable() else " " for each in said)


def blocks(findings: Iterable[Finding]) -> list[Finding]:
    """Those that keep a spec from being built."""
    return [each for each in findings if each.level == "block"]


def by_weight(findings: Iterable[Finding]) -> list[Finding]:
    """Blocks first, notes last."""
    return sorted(findings, key=lambda each: get_args(Level).index(each.level))


def in_a_line(findings: Sequence[Finding], rest: str = "") -> str:
    """The first of them with how they are mended, as the end of a sentence; `rest` says where the others are."""
    said = [f"{each.where}: {each.message} {each.fix}".strip() for each in findings[:_MOST_SAID]]
    more = [f"and {len(findings) - _MOST_SAID} more{rest}"] if len(findings) > _MOST_SAID else []
    return " · ".join([*said, *more])
