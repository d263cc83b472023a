"""Asking for a build: the server's row and the build's row in one transaction; the spec must make sense before either exists."""

import sqlite3
from datetime import datetime

from bmm import ids
from bmm.builds.check import check, read_spec
from bmm.config import Config
from bmm.core.build import Build, BuildStatus
from bmm.core.server import MOST_SERVERS, Server, ServerStatus
from bmm.core.slug import check_slug
from bmm.errors import Conflict, SlugTaken
from bmm.store import audit, builds, secrets, servers
from bmm.store.db import Store, one, run
from runner.contract import encode_spec


def request_build(store: Store, config: Config, *, organisation_id: str, slug: str, document: bytes, actor: str, now: datetime) -> Build:
    """Queue a build of a spec for a slug, which becomes this organisation's. The caller wakes a worker.

    Raises:
        BadInput: the slug or the spec cannot be used; with a pointer into the spec.
        SecretsMissing: secrets that the spec needs have not been set.
        SlugTaken: somebody else has or had the slug.
    """
    check_slug(slug)
    spec = read_spec(document)
    existing = store.one(servers.by_slug(organisation_id, slug))
    known = [secret.key for secret in store.all(secrets.of_server(existing.id))] if existing else []
    # Odd but harmless findings belong to the build's story; the build finds them again.
    list(check(spec, config, known, slug))

    def queue(db: sqlite3.Connection) -> Build:
        server = one(db, servers.by_slug(organisation_id, slug)) or reserve(db, organisation_id, slug, name=spec.name, now=now)
        build = Build(
            id=ids.new_id("bld"), organisation_id=organisation_id, server_id=server.id, spec=encode_spec(spec).decode(),
            status=BuildStatus.QUEUED, attempt=0, bundle=None, version=None, replaces=None,
            error_code=None, error=None, created_at=now, finished_at=None,
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
