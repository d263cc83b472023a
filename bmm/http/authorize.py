"""The authorization endpoint: from a client's request through sign-in and consent to the redirect that answers it."""

from datetime import datetime
from typing import Any

from litestar import Response, get, post
from litestar.response import Redirect

from bmm.config import Config
from bmm.core.access import Client, Protected
from bmm.core.person import Person
from bmm.http import browser, signin
from bmm.http.parts import AnyRequest, TheConfig, TheStore, TheVault
from bmm.ids import now
from bmm.oauth import authorize, redirects, urls
from bmm.oauth.authorize import Ask, Decision, Destination
from bmm.oauth.errors import OAuthError, PageError, RedirectableError
from bmm.oauth.hashing import digest
from bmm.oauth.parameters import Parameters
from bmm.oauth.signin import person_of
from bmm.store import oauth
from bmm.store.db import Store
from bmm.vault import Vault
from ui import page
from ui.pages.consent import ConsentPage, consent

_LARGEST = 16_384


@get("/authorize")
async def ask(request: AnyRequest, store: TheStore, config: TheConfig, vault: TheVault) -> Response[Any]:
    """The client's request (RFC 6749 §4.1.1): sign in if need be, then decide."""
    moment, query = now(), request.scope["query_string"]
    parameters = _parameters(query)
    to = authorize.destination(await _client(store, parameters), parameters)
    try:
        wanted = authorize.read(config, parameters)
        named = await _named(store, wanted)
        who = browser.visitor(request, config)
        person = await person_of(store, who.session, moment)
        if person is None:
            return signin.before_authorizing(config, vault, who, to, query=query, now=moment)
        server = named or urls.only_choice(config, await store.aall(oauth.protected_for_member(person.id)))
        _must_belong(person, server)
        decision = _decision(to, wanted, server, person, who, moment)
    except RedirectableError as error:
        return _to(authorize.failure(config, to, error))
    return _consent_page(config, vault, decision, server, person, who)


@post("/consent", request_max_body_size=_LARGEST)
async def decide(request: AnyRequest, store: TheStore, config: TheConfig, vault: TheVault) -> Response[Any]:
    """The person's answer. What they were shown comes back sealed; whether it is still possible is looked at again."""
    moment, who, form = now(), browser.visitor(request, config), await browser.read_form(request)
    browser.check_form(request, config, who, form)
    person = await person_of(store, who.session, moment)
    if person is None or who.session is None:
        raise PageError("You are no longer signed in. Go back to the AI client and connect again.", title="Start again", status=403)
    decision = authorize.unseal(vault, form.one("decision"), person=person, session=digest(who.session), now=moment)
    server = await store.aone(oauth.protected_by_id(decision.server_id))
    client = await store.aone(oauth.client(decision.to.client_id))
    if server is None or client is None or not set(decision.scopes) <= set(server.scope_names):
        raise PageError("The server or the client has changed in the meantime. Connect again.", title="Start again", status=409)
    _must_belong(person, server)
    if form.one("answer") != "approve":
        await store.aapply(authorize.consented(decision, server, moment, approved=False))
        return _to(authorize.failure(config, decision.to, OAuthError("access_denied", "The person declined.")))
    code = await authorize.approve(store, config, decision, server, moment)
    return _to(authorize.success(config, decision.to, code))


def _parameters(query: bytes) -> Parameters:
    try:
        return Parameters.parse(query)
    except OAuthError as error:
        raise PageError(error.user_message) from error


async def _client(store: Store, parameters: Parameters) -> Client | None:
    ids = parameters.several("client_id")
    if len(ids) != 1:
        return None
    wanted = oauth.client(ids[0])
    return await store.aone(wanted)


async def _named(store: Store, wanted: Ask) -> Protected | None:
    if wanted.slug is None:
        return None
    server = await store.aone(oauth.protected_by_slug(wanted.slug))
    if server is None:
        raise RedirectableError("invalid_target", "There is no such server here.")
    return server


def _must_belong(person: Person, server: Protected) -> None:
    if not person.belongs_to(server.organisation_id):
        text = f"You are signed in as {person.label}, who is not a member of the organisation this server belongs to. Ask its owner."
        raise PageError(text, title="Not your server", status=403)


def _decision(to: Destination, wanted: Ask, server: Protected, person: Person, who: browser.Visitor, moment: datetime) -> Decision:
    return Decision(
        to=to,
        challenge=wanted.challenge,
        server_id=server.id,
        scopes=authorize.grantable(wanted.scopes, server),
        user_id=person.id,
        session=digest(who.session or ""),
        until=moment + authorize.CONSENT_LIFE,
    )


def _consent_page(
    config: Config, vault: Vault, decision: Decision, server: Protected, person: Person, who: browser.Visitor
) -> Response[str]:
    uri = decision.to.redirect_uri
    shown = ConsentPage(
        client=decision.to.client_name,
        redirect_host=redirects.shown(uri),
        redirect_uri=uri,
        loopback=redirects.is_loopback(uri),
        server=server.name,
        endpoint=urls.endpoint_url(config, server.slug),
        scopes=tuple(scope for scope in server.scopes if scope.name in decision.scopes),
        person=person.label,
        sealed=authorize.seal(vault, decision),
        form_token=who.form_token,
    )
    return page.answer(consent(shown), form_action=redirects.form_action_sources(uri), cookies=browser.nonce_cookies(config, who))


def _to(uri: str) -> Response[Any]:
    """303, so that no browser repeats the form's fields at the client (RFC 9700 §4.12)."""
    return Redirect(uri, status_code=303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


ROUTES = [ask, decide]
