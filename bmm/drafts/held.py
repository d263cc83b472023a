"""Values of credentials that stood in what was given: with the build they become the server's secrets, if they go nowhere else than before."""

from datetime import datetime

from bmm.builds.check import read_spec
from bmm.builds.request import draft_for, still_fits
from bmm.config import Config
from bmm.core.draft import Draft
from bmm.drafts.sources import seen_of
from bmm.servers import lifecycle
from bmm.sources.credentials import Credentials
from bmm.store import drafts, secrets
from bmm.store.db import Store
from bmm.vault import Vault
from runner.contract import HttpTool, PythonTool, ServerSpec, decode_spec, secrets_used


def held(store: Store, vault: Vault, draft: Draft, spec: ServerSpec) -> Credentials:
    """The values that a build of this spec would use.

    What a person or a model has made of a spec may send a secret to another place, or give it to code: then it is asked for again.
    """
    base = decode_spec(draft.base) if draft.base is not None and draft.base_version is None else None
    if base is None or any(isinstance(tool, PythonTool) and tool not in base.tools for tool in spec.tools):
        return Credentials()
    needed = {need.key for need in spec.secrets}
    seen = seen_of(store, draft.id, vault)
    return Credentials({key: value for key, value in seen.items() if key in needed and _places(spec, key) <= _places(base, key)})


def hand_over(
    store: Store, vault: Vault, config: Config, draft: Draft, *, document: bytes, slug: str, actor: str, now: datetime
) -> None:
    """Make them the secrets of the server that is to be built, where it has none of these names.

    Raises:
        BadInput, SlugTaken, Conflict: the spec or the slug cannot be used, or the server is not what the draft is for.
    """
    values = held(store, vault, draft, read_spec(document))
    if not values:
        return
    server = draft_for(store, organisation_id=draft.organisation_id, slug=slug, now=now)
    still_fits(draft, server)
    known = {each.key for each in store.all(secrets.of_server(server.id))}
    for key, value in values.items():
        if key not in known:
            lifecycle.put_secret(store, vault, config.data, server, key=key, value=value, ahead=True, actor=actor, now=now)
    store.apply(drafts.drop_kept(draft.id, "seen"))


def _places(spec: ServerSpec, key: str) -> set[tuple[object, ...]]:
    """Where a secret goes."""
    called: set[tuple[object, ...]] = {(tool.server,) for tool in spec.tools if isinstance(tool, HttpTool) and key in secrets_used(tool)}
    return called | {(each.kind, each.host, each.reached_port, each.user, each.tls, each.trust) for each in spec.databases if each.password == key}
