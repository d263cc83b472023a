"""Grants: redeeming a code, refreshing, revoking. Each is one transaction, so that of many at once exactly one wins."""

import re
import sqlite3
from datetime import datetime

from msgspec import Struct

from bmm.core.access import REFRESH_LIFE, REUSE_GRACE, Client, GrantRow
from bmm.ids import new_token
from bmm.oauth import authorize, tokens
from bmm.oauth.hashing import digest, s256, same
from bmm.oauth.keys import Keys
from bmm.store import audit, oauth
from bmm.store.db import Store, one, run

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class Issued(Struct, frozen=True, kw_only=True):
    """What a client gets: a refresh token, and the grant and scope an access token is signed for."""

    grant: GrantRow
    scope: str
    refresh_token: str


class Refused(Struct, frozen=True, kw_only=True):
    """Why it gets nothing. It is a value, not an exception, because a theft that was noticed must be committed."""

    code: str
    message: str
    revoked: bool = False


class Redeem(Struct, frozen=True, kw_only=True):
    """A token request with a code. `slug` is the server its `resource` names, if it sent one."""

    client: Client
    code: str
    verifier: str
    redirect_uri: str | None
    slug: str | None


class Refresh(Struct, frozen=True, kw_only=True):
    """A token request with a refresh token. `scopes` narrows this one access token."""

    client: Client
    token: str
    slug: str | None
    scopes: tuple[str, ...] | None


async def redeem(store: Store, asked: Redeem, now: datetime) -> Issued | Refused:
    """Exchange a code, once. A second attempt revokes everything the first one got (RFC 6749 §4.1.2)."""
    return await store.atransact(lambda db: _redeem(db, asked, now))


async def refresh(store: Store, asked: Refresh, now: datetime) -> Issued | Refused:
    """Exchange a refresh token for the next one.

    A rotated token used again within `REUSE_GRACE` yields a sibling in the same family; later it is theft: the family is revoked.
    """
    return await store.atransact(lambda db: _refresh(db, asked, now))


async def revoke(store: Store, keys: Keys, client: Client, token: str, now: datetime) -> bool:
    """Revoke the grant a refresh or access token belongs to (RFC 7009); whether there was one of this client."""
    claims = None if token.count(".") != 2 else tokens.read(keys, token)
    access_grant = claims.gid if claims is not None and claims.client_id == client.id else None
    return await store.atransact(lambda db: _revoke(db, client, digest(token), access_grant, now))


def _redeem(db: sqlite3.Connection, asked: Redeem, now: datetime) -> Issued | Refused:
    hashed = digest(asked.code)
    row = one(db, oauth.code(hashed))
    if row is None:
        return _no("The code is unknown.")
    if row.redeemed_at is not None:
        return _theft(db, row.grant_id, asked.client, "a code was used twice", now)
    if row.client_id != asked.client.id:
        return _no("The code belongs to another client.")
    if row.expires_at <= now:
        return _no("The code has expired; it is valid for 60 seconds.")
    # OAuth 2.1 no longer sends redirect_uri here, OAuth 2.0 clients do: if it is there it must be the one of the request.
    if asked.redirect_uri is not None and asked.redirect_uri != row.redirect_uri:
        return _no("`redirect_uri` is not the one of the authorization request.")
    if not _VERIFIER.fullmatch(asked.verifier) or not same(s256(asked.verifier), row.challenge):
        return _no("`code_verifier` does not belong to the `code_challenge`.")
    grant = one(db, oauth.standing_grant(row.grant_id))
    if grant is None:
        return _no("The grant has been revoked, or its server deleted.")
    if asked.slug not in (None, grant.slug):
        return Refused(code="invalid_target", message="`resource` is not the server that was consented to.")
    run(db, oauth.redeem_code(hashed, now), oauth.client_used(asked.client.id, now))
    return _issue(db, grant, grant.scope, parent=None, now=now)


def _refresh(db: sqlite3.Connection, asked: Refresh, now: datetime) -> Issued | Refused:
    hashed = digest(asked.token)
    row = one(db, oauth.refresh_token(hashed))
    if row is None or row.client_id != asked.client.id or row.expires_at <= now:
        return _no("The refresh token is unknown or has expired.")
    if row.rotated_at is not None and now - row.rotated_at > REUSE_GRACE:
        return _theft(db, row.grant_id, asked.client, "a refresh token was used again after it had been replaced", now)
    grant = one(db, oauth.standing_grant(row.grant_id))
    if grant is None:
        return _no("The grant has been revoked, or its server deleted.")
    if asked.slug not in (None, grant.slug):
        return Refused(code="invalid_target", message="`resource` is not the server that was consented to.")
    had = grant.scope.split()
    scope = " ".join(authorize.narrowed(tuple(had), asked.scopes))
    if had and not scope:
        return Refused(code="invalid_scope", message=f"The scopes of this grant are {grant.scope}.")
    run(db, oauth.rotate_refresh_token(hashed, now))
    return _issue(db, grant, scope, parent=hashed, now=now)


def _issue(db: sqlite3.Connection, grant: GrantRow, scope: str, *, parent: str | None, now: datetime) -> Issued:
    token, until = new_token(), now + REFRESH_LIFE
    run(
        db,
        oauth.extend_grant(grant.id, until),
        oauth.insert_refresh_token(digest(token), grant_id=grant.id, parent=parent, now=now, expires_at=until),
    )
    if parent is None:
        run(db, audit.wrote(f"client:{grant.client_id}", "grant.start", grant.id, now, grant.organisation_id, {"server": grant.server_id}))
    return Issued(grant=grant, scope=scope, refresh_token=token)


def _revoke(db: sqlite3.Connection, client: Client, hashed: str, access_grant: str | None, now: datetime) -> bool:
    row = one(db, oauth.refresh_token(hashed))
    of_refresh = row.grant_id if row is not None and row.client_id == client.id else None
    grant = one(db, oauth.standing_grant(of_refresh or access_grant or ""))
    if grant is None:
        return False
    run(
        db,
        oauth.revoke_grant(grant.id, why="the client revoked it", now=now),
        audit.wrote(f"client:{client.id}", "grant.revoke", grant.id, now, grant.organisation_id, {"server": grant.server_id}),
    )
    return True


def _theft(db: sqlite3.Connection, grant_id: str, client: Client, why: str, now: datetime) -> Refused:
    grant = one(db, oauth.standing_grant(grant_id))
    if grant is not None:
        run(
            db,
            oauth.revoke_grant(grant_id, why=why, now=now),
            audit.wrote(f"client:{client.id}", "grant.revoke", grant_id, now, grant.organisation_id, {"why": why}),
        )
    message = f"Refused: {why}. Everything it led to is revoked; connect again."
    return Refused(code="invalid_grant", message=message, revoked=grant is not None)


def _no(message: str) -> Refused:
    return Refused(code="invalid_grant", message=message)
