"""The authorization request: what is asked, where the answer goes, and the decision a person makes about it."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from bmm.config import Config
from bmm.core.access import CODE_LIFE, Client, CodeRow, Protected
from bmm.core.person import Person
from bmm.ids import new_id, new_token
from bmm.oauth import redirects, urls
from bmm.oauth.errors import OAuthError, PageError, RedirectableError
from bmm.oauth.hashing import base64url, digest, from_base64url
from bmm.oauth.parameters import Parameters
from bmm.store import audit, oauth
from bmm.store.db import Statement, Store
from bmm.vault import Vault, WrongKey

LONGEST_STATE = 512
CONSENT_LIFE = timedelta(minutes=15)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
# Words of OpenID Connect that clients send from habit; they say how long or about whom, not what a tool may do.
_NOT_ABOUT_TOOLS = frozenset({"offline_access", "openid", "profile", "email"})


class Destination(Struct, frozen=True, kw_only=True):
    """Where the answer goes: only ever to a URI the client registered."""

    client_id: str
    client_name: str
    redirect_uri: str
    state: str | None


class Ask(Struct, frozen=True, kw_only=True):
    """What is asked. `slug` and `scopes` are None where the client leaves them open."""

    challenge: str
    slug: str | None
    scopes: tuple[str, ...] | None


class Decision(Struct, frozen=True, kw_only=True):
    """What a consent page shows and its form brings back, sealed and bound to one session for `CONSENT_LIFE`."""

    to: Destination
    challenge: str
    server_id: str
    scopes: tuple[str, ...]
    user_id: str
    session: str
    until: datetime


def destination(client: Client | None, parameters: Parameters) -> Destination:
    """Where the answer to this request may go.

    Raises:
        PageError: client or redirect URI are not known to be right (attack 54, 63), so nothing may be sent anywhere.
    """
    try:
        asked, state = parameters.one("redirect_uri"), parameters.one("state")
    except OAuthError as error:
        raise PageError(error.user_message) from error
    if client is None:
        raise PageError(
            "This AI client is not registered here, or its registration has expired. Remove the connection in the client and add it again."
        )
    registered = client.registered.redirect_uris
    if asked is None and len(registered) == 1:
        asked = registered[0]
    if asked is None or not any(redirects.matches(uri, asked) for uri in registered):
        raise PageError(f"“{client.name}” wants the answer sent to an address it has not registered, so it is not sent anywhere.")
    if state is not None and len(state.encode()) > LONGEST_STATE:
        raise PageError(f"“{client.name}” sent a `state` of more than {LONGEST_STATE} bytes, which cannot be given back to it.")
    return Destination(client_id=client.id, client_name=client.name, redirect_uri=asked, state=state)


def read(config: Config, parameters: Parameters) -> Ask:
    """What is asked for.

    Raises:
        RedirectableError: for the client, through `failure`.
    """
    try:
        return _read(config, parameters)
    except RedirectableError:
        raise
    except OAuthError as error:
        raise RedirectableError(error.code, error.user_message) from error


def scopes_asked(parameters: Parameters) -> tuple[str, ...] | None:
    """The scopes a request names; None where it names none."""
    return tuple((parameters.one("scope") or "").split()) or None


def narrowed(names: tuple[str, ...], asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """Those of `names` that are asked for; all of them where the request names none that are about tools, which leaves it open.

    A server may have a scope that is called `email`: then that word is about its tools.
    """
    wanted = tuple(name for name in names if asked is None or name in asked)
    return wanted if wanted or not _NOT_ABOUT_TOOLS.issuperset(asked or ()) else names


def grantable(asked: tuple[str, ...] | None, server: Protected) -> tuple[str, ...]:
    """The scopes to ask the person for: what the client wants of what the server has; all of it where the client leaves it open.

    Raises:
        RedirectableError: `invalid_scope` — nothing the client asks for exists here.
    """
    names = server.scope_names
    wanted = narrowed(names, asked)
    if names and not wanted:
        raise RedirectableError("invalid_scope", f"This server has the scopes {' '.join(names)}.")
    return wanted


def success(config: Config, to: Destination, code: str) -> str:
    """The redirect that carries a code. `iss` (RFC 9207) lets a client with several servers notice a mix-up."""
    return _answer(config, to, {"code": code})


def failure(config: Config, to: Destination, error: OAuthError) -> str:
    """The redirect that carries an error."""
    return _answer(config, to, {"error": error.code, "error_description": _ascii(error.user_message)})


def seal(vault: Vault, decision: Decision) -> str:
    return base64url(vault.seal(msgspec.json.encode(decision), "consent"))


def unseal(vault: Vault, sealed: str | None, *, person: Person, session: str, now: datetime) -> Decision:
    """The decision a consent form brings back.

    Raises:
        PageError: altered, of another session or person, or too old.
    """
    try:
        decision = msgspec.json.decode(vault.open(from_base64url(sealed or ""), "consent"), type=Decision)
    except (ValueError, WrongKey, msgspec.DecodeError) as error:
        raise _stale() from error
    if decision.until <= now or decision.session != session or decision.user_id != person.id:
        raise _stale()
    return decision


async def approve(store: Store, config: Config, decision: Decision, server: Protected, now: datetime) -> str:
    """Make the grant and its code; returns the code. Until the code is redeemed the grant lives no longer than it."""
    code, grant_id = new_token(), new_id("grt")
    row = CodeRow(
        grant_id=grant_id,
        client_id=decision.to.client_id,
        redirect_uri=decision.to.redirect_uri,
        challenge=decision.challenge,
        resource=urls.endpoint_url(config, server.slug),
        expires_at=now + CODE_LIFE,
        redeemed_at=None,
    )
    await store.aapply(
        oauth.insert_grant(
            grant_id,
            kind="client",
            organisation_id=server.organisation_id,
            user_id=decision.user_id,
            client_id=decision.to.client_id,
            server_id=server.id,
            scope=" ".join(decision.scopes),
            now=now,
            expires_at=now + CODE_LIFE,
        ),
        oauth.insert_code(digest(code), row, now),
        consented(decision, server, now, approved=True),
    )
    return code


def consented(decision: Decision, server: Protected, now: datetime, *, approved: bool) -> Statement:
    """The audit row of a decision."""
    detail = {
        "client": decision.to.client_id,
        "client_name": decision.to.client_name,
        "redirect": redirects.shown(decision.to.redirect_uri),
        "scope": " ".join(decision.scopes),
    }
    action = "consent.approve" if approved else "consent.deny"
    return audit.wrote(decision.user_id, action, server.id, now, server.organisation_id, detail)


def _read(config: Config, parameters: Parameters) -> Ask:
    if parameters.one("response_type") != "code":
        raise RedirectableError("unsupported_response_type", "`response_type` is code.")
    if parameters.one("response_mode") not in (None, "query"):
        raise RedirectableError("invalid_request", "`response_mode` is query.")
    challenge = parameters.one("code_challenge")
    if challenge is None:
        raise RedirectableError("invalid_request", "PKCE is required: send `code_challenge` and `code_challenge_method=S256`.")
    # A missing method means `plain` (RFC 7636 §4.3), which is refused.
    if parameters.one("code_challenge_method") != "S256":
        raise RedirectableError("invalid_request", "`code_challenge_method` is S256.")
    if not _CHALLENGE.fullmatch(challenge):
        raise RedirectableError("invalid_request", "`code_challenge` is the base64url SHA-256 of the verifier: 43 characters.")
    if parameters.one("prompt") == "none":
        raise RedirectableError("interaction_required", "A person always decides here.")
    slug = urls.named_slug(config, parameters.several("resource"))
    return Ask(challenge=challenge, slug=slug, scopes=scopes_asked(parameters))


def _answer(config: Config, to: Destination, parameters: Mapping[str, str]) -> str:
    state = {} if to.state is None else {"state": to.state}
    return redirects.with_parameters(to.redirect_uri, {**parameters, **state, "iss": config.public_url})


def _ascii(text: str) -> str:
    # RFC 6749 §4.1.2.1: error_description has no quotes, backslashes or characters beyond ASCII.
    return "".join(letter for letter in text.replace('"', "'").replace("…", "...") if " " <= letter <= "~" and letter != "\\")


def _stale() -> PageError:
    return PageError("This page is too old or belongs to another sign-in. Go back to the AI client and connect again.", title="Start again")
