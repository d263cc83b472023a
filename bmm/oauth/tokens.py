"""Access tokens: the signed statement a guard checks without asking anybody (RFC 9068)."""

from datetime import datetime, timedelta

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from msgspec import Struct

from bmm.config import Config
from bmm.ids import new_id, new_token
from bmm.oauth.keys import Keys
from bmm.oauth.urls import endpoint_url
from bmm.store import audit, oauth
from bmm.store.db import Store

PERSONAL_CLIENT = "bmm-cli"
"""The `client_id` of tokens made by `bmm token`; ids of registered clients begin with `cli_`."""


class Claims(Struct, frozen=True, kw_only=True):
    """What an access token says; `sid` is the server and `gid` the grant, by which it can be revoked before it expires."""

    iss: str
    aud: list[str]
    sub: str
    client_id: str
    scope: str
    iat: int
    exp: int
    jti: str
    sid: str
    gid: str


def signed(keys: Keys, claims: Claims) -> str:
    """The JWT: RS256, `typ` at+jwt, `kid` of the current key."""
    key = keys.current()
    header = {"alg": "RS256", "typ": "at+jwt", "kid": key.kid}
    return jwt.encode(header, msgspec.to_builtins(claims), key, algorithms=["RS256"])


def claims_for(
    config: Config, *, slug: str, server_id: str, subject: str, client_id: str, scope: str, grant_id: str, now: datetime, life: timedelta
) -> Claims:
    """Claims for exactly one server: one audience, its canonical URL."""
    issued = int(now.timestamp())
    return Claims(
        iss=config.public_url,
        aud=[endpoint_url(config, slug)],
        sub=subject,
        client_id=client_id,
        scope=scope,
        iat=issued,
        exp=issued + int(life.total_seconds()),
        jti=new_token(),
        sid=server_id,
        gid=grant_id,
    )


def read(keys: Keys, token: str) -> Claims | None:
    """The claims of a token that one of our keys signed, expired or not; None for anything else."""
    if len(token) > 8192:
        return None
    try:
        decoded = jwt.decode(token, keys.public_set(), algorithms=["RS256"])
        if decoded.header.get("typ") != "at+jwt":
            return None
        return msgspec.convert(decoded.claims, Claims)
    except (JoseError, msgspec.ValidationError, ValueError, TypeError, RecursionError):
        return None


def personal_token(
    store: Store,
    keys: Keys,
    *,
    server_id: str,
    slug: str,
    scopes: tuple[str, ...],
    organisation_id: str,
    user_id: str | None,
    days: int,
    now: datetime,
    config: Config,
) -> str:
    """A long-lived access token for one server, for clients that cannot sign in; revocable by its grant (kind `token`).

    `user_id` is None where nobody has signed in yet: then the organisation is the subject.
    """
    grant_id, life, scope = new_id("grt"), timedelta(days=days), " ".join(scopes)
    claims = claims_for(
        config,
        slug=slug,
        server_id=server_id,
        subject=user_id or organisation_id,
        client_id=PERSONAL_CLIENT,
        scope=scope,
        grant_id=grant_id,
        now=now,
        life=life,
    )
    token = signed(keys, claims)
    store.apply(
        oauth.insert_grant(
            grant_id,
            kind="token",
            organisation_id=organisation_id,
            user_id=user_id,
            client_id=None,
            server_id=server_id,
            scope=scope,
            now=now,
            expires_at=now + life,
        ),
        audit.wrote(user_id or "operator", "token.create", server_id, now, organisation_id, {"grant": grant_id, "days": str(days)}),
    )
    return token
