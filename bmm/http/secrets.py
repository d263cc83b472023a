"""The JSON API on the admin socket: a server's secrets. Values go in and never come out."""

from litestar import delete, get, put
from litestar.params import FromPath, JSONBody

from bmm import ids
from bmm.builds.request import draft_for
from bmm.http.parts import OPERATOR, OrganisationId, TheConfig, TheReconciler, TheStore, TheVault
from bmm.http.shapes import SecretShown, SecretValue
from bmm.servers import lifecycle
from bmm.store import secrets


@get("/api/servers/{slug:str}/secrets", sync_to_thread=True)
def list_secrets(slug: FromPath[str], store: TheStore, config: TheConfig, organisation_id: OrganisationId) -> list[SecretShown]:
    server = lifecycle.find(store, organisation_id, slug)
    spec = lifecycle.live_spec(store, config.data, server)
    needs = {need.key: need for need in spec.secrets} if spec else {}
    held = {secret.key: secret for secret in store.all(secrets.of_server(server.id))}
    return [
        SecretShown(
            key=key,
            hint=needs[key].hint if key in needs else "",
            required=key in needs and needs[key].required,
            updated_at=held[key].updated_at if key in held else None,
        )
        for key in sorted({*needs, *held})
    ]


@put("/api/servers/{slug:str}/secrets/{key:str}", status_code=204, sync_to_thread=True)
def put_secret(
    slug: FromPath[str],
    key: FromPath[str],
    data: JSONBody[SecretValue],
    store: TheStore,
    config: TheConfig,
    vault: TheVault,
    reconciler: TheReconciler,
    organisation_id: OrganisationId,
) -> None:
    now = ids.now()
    server = draft_for(store, organisation_id=organisation_id, slug=slug, now=now)
    lifecycle.put_secret(store, vault, config.data, server, key=key, value=data.value, ahead=data.ahead, actor=OPERATOR, now=now)
    reconciler.make_true(server.id)


@delete("/api/servers/{slug:str}/secrets/{key:str}", status_code=204, sync_to_thread=True)
def remove_secret(
    slug: FromPath[str], key: FromPath[str], store: TheStore, config: TheConfig, reconciler: TheReconciler, organisation_id: OrganisationId
) -> None:
    server = lifecycle.find(store, organisation_id, slug)
    lifecycle.remove_secret(store, config.data, server, key=key, actor=OPERATOR, now=ids.now())
    reconciler.make_true(server.id)


ROUTES = [list_secrets, put_secret, remove_secret]
