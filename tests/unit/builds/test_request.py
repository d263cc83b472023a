"""Asking for a build: the slug's owner, the spec and the secrets are settled before anything is queued."""

import msgspec
import pytest

from bmm import ids
from bmm.builds.request import draft_for, request_build
from bmm.config import Config
from bmm.core.build import Build
from bmm.errors import BadInput, Conflict, SecretsMissing, SlugTaken
from bmm.store import builds, servers
from bmm.store.db import Store
from tests.unit.store import rows

TOOL = {"kind": "http", "name": "ping", "description": "Ping", "input_schema": {"type": "object"}, "method": "GET", "path": "/"}


def spec(**changes: object) -> bytes:
    whole = {"name": "Shop", "hosts": [{"name": "shop.test"}], "tools": [TOOL | {"server": "https://shop.test"}]}
    return msgspec.json.encode(whole | changes)


def ask(store: Store, slug: str, document: bytes, organisation_id: str = rows.ORG) -> Build:
    return request_build(
        store, Config(), organisation_id=organisation_id, slug=slug, document=document, actor="operator", now=ids.now()
    )  # fmt: skip


def test_a_build_is_queued_with_its_server(store: Store) -> None:
    build = ask(store, "shop", spec())
    assert [one.id for one in store.all(builds.unfinished())] == [build.id]
    assert [one.slug for one in store.all(servers.existing())] == ["shop"]


@pytest.mark.parametrize(
    ("slug", "document", "error"),
    [
        ("Shop", spec(), BadInput),
        ("shop", b"not json", BadInput),
        ("shop", spec(tools=[]), BadInput),
        ("shop", spec(hosts=[{"name": "shop.test", "plain": True}]), BadInput),
        ("shop", spec(secrets=[{"key": "API_KEY"}]), SecretsMissing),
        (
            "shop",
            spec(tools=[TOOL | {"server": "https://shop.test", "input_schema": {"type": "object", "$ref": "https://x.test/s"}}]),
            BadInput,
        ),
    ],
)
def test_what_cannot_be_built_leaves_nothing(store: Store, slug: str, document: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        ask(store, slug, document)
    assert store.all(servers.existing()) == []
    assert store.all(builds.unfinished()) == []


def test_a_deleted_slug_is_its_owners_only(store: Store) -> None:
    rows.organisation(store, "org_2")
    ask(store, "shop", spec())
    with pytest.raises(SlugTaken):
        ask(store, "shop", spec(), "org_2")
    (shop,) = store.all(servers.existing())
    store.apply(servers.mark_deleted(shop.id, ids.now()))
    with pytest.raises(SlugTaken):
        draft_for(store, organisation_id="org_2", slug="shop", now=ids.now())
    assert ask(store, "shop", spec()).server_id != shop.id


def test_a_full_appliance_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bmm.builds.request.MOST_SERVERS", 1)
    ask(store, "one", spec())
    with pytest.raises(Conflict, match="full"):
        ask(store, "two", spec())
