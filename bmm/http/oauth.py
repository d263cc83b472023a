"""The OAuth endpoints that programs speak to: metadata, keys, registration, tokens, revocation."""

from datetime import timedelta
from typing import Any

import msgspec
from litestar import Response, post, route
from litestar.params import FromPath

from bmm.core.access import ACCESS_LIFE, Client
from bmm.errors import NotFound
from bmm.http.limits import limits_of, source_of
from bmm.http.parts import AnyRequest, TheConfig, TheKeys, TheStore, Wake
from bmm.ids import now
from bmm.oauth import authorize, clients, grants, metadata, tokens, urls
from bmm.oauth.errors import OAuthError, invalid_request
from bmm.oauth.parameters import Parameters
from bmm.store import oauth
from bmm.store.db import Store

Json = Response[dict[str, Any]]
_FORM = "application/x-www-form-urlencoded"
_LARGEST = 16_384
_READ: list[Any] = ["GET", "HEAD"]
# Public documents without credentials: any page may read them, browser-based clients must.
_PUBLIC = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}
_PRIVATE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# Clients look in all these places, some for the path of the endpoint they were given (RFC 8414 §3.1, OpenID Discovery §4).
_ISSUER_PATHS = [
    place
    for name in ("oauth-authorization-server", "openid-configuration")
    for place in (f"/.well-known/{name}", f"/.well-known/{name}/s/{{slug:str}}/mcp", f"/s/{{slug:str}}/mcp/.well-known/{name}")
]
_RESOURCE = "oauth-protected-resource"


@route(_ISSUER_PATHS, http_method=_READ)
async def authorization_server(config: TheConfig) -> Json:
    return _json(metadata.authorization_server(config), _PUBLIC)


@route([f"/.well-known/{_RESOURCE}/s/{{slug:str}}/mcp", f"/s/{{slug:str}}/mcp/.well-known/{_RESOURCE}"], http_method=_READ)
async def protected_resource(slug: FromPath[str], store: TheStore, config: TheConfig) -> Json:
    server = await store.aone(oauth.protected_by_slug(slug))
    if server is None:
        raise NotFound("There is no such server here.")
    # Not cached: the scopes change with a deploy.
    return _json(metadata.protected_resource(config, server), {**_PUBLIC, "Cache-Control": "no-cache"})


@route(f"/.well-known/{_RESOURCE}", http_method=_READ)
async def appliance(config: TheConfig) -> Json:
    return _json(metadata.appliance(config), _PUBLIC)


@route("/.well-known/jwks.json", http_method=_READ, sync_to_thread=True)
def jwks(keys: TheKeys) -> Json:
    return _json(dict(keys.public_jwks()), {**_PUBLIC, "Cache-Control": "public, max-age=30"})


@post("/register", request_max_body_size=_LARGEST)
async def register(request: AnyRequest, store: TheStore) -> Json:
    moment = now()
    limits, minute = limits_of(request.app.state), timedelta(minutes=1)
    # First each source for itself: what one sends in vain must not count against all others.
    wait = limits.wait(f"register {source_of(request.headers)}", most=30, within=minute, now=moment)
    if wait := wait or limits.wait("register", most=300, within=minute, now=moment):
        raise OAuthError("temporarily_unavailable", "Too many registrations.", status=429, headers={"Retry-After": str(wait)})
    asked = clients.read_metadata(await request.body())
    return _json(clients.answer(await clients.register(store, asked, moment)), _PRIVATE, status=201)


@post("/token", status_code=200, request_max_body_size=_LARGEST)
async def token(request: AnyRequest, store: TheStore, config: TheConfig, keys: TheKeys, wake: Wake) -> Json:
    form, moment = await _form(request), now()
    client = await _client(request, form, store)
    slug = urls.named_slug(config, form.several("resource"))
    match form.one("grant_type"):
        case "authorization_code":
            outcome = await grants.redeem(store, _redeem(form, client, slug), moment)
        case "refresh_token":
            asked = grants.Refresh(client=client, token=_need(form, "refresh_token"), slug=slug, scopes=authorize.scopes_asked(form))
            outcome = await grants.refresh(store, asked, moment)
        case None:
            raise invalid_request("Send `grant_type`.")
        case _:
            raise OAuthError("unsupported_grant_type", f"`grant_type` is one of {', '.join(clients.GRANT_TYPES)}.")
    if isinstance(outcome, grants.Refused):
        if outcome.revoked:
            wake()
        raise OAuthError(outcome.code, outcome.message)
    claims = tokens.claims_for(
        config,
        slug=outcome.grant.slug,
        server_id=outcome.grant.server_id,
        subject=outcome.grant.user_id,
        client_id=client.id,
        scope=outcome.scope,
        grant_id=outcome.grant.id,
        now=moment,
        life=ACCESS_LIFE,
    )
    return _json(_issued(tokens.signed(keys, claims), outcome), _PRIVATE)


@post("/revoke", status_code=200, request_max_body_size=_LARGEST)
async def revoke(request: AnyRequest, store: TheStore, keys: TheKeys, wake: Wake) -> Json:
    """RFC 7009: 200 whether or not there was anything to revoke, so that nobody can probe for tokens."""
    form = await _form(request)
    client = await _client(request, form, store)
    if await grants.revoke(store, keys, client, _need(form, "token"), now()):
        wake()
    return _json({}, _PRIVATE)


def _redeem(form: Parameters, client: Client, slug: str | None) -> grants.Redeem:
    return grants.Redeem(
        client=client, code=_need(form, "code"), verifier=_need(form, "code_verifier"), redirect_uri=form.one("redirect_uri"), slug=slug
    )


def _issued(access_token: str, outcome: grants.Issued) -> dict[str, Any]:
    body: dict[str, Any] = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": int(ACCESS_LIFE.total_seconds()),
        "refresh_token": outcome.refresh_token,
    }
    # RFC 6749 appendix A.4: a scope has at least one word, so none at all is said by leaving it out.
    return {**body, "scope": outcome.scope} if outcome.scope else body


async def _form(request: AnyRequest) -> Parameters:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise invalid_request(f"Send the parameters as {_FORM}.")
    return Parameters.parse(await request.body())


async def _client(request: AnyRequest, form: Parameters, store: Store) -> Client:
    client_id, secret, basic = clients.credentials(request.headers.get("authorization"), form)
    found = await store.aone(oauth.client(client_id))
    return clients.prove(found, secret, basic=basic)


def _need(form: Parameters, name: str) -> str:
    if (value := form.one(name)) is None:
        raise invalid_request(f"Send `{name}`.")
    return value


def _json(body: dict[str, Any], headers: dict[str, str], *, status: int = 200) -> Json:
    return Response(msgspec.to_builtins(body), status_code=status, media_type="application/json", headers=headers)


ROUTES = [authorization_server, protected_resource, appliance, jwks, register, token, revoke]
