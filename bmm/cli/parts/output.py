"""How commands print: JSON for programs, a plain table for people."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec


def as_json(value: object) -> None:
    """The value as indented JSON on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Columns as wide as their widest cell; `empty` is said where there are no rows."""
    if not rows:
        print(empty)
        return
    rows = [[tame(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
    for row in (headings, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def tame(text: str) -> str:
    """What clients and servers wrote, such that it cannot move the reader's cursor or colour the terminal."""
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)


def tame_lines(text: str) -> str:
    """The same for a text of several lines, which stay."""
    return "\n".join(map(tame, text.splitlines()))


def count(number: int, word: str) -> str:
    """`1 tool`, `2 tools`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, in the largest whole unit: "5 s", "3 min", "2 h", "4 d"."""
    seconds = int(((now or datetime.now(UTC)) - moment).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"
