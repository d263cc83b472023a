"""The sign-in pages: asking for a link, opening it, signing out."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar import MediaType, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from msgspec import Struct

from bmm.config import Config
from bmm.http import browser
from bmm.http.limits import limits_of
from bmm.http.parts import Announce, AnyRequest, TheConfig, TheStore, TheVault
from bmm.ids import now
from bmm.oauth import redirects
from bmm.oauth.authorize import Destination
from bmm.oauth.errors import PageError
from bmm.oauth.hashing import base64url, from_base64url
from bmm.oauth.signin import LINK_LIFE, link_works, new_link, person_of, redeem_link, sign_out
from bmm.vault import Vault, WrongKey
from ui import page
from ui.pages.signin import SignInPage, sign_in

_LARGEST = 16_384
_LONGEST_THEN = 2800
"""A cookie holds 4096 bytes; a longer request is gone on with from its own tab."""


class Then(Struct, frozen=True, kw_only=True):
    """An authorization request that waits for a sign-in. Sealed, so only requests we have seen come back; and only to /authorize."""

    query: bytes
    redirect_uri: str
    until: datetime

    @property
    def path(self) -> str:
        return f"/authorize?{self.query.decode('ascii')}"


@get("/signin")
async def show(request: AnyRequest, store: TheStore, config: TheConfig) -> Response[str]:
    who = browser.visitor(request, config)
    person = await person_of(store, who.session, now())
    if person is None:
        return _page(config, who, SignInPage(step="ask", form_token=who.form_token, action="/signin"))
    return _page(config, who, SignInPage(step="done", form_token=who.form_token, action="/signout", person=person.label))


@post("/signin", status_code=200, request_max_body_size=_LARGEST)
async def ask(request: AnyRequest, store: TheStore, config: TheConfig, vault: TheVault, announce: Announce) -> Response[str]:
    """Print a link in the terminal: whoever can read it there is the operator."""
    moment, who = now(), browser.visitor(request, config)
    browser.check_form(request, config, who, await browser.read_form(request))
    if limits_of(request.app.state).wait("signin", most=5, within=timedelta(minutes=1), now=moment):
        raise PageError("Too many links in a minute. Wait a moment, or use one that was printed.", title="Slow down", status=429)
    announce(f"Sign-in link (works once, for 15 minutes): {await new_link(store, config, moment)}")
    waiting = _waiting(request, config, vault, moment)
    shown = SignInPage(step="sent", form_token=who.form_token, action="/signin", then=waiting.path if waiting else None)
    return _page(config, who, shown)


@get("/signin/{token:str}")
async def confirm(request: AnyRequest, token: FromPath[str], store: TheStore, config: TheConfig, vault: TheVault) -> Response[str]:
    """Opening a link uses nothing up: mail scanners and link previews open them too. The button does."""
    moment = now()
    if not await link_works(store, token, moment):
        raise PageError("A sign-in link works once, for 15 minutes. Ask for a new one.", title="This link no longer works", status=410)
    who, waiting = browser.visitor(request, config), _waiting(request, config, vault, moment)
    shown = SignInPage(step="confirm", form_token=who.form_token, action=f"/signin/{token}")
    # The form leads on to /authorize, which may answer the client at once; a browser that follows CSP must be let through.
    leads_to = redirects.form_action_sources(waiting.redirect_uri) if waiting else "'self'"
    return page.answer(sign_in(shown), form_action=leads_to, cookies=browser.nonce_cookies(config, who))


@post("/signin/{token:str}", request_max_body_size=_LARGEST)
async def redeem(request: AnyRequest, token: FromPath[str], store: TheStore, config: TheConfig, vault: TheVault) -> Response[Any]:
    moment, who = now(), browser.visitor(request, config)
    browser.check_form(request, config, who, await browser.read_form(request))
    session = await redeem_link(store, vault, token, old_session=who.session, now=moment)
    waiting = _waiting(request, config, vault, moment)
    return Redirect(
        waiting.path if waiting else "/signin",
        status_code=303,
        headers={"Cache-Control": "no-store"},
        cookies=[browser.session_cookie(config, session), browser.then_cookie(config, "")],
    )


@post("/signout", request_max_body_size=_LARGEST)
async def leave(request: AnyRequest, store: TheStore, config: TheConfig) -> Response[Any]:
    moment, who = now(), browser.visitor(request, config)
    browser.check_form(request, config, who, await browser.read_form(request))
    person = await person_of(store, who.session, moment)
    if person is not None and who.session is not None:
        await sign_out(store, who.session, person, moment)
    return Redirect("/signin", status_code=303, cookies=[browser.no_session_cookie(config)])


@get("/static/app.css", media_type=MediaType.CSS)
async def style() -> Response[bytes]:
    """The style sheet; its URL changes with its content."""
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(page.STYLE, media_type="text/css", headers=headers)


def before_authorizing(
    config: Config, vault: Vault, who: browser.Visitor, to: Destination, *, query: bytes, now: datetime
) -> Response[str]:
    """The sign-in page in the middle of an authorization request, which a cookie brings back afterwards."""
    waiting = Then(query=query, redirect_uri=to.redirect_uri, until=now + LINK_LIFE)
    sealed = base64url(vault.seal(msgspec.json.encode(waiting), "then"))
    shown = SignInPage(step="ask", form_token=who.form_token, action="/signin", client=to.client_name)
    cookie = browser.then_cookie(config, sealed if len(sealed) <= _LONGEST_THEN else "")
    return page.answer(sign_in(shown), cookies=[*browser.nonce_cookies(config, who), cookie])


def _waiting(request: AnyRequest, config: Config, vault: Vault, now: datetime) -> Then | None:
    sealed = browser.sealed_then(request, config)
    if not sealed:
        return None
    try:
        waiting = msgspec.json.decode(vault.open(from_base64url(sealed), "then"), type=Then)
    except (ValueError, WrongKey, msgspec.DecodeError):
        return None
    return waiting if waiting.until > now else None


def _page(config: Config, who: browser.Visitor, shown: SignInPage) -> Response[str]:
    return page.answer(sign_in(shown), cookies=browser.nonce_cookies(config, who))


ROUTES = [show, ask, confirm, redeem, leave, style]
