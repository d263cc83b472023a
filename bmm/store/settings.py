"""What an owner may change of a server while it runs, and what strangers see of public ones."""

from datetime import datetime

from bmm.core.access import Name
from bmm.core.settings import Listed, ServerSettings
from bmm.ids import text
from bmm.store.db import Query, Statement

ORIGINS = "(SELECT json_group_array(origin) FROM (SELECT origin FROM origins WHERE server_id = s.id ORDER BY origin))"
_LISTED = """
    SELECT s.slug, s.name, s.version, coalesce(json_extract(b.spec, '$.description'), '') AS description
    FROM servers s
    JOIN versions v ON v.server_id = s.id AND v.number = s.version
    JOIN builds b ON b.id = v.build_id
    WHERE s.deleted_at IS NULL
"""


def of_server(server_id: str) -> Query[ServerSettings]:
    return Query(
        f"SELECT s.calls_per_minute, s.public, {ORIGINS} AS origins_json FROM servers s WHERE s.id = :id", {"id": server_id}, ServerSettings
    )


def set_calls_per_minute(server_id: str, per_minute: int | None, now: datetime) -> Statement:
    return Statement(
        "UPDATE servers SET calls_per_minute = :per_minute, updated_at = :now WHERE id = :id AND deleted_at IS NULL",
        {"id": server_id, "per_minute": per_minute, "now": text(now)},
        expect=1,
    )


def set_public(server_id: str, now: datetime, *, public: bool) -> Statement:
    return Statement(
        "UPDATE servers SET public = :public, updated_at = :now WHERE id = :id AND deleted_at IS NULL",
        {"id": server_id, "public": public, "now": text(now)},
        expect=1,
    )


def allow_origin(server_id: str, origin: str, now: datetime) -> Statement:
    return Statement(
        """
        INSERT INTO origins (server_id, origin, created_at)
        SELECT id, :origin, :now FROM servers WHERE id = :id AND deleted_at IS NULL
        """,
        {"id": server_id, "origin": origin, "now": text(now)},
        expect=1,
    )


def forget_origin(server_id: str, origin: str) -> Statement:
    return Statement("DELETE FROM origins WHERE server_id = :id AND origin = :origin", {"id": server_id, "origin": origin}, expect=1)


def allowed_somewhere(origin: str) -> Query[Name]:
    """The origin itself, if any server that exists allows it."""
    return Query(
        """
        SELECT o.origin AS value FROM origins o JOIN servers s ON s.id = o.server_id
        WHERE o.origin = :origin AND s.deleted_at IS NULL LIMIT 1
        """,
        {"origin": origin},
        Name,
    )


def listed(server_id: str) -> Query[Listed]:
    """A server as it would present itself, public or not; none before its first version."""
    return Query(f"{_LISTED} AND s.id = :id", {"id": server_id}, Listed)


def public_by_slug(slug: str) -> Query[Listed]:
    return Query(f"{_LISTED} AND s.public AND s.slug = :slug", {"slug": slug}, Listed)


def all_public() -> Query[Listed]:
    return Query(f"{_LISTED} AND s.public ORDER BY s.slug", {}, Listed)
