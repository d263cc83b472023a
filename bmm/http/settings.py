"""The JSON API on the admin socket: what may change while a server runs. Containers learn of it within two seconds."""

from typing import Any

from litestar import Response, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from bmm import ids
from bmm.config import Config
from bmm.core import card
from bmm.core.server import Server
from bmm.errors import Conflict
from bmm.http.parts import OPERATOR, OrganisationId, TheConfig, TheReconciler, TheStore
from bmm.http.shapes import CallLimit, Origin, Publicity, Settings
from bmm.servers import lifecycle, settings
from bmm.store import settings as rows
from bmm.store.db import Store


@get("/api/servers/{slug:str}/settings", sync_to_thread=True)
def show_settings(slug: FromPath[str], store: TheStore, config: TheConfig, organisation_id: OrganisationId) -> Settings:
    return shown(store, config, lifecycle.find(store, organisation_id, slug))


@put("/api/servers/{slug:str}/limits", sync_to_thread=True)
def limit_calls(
    slug: FromPath[str], data: JSONBody[CallLimit], store: TheStore, config: TheConfig, reconciler: TheReconciler, organisation_id: OrganisationId
) -> Settings:
    server = lifecycle.find(store, organisation_id, slug)
    settings.limit_calls(store, server, data.calls_per_minute, actor=OPERATOR, now=ids.now())
    reconciler.wake()
    return shown(store, config, server)


@post("/api/servers/{slug:str}/origins", status_code=200, sync_to_thread=True)
def allow_origin(
    slug: FromPath[str], data: JSONBody[Origin], store: TheStore, config: TheConfig, reconciler: TheReconciler, organisation_id: OrganisationId
) -> Settings:
    server = lifecycle.find(store, organisation_id, slug)
    settings.allow_origin(store, server, data.origin, actor=OPERATOR, now=ids.now())
    reconciler.wake()
    return shown(store, config, server)


@delete("/api/servers/{slug:str}/origins", status_code=204, sync_to_thread=True)
def forget_origin(
    slug: FromPath[str], origin: FromQuery[str], store: TheStore, reconciler: TheReconciler, organisation_id: OrganisationId
) -> None:
    settings.forget_origin(store, lifecycle.find(store, organisation_id, slug), origin, actor=OPERATOR, now=ids.now())
    reconciler.wake()


@put("/api/servers/{slug:str}/public", sync_to_thread=True)
def publish(
    slug: FromPath[str], data: JSONBody[Publicity], store: TheStore, config: TheConfig, organisation_id: OrganisationId
) -> Settings:
    server = lifecycle.find(store, organisation_id, slug)
    settings.publish(store, server, public=data.public, actor=OPERATOR, now=ids.now())
    return shown(store, config, server)


@get("/api/servers/{slug:str}/server-json", sync_to_thread=True)
def server_json(slug: FromPath[str], store: TheStore, config: TheConfig, organisation_id: OrganisationId) -> Response[dict[str, Any]]:
    listed = store.one(rows.listed(lifecycle.find(store, organisation_id, slug).id))
    if listed is None:
        raise Conflict(f"{slug} has no live version yet; deploy it first")
    return Response(card.registry_entry(config.public_url, listed), media_type="application/json")


def shown(store: Store, config: Config, server: Server) -> Settings:
    """The settings as their owner sees them."""
    chosen = settings.read(store, server)
    return Settings(
        calls_per_minute=chosen.calls_per_minute or config.calls_per_minute,
        own_limit=chosen.calls_per_minute is not None,
        origins=chosen.origins,
        public=chosen.public,
    )


ROUTES = [show_settings, limit_calls, allow_origin, forget_origin, publish, server_json]
