"""The code of tools, read in a process that holds nothing, can open nothing and ends with its answer."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

import bmm
from bmm.checks.secrets import hits, in_pieces
from bmm.core.finding import Finding
from bmm.errors import EngineFailed

CANNOT_RUN = frozenset({"code.syntax", "code.run", "code.unreadable"})
"""Findings about code that no worker could call, whatever it does."""
_SECONDS = 60.0
_MOST_DEATHS = 8
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from bmm.checks.reader.main import main; main()"


class Said(Struct, frozen=True, array_like=True):
    """As `bmm.checks.reader.grammar` has it."""

    level: Literal["block", "ask", "note"]
    id: str
    line: int
    message: str
    fix: str


class Uses(Struct, frozen=True):
    """What code asks of `ctx`, as far as it is written in it; the last of each tuple is the line."""

    hosts: tuple[tuple[str, str, int], ...] = ()
    """Scheme and host with its port."""
    methods: tuple[tuple[str, int], ...] = ()
    secrets: tuple[tuple[str, int], ...] = ()
    databases: tuple[tuple[str, int], ...] = ()
    writes: tuple[int, ...] = ()
    opaque: bool = False


class Reading(Struct, frozen=True):
    """What one module says. `uses` is None where it could not be read."""

    said: tuple[Said, ...]
    uses: Uses | None = None
    literals: str = ""
    """All texts of the code, one after the other."""


_NOT_READ = Reading(
    said=(
        Said("block", "code.unreadable", 1, "It takes too long or too much memory to be read.", "Write it shorter and with less nesting."),
    )
)


def readings(codes: Sequence[str]) -> list[Reading]:
    """What each module says, in their order. What ends the process is to blame for it; the rest is read by another.

    Raises:
        EngineFailed: no process could be started.
    """
    found: list[Reading] = []
    deaths, end = 0, time.monotonic() + _SECONDS
    while len(found) < len(codes):
        if deaths == _MOST_DEATHS or time.monotonic() > end:
            return found + [_NOT_READ] * (len(codes) - len(found))
        answers = _read(codes[len(found) :], end - time.monotonic())
        found += answers
        if len(found) < len(codes):
            found.append(_NOT_READ)
            deaths += 1
    return found


def _read(codes: Sequence[str], seconds: float) -> list[Reading]:
    line = [sys.executable, "-I", "-S", "-B", "-c", _PROGRAM, str(Path(bmm.__file__).parent.parent)]
    asked = b"".join(msgspec.json.encode(code) + b"\n" for code in codes)
    try:
        said: bytes | None = subprocess.run(line, input=asked, capture_output=True, timeout=max(seconds, 1), check=False, env={}).stdout
    except subprocess.TimeoutExpired as error:
        said = error.stdout
    except OSError as error:
        raise EngineFailed(f"The code of the tools could not be read: {error.strerror}") from error
    whole = (said or b"").rpartition(b"\n")[0]
    return [msgspec.json.decode(each, type=Reading) for each in whole.split(b"\n")] if whole else []


def findings_of(reading: Reading, code: str, place: str) -> list[Finding]:
    """What is to be said about one module, its secrets included."""
    said = [
        Finding(level=each.level, id=each.id, line=each.line, place=place, message=each.message, fix=each.fix.rstrip("."))
        for each in reading.said
    ]
    found = hits(code, code=True) or [hit._replace(line=1) for hit in in_pieces(reading.literals)]
    for hit in found:
        message = f"The code holds what looks like {hit.kind}."
        fix = 'Take it out, declare a secret and read it by `await ctx.secret("KEY")`'
        said.append(Finding(level="block", id="secret.in_code", line=hit.line, place=place, message=message, fix=fix))
    return said


def check_code(code: str, place: str = "") -> list[Finding]:
    """What there is to say about one module with `async def run(args, ctx)`; it is parsed in a process of its own, never run.

    Raises:
        EngineFailed: no process could be started.
    """
    (reading,) = readings([code])
    return findings_of(reading, code, place)
