"""Prompts with what a good server for each must look like, and how far a spec is from it."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from bmm.core.draft import MOST_PROMPT
from bmm.core.outline import effect, kind_of
from bmm.errors import BadInput
from runner.contract import ServerSpec

BUILT_IN = Path(__file__).parent
Kind = Literal["http", "sql", "python"]


class Expected(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a spec must be like; what is not said may be anything. Names are globs.

    `kinds`: the kinds its tools may have. `hosts` and `secrets`: each must fit one that it has, and each that it has one of these.
    `destroys`: whether some tool destroys; `changes`: whether some tool changes or destroys. `tools`: how few and how many.
    `refused`: the error code with which there must be no spec at all.
    """

    kinds: tuple[Kind, ...] | None = None
    hosts: tuple[str, ...] | None = None
    secrets: tuple[str, ...] | None = None
    databases: tuple[Literal["postgresql", "mysql", "sqlite"], ...] | None = None
    destroys: bool | None = None
    changes: bool | None = None
    tools: tuple[int, int] | None = None
    refused: str | None = None


class Case(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One prompt."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
    prompt: Annotated[str, Meta(min_length=1, max_length=MOST_PROMPT)]
    expect: Expected = Expected()


def load(folder: Path) -> list[Case]:
    """The cases of all JSON files of a folder, each a list of them.

    Raises:
        BadInput: there is none, or a file is not as it should be; says which and where.
    """
    cases: list[Case] = []
    for file in sorted(folder.glob("*.json")):
        try:
            cases += msgspec.json.decode(file.read_bytes(), type=list[Case])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadInput(f"{file.name}: {error}") from error
    if not cases:
        raise BadInput(f"{folder} has no JSON files with prompts" if folder.is_dir() else f"There is no folder {folder}")
    names = [each.name for each in cases]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadInput(f"Two prompts are called {twice}")
    return cases


def deviations(spec: ServerSpec, expected: Expected) -> list[str]:
    """Where a spec is not as expected, a short sentence for each."""
    return list(_deviations(spec, expected))


def _deviations(spec: ServerSpec, expected: Expected) -> Iterator[str]:
    if expected.refused is not None:
        yield f"not refused with {expected.refused}"
        return
    kinds = {kind_of(tool) for tool in spec.tools}
    if expected.kinds is not None and (other := sorted(kinds - set(expected.kinds))):
        yield f"{', '.join(other)} tools instead of {' or '.join(expected.kinds)}"
    yield from _named("host", [host.name for host in spec.hosts], expected.hosts)
    yield from _named("secret", [need.key for need in spec.secrets], expected.secrets)
    databases = sorted({each.kind for each in spec.databases})
    if expected.databases is not None and databases != sorted(expected.databases):
        yield f"databases {', '.join(databases) or 'none'} instead of {', '.join(expected.databases) or 'none'}"
    effects = {effect(tool) for tool in spec.tools}
    if expected.destroys is not None and ("destroys" in effects) != expected.destroys:
        yield "no tool destroys" if expected.destroys else f"{_first(spec, 'destroys')} destroys"
    if expected.changes is not None and bool(effects - {"reads"}) != expected.changes:
        yield "all tools only read" if expected.changes else f"{_first(spec, 'changes') or _first(spec, 'destroys')} does more than read"
    if expected.tools is not None and not expected.tools[0] <= len(spec.tools) <= expected.tools[1]:
        yield f"{len(spec.tools)} tools instead of {expected.tools[0]} to {expected.tools[1]}"


def _named(what: str, found: list[str], wanted: tuple[str, ...] | None) -> Iterator[str]:
    if wanted is None:
        return
    for pattern in wanted:
        if not any(fnmatchcase(each, pattern) for each in found):
            yield f"no {what} {pattern}"
    for each in found:
        if not any(fnmatchcase(each, pattern) for pattern in wanted):
            yield f"an unexpected {what} {each}"


def _first(spec: ServerSpec, what: str) -> str:
    return next((tool.name for tool in spec.tools if effect(tool) == what), "")
