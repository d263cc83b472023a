"""A draft: the way of a sentence or a source to a spec that a person confirms; its rounds with a model, and its events."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

MOST_REPAIRS = 2
MOST_PROMPT = 20_000
REPAIRABLE = ("model_answer_invalid", "model_prose")
"""Codes of answers that the model can be asked to correct; every other failed round is asked again as it was, or not at all."""
Source = Literal["prompt", "openapi", "database", "curl", "har", "template", "spec", "several"]
RoundKind = Literal["draft", "iterate", "curate", "repair"]


class DraftStatus(StrEnum):
    QUEUED = "queued"
    DRAFTING = "drafting"
    READY = "ready"
    FAILED = "failed"
    BUILT = "built"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in (DraftStatus.QUEUED, DraftStatus.DRAFTING)


class Draft(Struct, frozen=True, kw_only=True):
    """A row of `drafts`. `ask_model`: whether a model may be asked.

    `base_version`: what `iterate` began from; `base` that spec, or what a source gave before the model curated it. `suggestion` is the spec to
    confirm; `findings` JSON of what is to be said about it; `build_id` the latest build that came of it.
    """

    id: str
    organisation_id: str
    slug: str | None
    base_version: int | None
    source: Source
    ask_model: bool
    prompt: str
    status: DraftStatus
    base: str | None
    suggestion: str | None
    findings: str
    error_code: str | None
    error: str | None
    build_id: str | None
    attempt: int
    created_at: datetime
    finished_at: datetime | None


class Round(Struct, frozen=True, kw_only=True):
    """One question to a model: planned, then asked, then answered.

    `said`: what a person wants of it, or the findings to repair, a line each; `subject`: the spec it is about, as text. `asked_at` is on
    disk before the request leaves, so that nothing is paid twice by accident. `cost` is in micro-USD: until it is answered, the most that it can
    be. `error` says why the answer is no use.
    """

    draft_id: str
    number: int
    kind: RoundKind
    said: str
    subject: str | None = None
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    model: str | None = None
    prompt_version: str | None = None
    digest: str | None = None
    answer: str | None = None
    """As it was received."""
    document: str | None = None
    """The whole spec that the answer stands for, as JSON; None where it is none."""
    stop_reason: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    cost: int = 0
    ms: int = 0
    error_code: str | None = None
    error: str | None = None


class DraftEvent(Struct, frozen=True, kw_only=True):
    """One line of a draft's story; ids increase. `tool` is the JSON of a tool that the model has just written, at step `tool`."""

    id: int
    draft_id: str
    at: datetime
    step: str
    level: str
    message: str
    tool: str | None


class DatabaseWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A PostgreSQL, MySQL or MariaDB that the appliance itself is to read, with the options of `bmm compile database`.

    `trust` are certificates (PEM) of the authority that its own is from; `password` is for a URL without one. Prints without either.
    """

    url: Annotated[str, Meta(max_length=4000)]
    password: Annotated[str, Meta(max_length=4000)] = ""
    schemas: Annotated[tuple[str, ...], Meta(max_length=20)] = ()
    tables: Annotated[tuple[str, ...], Meta(max_length=200)] = ()
    writes: Annotated[tuple[str, ...], Meta(max_length=200)] = ()
    max_tables: Annotated[int, Meta(ge=1, le=200)] = 20
    trust: Annotated[str, Meta(max_length=512 * 1024)] = ""

    def __repr__(self) -> str:
        return "DatabaseWish(…)"


class Wish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a person asks for: a prompt, a spec that a source made, or both; `iterate` changes the live version of `slug`.

    `model`: whether a model may be asked; without it, only what a source gives counts. `beyond`: it may not only curate what the sources
    gave, but also add tools, hosts and code that they do not have. `database` is read beside what stands in the prompt. `unused`: what the spec's
    maker could not use, in sentences; they stay with the draft.
    """

    prompt: Annotated[str, Meta(max_length=MOST_PROMPT)] = ""
    slug: str | None = None
    source: Source = "prompt"
    spec: msgspec.Raw = msgspec.Raw()
    iterate: bool = False
    model: bool = True
    beyond: bool = False
    database: DatabaseWish | None = None
    unused: Annotated[tuple[Annotated[str, Meta(max_length=4000)], ...], Meta(max_length=100)] = ()


def repairs_left(rounds: list[Round]) -> int:
    """How often the model may still be asked to correct what it wrote, since it last began anew."""
    begun = max((index for index, each in enumerate(rounds) if each.kind != "repair"), default=0)
    counted = [each for each in rounds[begun:] if each.kind == "repair" and (each.error_code is None or each.error_code in REPAIRABLE)]
    return MOST_REPAIRS - len(counted)
