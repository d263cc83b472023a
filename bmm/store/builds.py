"""Builds and their events."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from bmm.core.build import Build, BuildEvent, BuildStatus
from bmm.core.finding import Finding
from bmm.ids import text
from bmm.store.db import Query, Statement

_BUILD = "id, organisation_id, server_id, spec, status, attempt, bundle, version, replaces, error_code, error, created_at, finished_at, draft_id, findings"


def insert(build: Build, *, created_by: str) -> Statement:
    return Statement(
        """
        INSERT INTO builds (id, organisation_id, server_id, spec, status, created_by, created_at, draft_id)
        VALUES (:id, :organisation_id, :server_id, :spec, 'queued', :created_by, :created_at, :draft_id)
        """,
        {
            "id": build.id,
            "organisation_id": build.organisation_id,
            "server_id": build.server_id,
            "spec": build.spec,
            "created_by": created_by,
            "created_at": text(build.created_at),
            "draft_id": build.draft_id,
        },
    )


def by_id(build_id: str) -> Query[Build]:
    return Query(f"SELECT {_BUILD} FROM builds WHERE id = :id", {"id": build_id}, Build)


def unfinished() -> Query[Build]:
    return Query(f"SELECT {_BUILD} FROM builds WHERE finished_at IS NULL ORDER BY created_at", {}, Build)


def under_way(draft_id: str) -> Query[Build]:
    return Query(f"SELECT {_BUILD} FROM builds WHERE draft_id = :id AND finished_at IS NULL", {"id": draft_id}, Build)


def waiting(now: datetime) -> Query[Build]:
    """Builds that nobody works on: their message was lost, or whoever had them did not come to an end."""
    return Query(
        f"""
        SELECT {_BUILD} FROM builds
        WHERE finished_at IS NULL AND (lease_until IS NULL OR lease_until < :now) ORDER BY created_at
        """,
        {"now": text(now)},
        Build,
    )


def claim(build_id: str, *, now: datetime, until: datetime) -> Statement:
    """Take the build for one worker; another that holds it keeps it until its lease ends."""
    return Statement(
        """
        UPDATE builds SET lease_until = :until, attempt = attempt + 1
        WHERE id = :id AND finished_at IS NULL AND (lease_until IS NULL OR lease_until < :now)
        """,
        {"id": build_id, "now": text(now), "until": text(until)},
        expect=1,
    )


def release_all() -> Statement:
    """At start: whoever held a lease is gone, since only one `bmm serve` has the data folder."""
    return Statement("UPDATE builds SET lease_until = NULL WHERE finished_at IS NULL", {})


def enter(build_id: str, status: BuildStatus) -> Statement:
    return Statement(
        "UPDATE builds SET status = :status WHERE id = :id AND finished_at IS NULL", {"id": build_id, "status": status}, expect=1
    )


def checked(build_id: str, findings: Sequence[Finding]) -> Statement:
    return Statement("UPDATE builds SET findings = :findings WHERE id = :id", {"id": build_id, "findings": msgspec.json.encode(findings).decode()})


def bundled(build_id: str, bundle: str) -> Statement:
    return Statement(
        "UPDATE builds SET bundle = :bundle WHERE id = :id AND finished_at IS NULL", {"id": build_id, "bundle": bundle}, expect=1
    )


def published_as(build_id: str, version: int, *, replaces: int | None) -> Statement:
    """`replaces` is the version that was wanted until now; it is wanted again if the new one cannot start."""
    return Statement(
        "UPDATE builds SET version = :version, replaces = :replaces WHERE id = :id AND version IS NULL",
        {"id": build_id, "version": version, "replaces": replaces},
        expect=1,
    )


def finish_live(build_id: str, now: datetime) -> Statement:
    return Statement(
        "UPDATE builds SET status = 'live', finished_at = :now, lease_until = NULL WHERE id = :id AND finished_at IS NULL",
        {"id": build_id, "now": text(now)},
        expect=1,
    )


def finish_failed(build_id: str, *, code: str, error: str, now: datetime) -> Statement:
    return Statement(
        """
        UPDATE builds SET status = 'failed', error_code = :code, error = :error, finished_at = :now, lease_until = NULL
        WHERE id = :id AND finished_at IS NULL
        """,
        {"id": build_id, "code": code, "error": error, "now": text(now)},
        expect=1,
    )


def tell(build_id: str, step: str, message: str, *, now: datetime, level: str = "info") -> Statement:
    return Statement(
        "INSERT INTO build_events (build_id, at, step, level, message) VALUES (:build_id, :at, :step, :level, :message)",
        {"build_id": build_id, "at": text(now), "step": step, "level": level, "message": message},
    )


def events_after(build_id: str, after: int) -> Query[BuildEvent]:
    return Query(
        "SELECT id, build_id, at, step, level, message FROM build_events WHERE build_id = :build_id AND id > :after ORDER BY id",
        {"build_id": build_id, "after": after},
        BuildEvent,
    )
