"""Clients, grants, codes, refresh tokens, signing keys, and a server as the thing they protect."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from bmm.core.access import ACCESS_LIFE, Client, CodeRow, Count, GrantRow, Name, Protected, RefreshRow
from bmm.ids import text
from bmm.store.db import Query, Statement
from bmm.store.settings import ORIGINS

UNUSED_CLIENT_LIFE = timedelta(days=30)
CLOCK_LEEWAY = timedelta(minutes=2)
"""Guards forgive a token this much of its age, so a revoked grant is listed that much longer."""

_PROTECTED = f"""
    SELECT s.id, s.organisation_id, s.slug, s.name, s.status, s.version, coalesce(json_extract(b.spec, '$.scopes'), '[]') AS scopes_json,
           {ORIGINS} AS origins_json
    FROM servers s
    LEFT JOIN versions v ON v.server_id = s.id AND v.number = s.version
    LEFT JOIN builds b ON b.id = v.build_id
"""
_CLIENT = "id, name, metadata, secret_hash, created_at"


class KeyRow(Struct, frozen=True, kw_only=True):
    """A signing key: `public` is its JWK, `sealed` the private one."""

    id: str
    public: str
    sealed: bytes
    created_at: datetime
    retired_at: datetime | None


def protected_by_slug(slug: str) -> Query[Protected]:
    return Query(f"{_PROTECTED} WHERE s.slug = :slug AND s.deleted_at IS NULL", {"slug": slug}, Protected)


def protected_by_id(server_id: str) -> Query[Protected]:
    return Query(f"{_PROTECTED} WHERE s.id = :id AND s.deleted_at IS NULL", {"id": server_id}, Protected)


def protected_for_member(user_id: str) -> Query[Protected]:
    """The deployed servers of all organisations a person belongs to; two are enough to know that there is a choice."""
    return Query(
        f"""
        {_PROTECTED}
        JOIN memberships m ON m.organisation_id = s.organisation_id AND m.user_id = :user_id
        WHERE s.deleted_at IS NULL AND s.version IS NOT NULL
        ORDER BY s.slug LIMIT 2
        """,
        {"user_id": user_id},
        Protected,
    )


def client(client_id: str) -> Query[Client]:
    return Query(f"SELECT {_CLIENT} FROM oauth_clients WHERE id = :id", {"id": client_id}, Client)


def client_by_fingerprint(fingerprint: str) -> Query[Client]:
    return Query(f"SELECT {_CLIENT} FROM oauth_clients WHERE fingerprint = :fingerprint LIMIT 1", {"fingerprint": fingerprint}, Client)


def clients_count() -> Query[Count]:
    return Query("SELECT count(*) AS value FROM oauth_clients", {}, Count)


def insert_client(one: Client, *, fingerprint: str | None) -> Statement:
    return Statement(
        """
        INSERT INTO oauth_clients (id, name, metadata, secret_hash, fingerprint, created_at)
        VALUES (:id, :name, :metadata, :secret_hash, :fingerprint, :created_at)
        """,
        {
            "id": one.id,
            "name": one.name,
            "metadata": one.metadata,
            "secret_hash": one.secret_hash,
            "fingerprint": fingerprint,
            "created_at": text(one.created_at),
        },
    )


def client_used(client_id: str, now: datetime) -> Statement:
    return Statement("UPDATE oauth_clients SET used_at = :now WHERE id = :id", {"id": client_id, "now": text(now)})


def forget_unused_clients(now: datetime) -> Statement:
    """Clients that never completed a grant within a month: Claude registers a new one on every fresh connection."""
    return Statement(
        "DELETE FROM oauth_clients WHERE used_at IS NULL AND created_at < :before",
        {"before": text(now - UNUSED_CLIENT_LIFE)},
    )


def forget_oldest_unused_clients(count: int, *, registered_before: datetime) -> Statement:
    return Statement(
        """
        DELETE FROM oauth_clients WHERE id IN (
            SELECT id FROM oauth_clients WHERE used_at IS NULL AND created_at < :before ORDER BY created_at LIMIT :count
        )
        """,
        {"count": count, "before": text(registered_before)},
    )


def insert_grant(
    grant_id: str,
    *,
    kind: Literal["client", "token"],
    organisation_id: str,
    user_id: str | None,
    client_id: str | None,
    server_id: str,
    scope: str,
    now: datetime,
    expires_at: datetime,
) -> Statement:
    return Statement(
        """
        INSERT INTO grants (id, kind, organisation_id, user_id, client_id, server_id, scope, created_at, expires_at)
        VALUES (:id, :kind, :organisation_id, :user_id, :client_id, :server_id, :scope, :now, :expires_at)
        """,
        {
            "id": grant_id,
            "kind": kind,
            "organisation_id": organisation_id,
            "user_id": user_id,
            "client_id": client_id,
            "server_id": server_id,
            "scope": scope,
            "now": text(now),
            "expires_at": text(expires_at),
        },
    )


def standing_grant(grant_id: str) -> Query[GrantRow]:
    """A client's grant while it is not revoked, its server exists and its person is a member of that organisation."""
    return Query(
        """
        SELECT g.id, g.organisation_id, g.user_id, g.client_id, g.server_id, s.slug, g.scope
        FROM grants g
        JOIN servers s ON s.id = g.server_id AND s.deleted_at IS NULL
        JOIN memberships m ON m.organisation_id = g.organisation_id AND m.user_id = g.user_id
        WHERE g.id = :id AND g.kind = 'client' AND g.revoked_at IS NULL
        """,
        {"id": grant_id},
        GrantRow,
    )


def extend_grant(grant_id: str, expires_at: datetime) -> Statement:
    return Statement(
        "UPDATE grants SET expires_at = :expires_at WHERE id = :id AND revoked_at IS NULL",
        {"id": grant_id, "expires_at": text(expires_at)},
        expect=1,
    )


def revoke_grant(grant_id: str, *, why: str, now: datetime) -> Statement:
    return Statement(
        "UPDATE grants SET revoked_at = :now, revoked_why = :why WHERE id = :id AND revoked_at IS NULL",
        {"id": grant_id, "why": why, "now": text(now)},
    )


def revoke_grants_of_server(server_id: str, *, why: str, now: datetime) -> Statement:
    return Statement(
        "UPDATE grants SET revoked_at = :now, revoked_why = :why WHERE server_id = :server_id AND revoked_at IS NULL",
        {"server_id": server_id, "why": why, "now": text(now)},
    )


def revoked_grants(server_id: str, now: datetime) -> Query[Name]:
    """Grants of a server (`value` is the id) that are revoked while an access token of theirs may still be unexpired."""
    return Query(
        """
        SELECT id AS value
        FROM grants
        WHERE server_id = :server_id AND revoked_at IS NOT NULL
          AND ((kind = 'client' AND revoked_at > :client_since) OR (kind = 'token' AND expires_at > :token_since))
        ORDER BY id
        """,
        {"server_id": server_id, "client_since": text(now - ACCESS_LIFE - CLOCK_LEEWAY), "token_since": text(now - CLOCK_LEEWAY)},
        Name,
    )


def code(hash_: str) -> Query[CodeRow]:
    return Query(
        """
        SELECT grant_id, client_id, redirect_uri, challenge, resource, expires_at, redeemed_at
        FROM oauth_codes WHERE hash = :hash
        """,
        {"hash": hash_},
        CodeRow,
    )


def insert_code(hash_: str, row: CodeRow, now: datetime) -> Statement:
    return Statement(
        """
        INSERT INTO oauth_codes (hash, grant_id, client_id, redirect_uri, challenge, resource, created_at, expires_at)
        VALUES (:hash, :grant_id, :client_id, :redirect_uri, :challenge, :resource, :now, :expires_at)
        """,
        {
            "hash": hash_,
            "grant_id": row.grant_id,
            "client_id": row.client_id,
            "redirect_uri": row.redirect_uri,
            "challenge": row.challenge,
            "resource": row.resource,
            "now": text(now),
            "expires_at": text(row.expires_at),
        },
    )


def redeem_code(hash_: str, now: datetime) -> Statement:
    return Statement(
        "UPDATE oauth_codes SET redeemed_at = :now WHERE hash = :hash AND redeemed_at IS NULL", {"hash": hash_, "now": text(now)}, expect=1
    )


def refresh_token(hash_: str) -> Query[RefreshRow]:
    return Query(
        """
        SELECT r.grant_id, g.client_id, r.expires_at, r.rotated_at
        FROM refresh_tokens r JOIN grants g ON g.id = r.grant_id
        WHERE r.hash = :hash
        """,
        {"hash": hash_},
        RefreshRow,
    )


def insert_refresh_token(hash_: str, *, grant_id: str, parent: str | None, now: datetime, expires_at: datetime) -> Statement:
    return Statement(
        """
        INSERT INTO refresh_tokens (hash, grant_id, parent, created_at, expires_at)
        VALUES (:hash, :grant_id, :parent, :now, :expires_at)
        """,
        {"hash": hash_, "grant_id": grant_id, "parent": parent, "now": text(now), "expires_at": text(expires_at)},
    )


def rotate_refresh_token(hash_: str, now: datetime) -> Statement:
    """Only the first use sets the time: the grace that starts here must not be prolonged by using it."""
    return Statement(
        "UPDATE refresh_tokens SET rotated_at = :now WHERE hash = :hash AND rotated_at IS NULL", {"hash": hash_, "now": text(now)}
    )


def signing_keys(now: datetime) -> Query[KeyRow]:
    """Keys by which a token that is still valid may be signed, in the order they retire.

    A retired key stays while a personal token from its time lives; those last for days, others for minutes.
    """
    return Query(
        """
        SELECT k.id, k.public, k.sealed, k.created_at, k.retired_at
        FROM signing_keys k
        WHERE k.retired_at IS NULL OR k.retired_at > :recent OR EXISTS (
            SELECT 1 FROM grants g
            WHERE g.kind = 'token' AND g.created_at <= k.retired_at AND g.expires_at > :now AND g.revoked_at IS NULL)
        ORDER BY k.retired_at IS NULL, k.retired_at, k.created_at
        """,
        {"now": text(now), "recent": text(now - ACCESS_LIFE - CLOCK_LEEWAY)},
        KeyRow,
    )


def insert_signing_key(row: KeyRow) -> Statement:
    return Statement(
        "INSERT INTO signing_keys (id, public, sealed, created_at) VALUES (:id, :public, :sealed, :created_at)",
        {"id": row.id, "public": row.public, "sealed": row.sealed, "created_at": text(row.created_at)},
    )


def retire_signing_keys(at: datetime) -> Statement:
    return Statement("UPDATE signing_keys SET retired_at = :at WHERE retired_at IS NULL", {"at": text(at)})


def forget_expired(now: datetime) -> Sequence[Statement]:
    """Rows nothing can be decided by any more; a grant whose code was redeemed (so it was prolonged) stays for the record."""
    moment = {"now": text(now), "day_ago": text(now - timedelta(days=1))}
    return (
        Statement("DELETE FROM oauth_codes WHERE expires_at <= :day_ago", moment),
        Statement("DELETE FROM refresh_tokens WHERE expires_at <= :now", moment),
        Statement(
            """
            DELETE FROM grants
            WHERE kind = 'client' AND expires_at <= :day_ago AND julianday(expires_at) - julianday(created_at) < 0.01
              AND id NOT IN (SELECT grant_id FROM oauth_codes) AND id NOT IN (SELECT grant_id FROM refresh_tokens)
            """,
            moment,
        ),
        forget_unused_clients(now),
    )
