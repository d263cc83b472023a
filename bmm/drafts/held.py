"""Values of credentials that stood in what was given: with the build they become the server's secrets, if they go nowhere else than before."""

from datetime import datetime

from bmm.builds.check import check, read_spec
from bmm.builds.request import draft_for, still_fits
from bmm.config import Config
from bmm.core.destinations import only_as_before
from bmm.core.draft import Draft
from bmm.core.slug import check_slug
from bmm.drafts.sources import seen_of
from bmm.servers import lifecycle
from bmm.sources.credentials import Credentials
from bmm.store import drafts, secrets, servers
from bmm.store.db import Store
from bmm.vault import Vault
from runner.contract import ServerSpec, decode_spec


def held(store: Store, vault: Vault, draft: Draft, spec: ServerSpec) -> Credentials:
    """The values that a build of this spec would use.

    What a person or a model has made of a spec may send a secret to another place, or give it to code: then it is asked for again.
    """
    base = decode_spec(draft.base) if draft.base is not None and draft.base_version is None else None
    if base is None:
        return Credentials()
    needed = {need.key for need in spec.secrets}
    seen = seen_of(store, draft.id, vault)
    return Credentials({key: value for key, value in seen.items() if key in needed and only_as_before(key, spec, base)})


def hand_over(
    store: Store, vault: Vault, config: Config, draft: Draft, *, document: bytes, slug: str, actor: str, now: datetime
) -> None:
    """Make them the secrets of the server that is to be built; only what was set since the draft was asked for stays as it is.

    What the server has from before may be another draft's, whose build failed: it was given for another place.

    Raises:
        BmmError: whatever `request_build` would say of the spec, the slug and the secrets; then nothing has changed.
    """
    spec = read_spec(document)
    values = held(store, vault, draft, spec)
    if not values:
        return
    existing = store.one(servers.by_slug(draft.organisation_id, check_slug(slug)))
    known = {each.key: each.updated_at for each in store.all(secrets.of_server(existing.id))} if existing else {}
    if existing is not None:
        still_fits(draft, existing)
    check(spec, config, {*known, *values}, slug)
    server = draft_for(store, organisation_id=draft.organisation_id, slug=slug, now=now)
    for key, value in values.items():
        if key not in known or known[key] < draft.created_at:
            lifecycle.put_secret(store, vault, config.data, server, key=key, value=value, ahead=True, actor=actor, now=now)
    store.apply(drafts.drop_kept(draft.id, "seen"))
