"""What the containers reported: calls and log lines, and how far each event file has been read."""

from bmm.core.call import Call, LogLine
from bmm.store.db import Query, Statement
from runner.contract import CallEvent, LogEvent


def insert_call(event: CallEvent, *, organisation_id: str, server_id: str) -> Statement:
    """Ids come from the guard, so a line read twice counts once."""
    return Statement(
        """
        INSERT OR IGNORE INTO calls (id, organisation_id, server_id, version, at, tool, ok, ms, error, subject, client, grant_id)
        VALUES (:id, :organisation_id, :server_id, :version, :at, :tool, :ok, :ms, :error, :subject, :client, :grant_id)
        """,
        {
            "id": event.id,
            "organisation_id": organisation_id,
            "server_id": server_id,
            "version": event.version,
            "at": event.at,
            "tool": event.tool,
            "ok": event.ok,
            "ms": event.ms,
            "error": event.error,
            "subject": event.subject,
            "client": event.client,
            "grant_id": event.grant,
        },
    )


def insert_log(event: LogEvent, *, server_id: str, version: int) -> Statement:
    return Statement(
        "INSERT INTO logs (server_id, version, at, level, tool, message) VALUES (:server_id, :version, :at, :level, :tool, :message)",
        {"server_id": server_id, "version": version, "at": event.at, "level": event.level, "tool": event.tool, "message": event.message},
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
