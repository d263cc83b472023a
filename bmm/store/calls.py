"""What the containers reported: calls and log lines, and how far each event file has been read."""

from collections.abc import Iterable

from bmm.core.call import Call, LogLine
from bmm.store.db import Query, Rows, Statement
from runner.contract import CallEvent, LogEvent


def insert_calls(events: Iterable[CallEvent], *, organisation_id: str, server_id: str) -> Rows:
    """Ids come from the guard, so a line read twice counts once."""
    return Rows(
        """
        INSERT OR IGNORE INTO calls (organisation_id, server_id, id, version, at, tool, ok, ms, error, subject, client, grant_id)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            (organisation_id, server_id, one.id, one.version, one.at, one.tool, one.ok, one.ms, one.error, one.subject, one.client, one.grant)
            for one in events
        ],
    )


def insert_logs(events: Iterable[LogEvent], *, server_id: str, version: int) -> Rows:
    return Rows(
        "INSERT INTO logs (server_id, version, at, level, tool, message) VALUES (?, ?, ?, ?, ?, ?)",
        [(server_id, version, one.at, one.level, one.tool, one.message) for one in events],
    )


def advance(container_id: str, *, start: int, end: int) -> Statement:
    """The file has been read from `start` to `end` bytes; two readers cannot both say so."""
    return Statement(
        "UPDATE containers SET event_offset = :end WHERE id = :id AND event_offset = :start",
        {"id": container_id, "start": start, "end": end},
        expect=1,
    )


def recent(server_id: str, limit: int) -> Query[Call]:
    return Query(
        """
        SELECT id, version, at, tool, ok, ms, error, subject, client FROM calls
        WHERE server_id = :id ORDER BY at DESC LIMIT :limit
        """,
        {"id": server_id, "limit": limit},
        Call,
    )


def lines_after(server_id: str, after: int, limit: int) -> Query[LogLine]:
    """The newest `limit` lines with a greater id, oldest first."""
    return Query(
        """
        SELECT * FROM (
            SELECT id, version, at, level, tool, message FROM logs WHERE server_id = :id AND id > :after ORDER BY id DESC LIMIT :limit
        ) ORDER BY id
        """,
        {"id": server_id, "after": after, "limit": limit},
        LogLine,
    )
