"""Servers, versions and containers."""

from datetime import datetime

from msgspec import Struct

from bmm.core.server import Container, Overview, Server, Version
from bmm.ids import text
from bmm.store.db import Query, Statement

_SERVER = "id, organisation_id, slug, name, status, version, uid_block, created_at, updated_at"


class Number(Struct, frozen=True, kw_only=True):
    value: int | None


class Owner(Struct, frozen=True, kw_only=True):
    organisation_id: str


def by_slug(organisation_id: str, slug: str) -> Query[Server]:
    return Query(
        f"SELECT {_SERVER} FROM servers WHERE organisation_id = :organisation_id AND slug = :slug AND deleted_at IS NULL",
        {"organisation_id": organisation_id, "slug": slug},
        Server,
    )


def by_id(server_id: str) -> Query[Server]:
    return Query(f"SELECT {_SERVER} FROM servers WHERE id = :id", {"id": server_id}, Server)


def holding_slug(slug: str) -> Query[Owner]:
    """Whose the slug is: the server that has it, or the last one that had it."""
    return Query(
        "SELECT organisation_id FROM servers WHERE slug = :slug ORDER BY deleted_at IS NULL DESC, deleted_at DESC LIMIT 1",
        {"slug": slug},
        Owner,
    )


def by_address(slug: str) -> Query[Server]:
    """Whose address the slug is now, whatever the organisation."""
    return Query(f"SELECT {_SERVER} FROM servers WHERE slug = :slug AND deleted_at IS NULL", {"slug": slug}, Server)


def existing() -> Query[Server]:
    return Query(f"SELECT {_SERVER} FROM servers WHERE deleted_at IS NULL ORDER BY slug", {}, Server)


def overview(organisation_id: str, since: datetime) -> Query[Overview]:
    return Query(
        """
        SELECT s.id, s.slug, s.name, s.status, s.version, s.public, s.updated_at,
               (SELECT count(*) FROM calls c WHERE c.server_id = s.id AND c.at >= :since) AS calls_24h,
               (SELECT count(*) FROM calls c WHERE c.server_id = s.id AND c.at >= :since AND NOT c.ok) AS failed_24h
        FROM servers s
        WHERE s.organisation_id = :organisation_id AND s.deleted_at IS NULL
        ORDER BY s.slug
        """,
        {"organisation_id": organisation_id, "since": text(since)},
        Overview,
    )


def free_uid_block() -> Query[Number]:
    """The lowest block no existing server has. A deleted server's block is free once its row says so."""
    return Query(
        """
        SELECT min(candidate) AS value FROM (
            SELECT 0 AS candidate UNION ALL SELECT uid_block + 1 FROM servers WHERE deleted_at IS NULL
        ) WHERE candidate NOT IN (SELECT uid_block FROM servers WHERE deleted_at IS NULL)
        """,
        {},
        Number,
    )


def insert(server: Server) -> Statement:
    return Statement(
        """
        INSERT INTO servers (id, organisation_id, slug, name, status, version, uid_block, created_at, updated_at)
        VALUES (:id, :organisation_id, :slug, :name, :status, :version, :uid_block, :created_at, :updated_at)
        """,
        {
            "id": server.id,
            "organisation_id": server.organisation_id,
            "slug": server.slug,
            "name": server.name,
            "status": server.status,
            "version": server.version,
            "uid_block": server.uid_block,
            "created_at": text(server.created_at),
            "updated_at": text(server.updated_at),
        },
    )


def run_version(server_id: str, number: int, *, name: str, now: datetime) -> Statement:
    """From now on this version should run."""
    return Statement(
        "UPDATE servers SET version = :number, status = 'live', name = :name, updated_at = :now WHERE id = :id AND deleted_at IS NULL",
        {"id": server_id, "number": number, "name": name, "now": text(now)},
        expect=1,
    )


def run_none(server_id: str, now: datetime) -> Statement:
    """The first version could not start: nothing should run."""
    return Statement(
        "UPDATE servers SET version = NULL, status = 'failed', updated_at = :now WHERE id = :id AND deleted_at IS NULL",
        {"id": server_id, "now": text(now)},
    )


def mark_deleted(server_id: str, now: datetime) -> Statement:
    return Statement(
        "UPDATE servers SET status = 'deleted', deleted_at = :now, updated_at = :now WHERE id = :id AND deleted_at IS NULL",
        {"id": server_id, "now": text(now)},
        expect=1,
    )


def version(server_id: str, number: int) -> Query[Version]:
    return Query(
        "SELECT server_id, number, bundle, build_id, created_at FROM versions WHERE server_id = :id AND number = :number",
        {"id": server_id, "number": number},
        Version,
    )


def versions(server_id: str) -> Query[Version]:
    return Query(
        "SELECT server_id, number, bundle, build_id, created_at FROM versions WHERE server_id = :id ORDER BY number DESC",
        {"id": server_id},
        Version,
    )


def last_version(server_id: str) -> Query[Number]:
    return Query("SELECT max(number) AS value FROM versions WHERE server_id = :id", {"id": server_id}, Number)


def insert_version(version: Version) -> Statement:
    return Statement(
        "INSERT INTO versions (server_id, number, bundle, build_id, created_at) VALUES (:server_id, :number, :bundle, :build_id, :now)",
        {
            "server_id": version.server_id,
            "number": version.number,
            "bundle": version.bundle,
            "build_id": version.build_id,
            "now": text(version.created_at),
        },
    )


def open_containers() -> Query[Container]:
    """Containers whose event file has not been read to its end."""
    return Query(
        "SELECT id, server_id, version, event_file, event_offset, started_at FROM containers WHERE ended_at IS NULL ORDER BY started_at",
        {},
        Container,
    )


def insert_container(container: Container) -> Statement:
    return Statement(
        """
        INSERT INTO containers (id, server_id, version, event_file, event_offset, started_at)
        VALUES (:id, :server_id, :version, :event_file, 0, :started_at)
        """,
        {
            "id": container.id,
            "server_id": container.server_id,
            "version": container.version,
            "event_file": container.event_file,
            "started_at": text(container.started_at),
        },
    )


def end_container(container_id: str, now: datetime) -> Statement:
    return Statement("UPDATE containers SET ended_at = :now WHERE id = :id AND ended_at IS NULL", {"id": container_id, "now": text(now)})


def last_live_before(server_id: str, number: int) -> Query[Number]:
    """The newest older version whose build ended live."""
    return Query(
        """
        SELECT max(v.number) AS value FROM versions v JOIN builds b ON b.id = v.build_id
        WHERE v.server_id = :id AND v.number < :number AND b.status = 'live'
        """,
        {"id": server_id, "number": number},
        Number,
    )
