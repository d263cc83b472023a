"""A build: the way of a spec to a live version, and its states."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class BuildStatus(StrEnum):
    QUEUED = "queued"
    CHECKING = "checking"
    BUNDLING = "bundling"
    TRIAL = "trial"
    PUBLISHING = "publishing"
    LIVE = "live"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        return self in (BuildStatus.LIVE, BuildStatus.FAILED)


class Build(Struct, frozen=True, kw_only=True):
    """A row of `builds`. `spec` is canonical JSON; `replaces` the version wanted before it; `error` a sentence for a person;
    `findings` JSON of what the checks said."""

    id: str
    organisation_id: str
    server_id: str
    spec: str
    status: BuildStatus
    attempt: int
    bundle: str | None
    version: int | None
    replaces: int | None
    error_code: str | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None
    draft_id: str | None = None
    findings: str = "[]"


class BuildEvent(Struct, frozen=True, kw_only=True):
    """One line of a build's story; ids increase, so a reader resumes after the last it saw."""

    id: int
    build_id: str
    at: datetime
    step: str
    level: str
    message: str
