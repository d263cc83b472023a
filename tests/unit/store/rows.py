"""Rows that tests of the store and of what stands on it begin with."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bmm import ids
from bmm.core.build import Build, BuildStatus
from bmm.core.server import Container, Server, ServerStatus, Version
from bmm.store import builds, people, servers
from bmm.store.db import Store

T0 = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
ORG = "org_1"


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def organisation(store: Store, organisation_id: str = ORG) -> str:
    store.apply(people.insert_organisation(organisation_id, organisation_id, data_key=secrets.token_bytes(60), now=T0))
    return organisation_id


def server(store: Store, slug: str = "shop", *, uid_block: int = 0, organisation_id: str = ORG) -> Server:
    one = Server(
        id=ids.new_id("srv"), organisation_id=organisation_id, slug=slug, name=slug, status=ServerStatus.DRAFT, version=None,
        uid_block=uid_block, created_at=T0, updated_at=T0,
    )  # fmt: skip
    store.apply(servers.insert(one))
    return one


def build(store: Store, of: Server, spec: str = "{}") -> Build:
    one = Build(
        id=ids.new_id("bld"), organisation_id=of.organisation_id, server_id=of.id, spec=spec, status=BuildStatus.QUEUED, attempt=0,
        bundle=None, version=None, replaces=None, error_code=None, error=None, created_at=T0, finished_at=None,
    )  # fmt: skip
    store.apply(builds.insert(one, created_by="operator"))
    return one


def version(store: Store, of: Server, number: int, *, live: bool = True) -> None:
    """A version that is wanted, with the build it came from."""
    made = build(store, of)
    ended = builds.finish_live(made.id, T0) if live else builds.finish_failed(made.id, code="engine_failed", error="no", now=T0)
    store.apply(
        servers.insert_version(Version(server_id=of.id, number=number, bundle="b" * 64, build_id=made.id, created_at=T0)),
        servers.run_version(of.id, number, name=of.name, now=T0),
        ended,
    )


def container(store: Store, of: Server, event_file: Path) -> Container:
    one = Container(id=ids.new_id("ctr"), server_id=of.id, version=1, event_file=str(event_file), event_offset=0, started_at=T0)
    store.apply(servers.insert_container(one))
    return one
