"""Clients: dynamic registration (RFC 7591) and proving at the token endpoint which one is asking."""

import base64
import binascii
import hashlib
import sqlite3
import unicodedata
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

import msgspec
from msgspec import UNSET, Struct

from bmm.core.access import AuthMethod, Client, ClientMetadata
from bmm.ids import new_id, new_token
from bmm.oauth import redirects
from bmm.oauth.errors import OAuthError, invalid_client, invalid_request
from bmm.oauth.hashing import digest, same
from bmm.oauth.parameters import Parameters
from bmm.store import oauth
from bmm.store.db import Store, one, run

MOST_CLIENTS = 10_000
MOST_REDIRECT_URIS = 20
AUTH_METHODS: tuple[AuthMethod, ...] = ("none", "client_secret_basic", "client_secret_post")
"""`none` comes first: some clients take the first entry of the metadata, and most are public."""
GRANT_TYPES = ("authorization_code", "refresh_token")
_TEXTS = ("client_name", "scope", "client_uri", "logo_uri", "tos_uri", "policy_uri", "software_id", "software_version")
_IN_USE = timedelta(minutes=15)


class Registration(Struct, frozen=True, kw_only=True):
    """A client and, once, the secret it was given."""

    client: Client
    secret: str | None


def read_metadata(body: bytes) -> ClientMetadata:
    """What a registration asks for, reduced to what this server does. Fields it does not know are accepted and dropped.

    Raises:
        OAuthError: `invalid_client_metadata` or `invalid_redirect_uri` (RFC 7591 §3.2.2).
    """
    try:
        asked = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _bad("The body must be a JSON object with the client's metadata.") from error
    application_type = asked.get("application_type")
    if application_type not in (None, "native", "web"):
        raise _bad("`application_type` is native or web.")
    _must_contain(asked, "response_types", default=("code",), needed="code")
    return ClientMetadata(
        redirect_uris=_redirect_uris(asked),
        token_endpoint_auth_method=_auth_method(asked.get("token_endpoint_auth_method")),
        grant_types=_grant_types(asked),
        response_types=("code",),
        application_type=application_type or UNSET,
        **{name: value for name in _TEXTS if isinstance(value := asked.get(name), str) and 0 < len(value) <= 2048},
    )


async def register(store: Store, metadata: ClientMetadata, now: datetime) -> Registration:
    """Remember a client. A public client that is already known under the same metadata is that client again.

    Raises:
        OAuthError: 503, as many clients as there may be are registered and in use.
    """
    return await store.atransact(lambda db: _register(db, metadata, now))


def answer(made: Registration) -> dict[str, Any]:
    """The body of a 201 (RFC 7591 §3.2.1): no member is null, because clients that validate refuse those."""
    body: dict[str, Any] = {"client_id": made.client.id, "client_id_issued_at": int(made.client.created_at.timestamp())}
    if made.secret is not None:
        body |= {"client_secret": made.secret, "client_secret_expires_at": 0}
    body.update(msgspec.to_builtins(made.client.registered))
    return body


def credentials(authorization: str | None, form: Parameters) -> tuple[str, str | None, bool]:
    """Client id, secret and whether HTTP Basic was used, from a token or revocation request.

    Raises:
        OAuthError: none given, two methods at once, or Basic that cannot be read.
    """
    in_form, secret = form.one("client_id"), form.one("client_secret")
    if form.one("client_assertion"):
        raise invalid_client("This server does not know client assertions; see token_endpoint_auth_methods_supported.", basic=False)
    if authorization is None:
        if in_form is None:
            raise invalid_client("Send `client_id`.", basic=False)
        return in_form, secret, False
    client_id, secret_in_header = _basic(authorization)
    if secret is not None or (in_form is not None and in_form != client_id):
        raise invalid_request("Authenticate the client in one way only.")
    return client_id, secret_in_header or None, True


def prove(client: Client | None, secret: str | None, *, basic: bool) -> Client:
    """The client, if the secret is its own.

    Raises:
        OAuthError: `invalid_client`; one sentence for every reason, so that ids cannot be guessed.
    """
    refused = invalid_client("The client is unknown or its secret is wrong. Register again.", basic=basic)
    if client is None or (client.secret_hash is None) != (secret is None):
        raise refused
    if client.secret_hash is not None and secret is not None and not same(client.secret_hash, digest(secret)):
        raise refused
    return client


def clean_name(text: str) -> str:
    """A client's own name as it may be shown: no control or direction characters, at most 80."""
    visible = "".join(" " if letter.isspace() else letter for letter in text if letter.isspace() or unicodedata.category(letter)[0] != "C")
    return " ".join(visible.split())[:80]


def _register(db: sqlite3.Connection, metadata: ClientMetadata, now: datetime) -> Registration:
    encoded = msgspec.json.encode(metadata, order="deterministic")
    public = metadata.token_endpoint_auth_method == "none"  # noqa: S105 - a method, not a password
    fingerprint = hashlib.sha256(encoded).hexdigest() if public else None
    if fingerprint is not None and (known := one(db, oauth.client_by_fingerprint(fingerprint))) is not None:
        return Registration(client=known, secret=None)
    _make_room(db, now)
    secret = None if public else new_token()
    client = Client(
        id=new_id("cli"),
        name=_display_name(metadata),
        metadata=encoded.decode(),
        secret_hash=None if secret is None else digest(secret),
        created_at=now,
    )
    run(db, oauth.insert_client(client, fingerprint=fingerprint))
    return Registration(client=client, secret=secret)


def _make_room(db: sqlite3.Connection, now: datetime) -> None:
    count = one(db, oauth.clients_count())
    if count is None or count.value < MOST_CLIENTS:
        return
    run(db, oauth.forget_unused_clients(now), oauth.forget_oldest_unused_clients(100, registered_before=now - _IN_USE))
    count = one(db, oauth.clients_count())
    if count is not None and count.value >= MOST_CLIENTS:
        raise OAuthError("temporarily_unavailable", "Too many clients are registered.", status=503, headers={"Retry-After": "900"})


def _display_name(metadata: ClientMetadata) -> str:
    name = "" if metadata.client_name is UNSET else clean_name(metadata.client_name)
    return name or f"A client at {redirects.shown(metadata.redirect_uris[0])}"


def _redirect_uris(asked: dict[str, Any]) -> tuple[str, ...]:
    uris = asked.get("redirect_uris")
    if not isinstance(uris, list) or not 0 < len(uris) <= MOST_REDIRECT_URIS or not all(isinstance(uri, str) for uri in uris):
        raise OAuthError("invalid_redirect_uri", f"`redirect_uris` is a list of 1 to {MOST_REDIRECT_URIS} URIs.")
    for number, uri in enumerate(uris):
        if (reason := redirects.why_not(uri)) is not None:
            raise OAuthError("invalid_redirect_uri", f"redirect_uris[{number}] cannot be used: {reason}.")
    return tuple(uris)


def _auth_method(asked: object) -> AuthMethod:
    if asked is None:
        return "client_secret_basic"  # RFC 7591 §2: the default where the client does not say
    for method in AUTH_METHODS:
        if asked == method:
            return method
    raise _bad(f"`token_endpoint_auth_method` is one of {', '.join(AUTH_METHODS)}.")


def _grant_types(asked: dict[str, Any]) -> tuple[str, ...]:
    """What both know. Refreshing is always registered (RFC 7591 §3.2.1 lets a server): without it a person consents every 15 minutes."""
    _must_contain(asked, "grant_types", default=GRANT_TYPES, needed="authorization_code")
    return GRANT_TYPES


def _must_contain(asked: dict[str, Any], name: str, *, default: tuple[str, ...], needed: str) -> None:
    values = asked.get(name)
    values = default if values is None else values
    if not isinstance(values, list | tuple) or needed not in values:
        raise _bad(f"`{name}` must contain {needed}.")


def _basic(authorization: str) -> tuple[str, str]:
    kind, _, encoded = authorization.partition(" ")
    try:
        if kind.lower() != "basic":
            raise ValueError
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError
    except (ValueError, binascii.Error, UnicodeDecodeError):
        raise invalid_client("The Authorization header is not readable HTTP Basic.", basic=True) from None
    # RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
    return unquote_plus(client_id), unquote_plus(secret)


def _bad(message: str) -> OAuthError:
    return OAuthError("invalid_client_metadata", message)
