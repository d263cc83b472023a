"""Servers' secrets, sealed."""

from datetime import datetime

from msgspec import Struct

from bmm.ids import text
from bmm.store.db import Query, Statement


class SealedSecret(Struct, frozen=True, kw_only=True):
    key: str
    organisation_id: str
    sealed: bytes
    updated_at: datetime


class DataKey(Struct, frozen=True, kw_only=True):
    data_key: bytes


def of_server(server_id: str) -> Query[SealedSecret]:
    return Query(
        "SELECT key, organisation_id, sealed, updated_at FROM secrets WHERE server_id = :id ORDER BY key", {"id": server_id}, SealedSecret
    )


def data_key(organisation_id: str) -> Query[DataKey]:
    return Query("SELECT data_key FROM organisations WHERE id = :id", {"id": organisation_id}, DataKey)


def put(server_id: str, secret: SealedSecret) -> Statement:
    return Statement(
        """
        INSERT INTO secrets (server_id, key, organisation_id, sealed, updated_at) VALUES (:server_id, :key, :organisation_id, :sealed, :now)
        ON CONFLICT (server_id, key) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at
        """,
        {
            "server_id": server_id,
            "key": secret.key,
            "organisation_id": secret.organisation_id,
            "sealed": secret.sealed,
            "now": text(secret.updated_at),
        },
    )


def remove(server_id: str, key: str) -> Statement:
    return Statement("DELETE FROM secrets WHERE server_id = :id AND key = :key", {"id": server_id, "key": key}, expect=1)


def remove_all(server_id: str) -> Statement:
    return Statement("DELETE FROM secrets WHERE server_id = :id", {"id": server_id})
