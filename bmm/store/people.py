"""Organisations, users, memberships, sign-in links and sessions."""

from datetime import datetime

from msgspec import Struct

from bmm.core.access import Name
from bmm.core.person import Link
from bmm.ids import text
from bmm.store.db import Query, Statement


class SessionUser(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    email: str | None


def first_organisation() -> Query[Name]:
    return Query("SELECT id AS value FROM organisations ORDER BY created_at, id LIMIT 1", {}, Name)


def first_owner() -> Query[Name]:
    return Query("SELECT user_id AS value FROM memberships WHERE role = 'owner' ORDER BY created_at, user_id LIMIT 1", {}, Name)


def organisations_of(user_id: str) -> Query[Name]:
    return Query(
        "SELECT organisation_id AS value FROM memberships WHERE user_id = :user_id ORDER BY organisation_id",
        {"user_id": user_id},
        Name,
    )


def insert_organisation(organisation_id: str, name: str, *, data_key: bytes, now: datetime) -> Statement:
    return Statement(
        "INSERT INTO organisations (id, name, data_key, created_at) VALUES (:id, :name, :data_key, :now)",
        {"id": organisation_id, "name": name, "data_key": data_key, "now": text(now)},
    )


def insert_user(user_id: str, name: str, *, now: datetime) -> Statement:
    return Statement(
        "INSERT INTO users (id, email, name, created_at) VALUES (:id, NULL, :name, :now)",
        {"id": user_id, "name": name, "now": text(now)},
    )


def insert_membership(*, organisation_id: str, user_id: str, role: str, now: datetime) -> Statement:
    return Statement(
        "INSERT INTO memberships (organisation_id, user_id, role, created_at) VALUES (:organisation_id, :user_id, :role, :now)",
        {"organisation_id": organisation_id, "user_id": user_id, "role": role, "now": text(now)},
    )


def link(hash_: str) -> Query[Link]:
    return Query("SELECT user_id, expires_at, used_at FROM sign_in_links WHERE hash = :hash", {"hash": hash_}, Link)


def insert_link(hash_: str, *, user_id: str | None, now: datetime, expires_at: datetime) -> Statement:
    return Statement(
        "INSERT INTO sign_in_links (hash, user_id, created_at, expires_at) VALUES (:hash, :user_id, :now, :expires_at)",
        {"hash": hash_, "user_id": user_id, "now": text(now), "expires_at": text(expires_at)},
    )


def use_link(hash_: str, now: datetime) -> Statement:
    return Statement(
        "UPDATE sign_in_links SET used_at = :now WHERE hash = :hash AND used_at IS NULL AND expires_at > :now",
        {"hash": hash_, "now": text(now)},
        expect=1,
    )


def signed_in(session_hash: str, now: datetime) -> Query[SessionUser]:
    return Query(
        """
        SELECT u.id, u.name, u.email
        FROM sessions s JOIN users u ON u.id = s.user_id
        WHERE s.hash = :hash AND s.ended_at IS NULL AND s.expires_at > :now
        """,
        {"hash": session_hash, "now": text(now)},
        SessionUser,
    )


def insert_session(hash_: str, *, user_id: str, now: datetime, expires_at: datetime) -> Statement:
    return Statement(
        "INSERT INTO sessions (hash, user_id, created_at, expires_at) VALUES (:hash, :user_id, :now, :expires_at)",
        {"hash": hash_, "user_id": user_id, "now": text(now), "expires_at": text(expires_at)},
    )


def end_session(hash_: str, now: datetime) -> Statement:
    return Statement("UPDATE sessions SET ended_at = :now WHERE hash = :hash AND ended_at IS NULL", {"hash": hash_, "now": text(now)})


def forget_expired(now: datetime) -> list[Statement]:
    """Rows that can no longer let anybody in."""
    moment = {"now": text(now)}
    return [
        Statement("DELETE FROM sign_in_links WHERE expires_at <= :now", moment),
        Statement("DELETE FROM sessions WHERE expires_at <= :now", moment),
    ]
