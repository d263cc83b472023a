"""The JSON API on the admin socket: servers and their versions. Parse, find with permission, one call, respond."""

import asyncio
from datetime import timedelta

from litestar import Request, delete, get, post
from litestar.datastructures import State
from litestar.params import FromPath, FromQuery, JSONBody

from bmm import ids
from bmm.builds.request import request_build
from bmm.config import Config
from bmm.core import address
from bmm.core.call import Call, LogLine
from bmm.core.server import Overview, Server
from bmm.errors import BadInput, Conflict
from bmm.http import settings
from bmm.http.parts import OPERATOR, OrganisationId, TheCollector, TheConfig, TheKeys, TheQueue, TheReconciler, TheStore
from bmm.http.shapes import MOST_SPEC_BYTES, Accepted, RollBack, Shown, Token, TokenWish
from bmm.oauth.tokens import personal_token
from bmm.servers import lifecycle
from bmm.servers.install import snippets
from bmm.servers.tool_list import shown_by
from bmm.store import calls, servers
from bmm.store.db import Store

MOST_DAYS = 366


@get("/api/servers", sync_to_thread=True)
def list_servers(store: TheStore, organisation_id: OrganisationId, collector: TheCollector) -> list[Overview]:
    collector.collect()
    return store.all(servers.overview(organisation_id, ids.now() - timedelta(days=1)))


@get("/api/servers/{slug:str}", sync_to_thread=True)
def show_server(slug: FromPath[str], store: TheStore, config: TheConfig, organisation_id: OrganisationId) -> Shown:
    return _shown(store, config, lifecycle.find(store, organisation_id, slug))


@post("/api/servers/{slug:str}/builds", status_code=202)
async def deploy(
    slug: FromPath[str],
    request: Request[None, None, State],
    store: TheStore,
    config: TheConfig,
    queue: TheQueue,
    organisation_id: OrganisationId,
) -> Accepted:
    document = await request.body()
    if len(document) > MOST_SPEC_BYTES:
        raise BadInput(f"The spec has {len(document)} bytes; at most {MOST_SPEC_BYTES} are possible")

    def ask() -> Accepted:
        build = request_build(store, config, organisation_id=organisation_id, slug=slug, document=document, actor=OPERATOR, now=ids.now())
        queue.build(build.id)
        return Accepted(build_id=build.id)

    return await asyncio.to_thread(ask)


@delete("/api/servers/{slug:str}", status_code=204, sync_to_thread=True)
def delete_server(slug: FromPath[str], store: TheStore, reconciler: TheReconciler, organisation_id: OrganisationId) -> None:
    lifecycle.delete(store, reconciler, lifecycle.find(store, organisation_id, slug), actor=OPERATOR, now=ids.now())


@post("/api/servers/{slug:str}/rollback", sync_to_thread=True, status_code=200)
def roll_back(
    slug: FromPath[str], data: JSONBody[RollBack], store: TheStore, config: TheConfig, reconciler: TheReconciler, organisation_id: OrganisationId
) -> Shown:
    server = lifecycle.find(store, organisation_id, slug)
    lifecycle.roll_back(store, reconciler, server, number=data.version, actor=OPERATOR, now=ids.now())
    return _shown(store, config, lifecycle.find(store, organisation_id, slug))


@get("/api/servers/{slug:str}/calls", sync_to_thread=True)
def list_calls(
    slug: FromPath[str], store: TheStore, collector: TheCollector, organisation_id: OrganisationId, limit: FromQuery[int] = 50
) -> list[Call]:
    server = lifecycle.find(store, organisation_id, slug)
    collector.collect()
    return store.all(calls.recent(server.id, min(max(limit, 1), 1000)))


@get("/api/servers/{slug:str}/logs", sync_to_thread=True)
def list_logs(
    slug: FromPath[str],
    store: TheStore,
    collector: TheCollector,
    organisation_id: OrganisationId,
    after: FromQuery[int] = 0,
    limit: FromQuery[int] = 1000,
) -> list[LogLine]:
    server = lifecycle.find(store, organisation_id, slug)
    collector.collect()
    return store.all(calls.lines_after(server.id, min(after, 2**53), min(max(limit, 1), 1000)))


@post("/api/servers/{slug:str}/tokens", sync_to_thread=True)
def make_token(
    slug: FromPath[str], data: JSONBody[TokenWish], store: TheStore, config: TheConfig, keys: TheKeys, organisation_id: OrganisationId
) -> Token:
    server = lifecycle.find(store, organisation_id, slug)
    spec = lifecycle.live_spec(store, config.data, server)
    if spec is None:
        raise Conflict(f"{slug} has no live version yet; deploy it first")
    if not 1 <= data.days <= MOST_DAYS:
        raise BadInput(f"A token can be valid for 1 to {MOST_DAYS} days, not {data.days}")
    token = personal_token(
        store, keys, server_id=server.id, slug=slug, scopes=tuple(scope.name for scope in spec.scopes), organisation_id=organisation_id,
        user_id=None, days=data.days, now=ids.now(), config=config,
    )  # fmt: skip
    return Token(token=token, expires_in_days=data.days)


def _shown(store: Store, config: Config, server: Server) -> Shown:
    url = address.endpoint(config.public_url, server.slug)
    return Shown(
        id=server.id,
        slug=server.slug,
        name=server.name,
        status=server.status,
        version=server.version,
        url=url,
        settings=settings.shown(store, config, server),
        versions=tuple(store.all(servers.versions(server.id))),
        snippets=snippets(server.slug, url, reachable=not config.is_local),
        tool_list=shown_by(store, config, server),
    )


ROUTES = [list_servers, show_server, deploy, delete_server, roll_back, list_calls, list_logs, make_token]
