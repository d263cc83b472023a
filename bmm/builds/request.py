"""Asking for a build: the server's row and the build's row in one transaction; the spec must make sense before either exists."""

import sqlite3
from datetime import datetime

from bmm import ids
from bmm.builds.check import check, read_spec
from bmm.config import Config
from bmm.core.build import Build, BuildStatus
from bmm.core.draft import Draft
from bmm.core.server import MOST_SERVERS, Server, ServerStatus
from bmm.core.slug import check_slug
from bmm.errors import BaseMoved, Conflict, SlugTaken
from bmm.store import audit, builds, drafts, secrets, servers
from bmm.store.db import Store, one, run
from runner.contract import encode_spec


def request_build(
    store: Store, config: Config, *, organisation_id: str, slug: str, document: bytes, actor: str, now: datetime, draft: Draft | None = None
) -> Build:
    """Queue a build of a spec for a slug, which becomes this organisation's; `draft` is what it came from. The caller wakes a worker.

    Raises:
        BadInput: the slug or the spec cannot be used; with a pointer into the spec.
        SecretsMissing: secrets that the spec needs have not been set.
        SlugTaken: somebody else has or had the slug, or a draft of a new server would replace one of the own.
        BaseMoved: the server is no longer what the draft began from.
        Conflict: the draft is being built already.
    """
    check_slug(slug)
    spec = read_spec(document)
    existing = store.one(servers.by_slug(organisation_id, slug))
    known = [secret.key for secret in store.all(secrets.of_server(existing.id))] if existing else []
    # Odd but harmless findings belong to the build's story; the build finds them again.
    check(spec, config, known, slug)

    def queue(db: sqlite3.Connection) -> Build:
        server = one(db, servers.by_slug(organisation_id, slug)) or reserve(db, organisation_id, slug, name=spec.name, now=now)
        if draft is not None:
            still_fits(draft, server)
            if (other := one(db, builds.under_way(draft.id))) is not None:
                raise Conflict(f"The draft {draft.id} is being built already; the build is {other.id}")
            run(db, drafts.built(draft.id, slug=slug))
        build = Build(
            id=ids.new_id("bld"), organisation_id=organisation_id, server_id=server.id, spec=encode_spec(spec).decode(),
            status=BuildStatus.QUEUED, attempt=0, bundle=None, version=None, replaces=None,
            error_code=None, error=None, created_at=now, finished_at=None, draft_id=draft.id if draft else None,
        )  # fmt: skip
        run(
            db,
            builds.insert(build, created_by=actor),
            builds.tell(build.id, "queued", f"{spec.name} for {slug}", now=now),
            audit.wrote(
                actor=actor, action="server.deploy", target=server.id, now=now, organisation_id=organisation_id, detail={"slug": slug}
            ),
        )
        return build

    return store.transact(queue)


def still_fits(draft: Draft, server: Server) -> None:
    """A draft says what to make of one version, or that there is none.

    Raises:
        SlugTaken, BaseMoved: the server runs another one meanwhile.
    """
    if server.version == draft.base_version:
        return
    if draft.base_version is None:
        raise SlugTaken(f"There is a server {server.slug} already; choose another slug, or change it with `bmm iterate {server.slug} \"…\"`")
    runs = "has no live version any more" if server.version is None else f"runs version {server.version}"
    raise BaseMoved(
        f"{server.slug} {runs}; this draft began from version {draft.base_version}. Say it again with `bmm iterate`"
    )


def draft_for(store: Store, *, organisation_id: str, slug: str, now: datetime) -> Server:
    """The organisation's server with this slug; a new draft where there is none, so that secrets can come before the first deploy.

    Raises:
        BadInput, SlugTaken, Conflict: as `reserve`.
    """
    check_slug(slug)

    def find_or_reserve(db: sqlite3.Connection) -> Server:
        return one(db, servers.by_slug(organisation_id, slug)) or reserve(db, organisation_id, slug, name=slug, now=now)

    return store.transact(find_or_reserve)


def reserve(db: sqlite3.Connection, organisation_id: str, slug: str, *, name: str, now: datetime) -> Server:
    """A draft that holds the slug and a block of user ids, inside a transaction.

    Raises:
        SlugTaken: another organisation has it, or had it before: tokens and bookmarks for it may still be around.
        Conflict: no block of user ids is left.
    """
    holder = one(db, servers.holding_slug(slug))
    if holder is not None and holder.organisation_id != organisation_id:
        raise SlugTaken(f"The slug {slug!r} is taken; choose another")
    free = one(db, servers.free_uid_block())
    if free is None or free.value is None or free.value >= MOST_SERVERS:
        raise Conflict(f"This appliance is full: it holds {MOST_SERVERS} servers. Delete one with `bmm rm SLUG`")
    server = Server(
        id=ids.new_id("srv"), organisation_id=organisation_id, slug=slug, name=name, status=ServerStatus.DRAFT, version=None,
        uid_block=free.value, created_at=now, updated_at=now,
    )  # fmt: skip
    run(db, servers.insert(server))
    return server
