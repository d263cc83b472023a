"""Settings of a running server: what holds before anybody chose, and what a deleted server leaves behind."""

import sqlite3
from pathlib import Path

import pytest
import sqlite_utils

from bmm.core.settings import ServerSettings
from bmm.errors import Conflict, NotFound
from bmm.servers import settings as owner
from bmm.store import servers, settings
from bmm.store.db import Stale, Store
from bmm.store.migrations import schema
from tests.unit.store import rows

APP = "https://app.example"


def test_a_new_server_has_no_limit_of_its_own_allows_no_page_and_is_not_public(store: Store) -> None:
    shop = rows.server(store)
    assert store.one(settings.of_server(shop.id)) == ServerSettings(calls_per_minute=None, public=False, origins_json="[]")
    assert store.all(settings.all_public()) == []


def test_origins_are_listed_in_order_and_once(store: Store) -> None:
    shop, bank = rows.server(store), rows.server(store, "bank", uid_block=1)
    for origin in ("https://z.example", APP, APP, "HTTPS://APP.example:443"):
        owner.allow_origin(store, shop, origin, actor="operator", now=rows.T0)
    assert owner.read(store, shop).origins == (APP, "https://z.example")
    assert owner.read(store, bank).origins == ()
    owner.forget_origin(store, shop, APP, actor="operator", now=rows.T0)
    assert owner.read(store, shop).origins == ("https://z.example",)
    with pytest.raises(NotFound, match="does not allow"):
        owner.forget_origin(store, shop, APP, actor="operator", now=rows.T0)


def test_a_server_allows_a_hundred_origins_and_no_more(store: Store) -> None:
    shop = rows.server(store)
    for number in range(100):
        owner.allow_origin(store, shop, f"https://a{number}.example", actor="operator", now=rows.T0)
    owner.allow_origin(store, shop, "https://a7.example", actor="operator", now=rows.T0)
    with pytest.raises(Conflict, match="100 origins"):
        owner.allow_origin(store, shop, APP, actor="operator", now=rows.T0)


def test_what_a_deleted_server_allowed_counts_nowhere_and_cannot_be_changed(store: Store) -> None:
    shop = rows.server(store)
    owner.allow_origin(store, shop, APP, actor="operator", now=rows.T0)
    assert store.one(settings.allowed_somewhere(APP)) is not None
    store.apply(servers.mark_deleted(shop.id, rows.T0))
    assert store.one(settings.allowed_somewhere(APP)) is None
    for change in (
        settings.set_calls_per_minute(shop.id, 5, rows.T0),
        settings.set_public(shop.id, rows.T0, public=True),
        settings.allow_origin(shop.id, "https://other.example", rows.T0),
    ):
        with pytest.raises(Stale):
            store.apply(change)
    again = rows.server(store)
    assert owner.read(store, again).origins == ()


def test_only_public_servers_with_a_version_are_listed(store: Store) -> None:
    shop, bank, draft = (rows.server(store, slug, uid_block=block) for block, slug in enumerate(("shop", "bank", "draft")))
    rows.version(store, shop, 1)
    rows.version(store, bank, 1)
    for one in (shop, draft):
        owner.publish(store, one, public=True, actor="operator", now=rows.T0)
    assert [one.slug for one in store.all(settings.all_public())] == ["shop"]
    owner.publish(store, shop, public=False, actor="operator", now=rows.T0)
    assert store.all(settings.all_public()) == []


def test_the_schema_itself_refuses_a_limit_that_would_stop_everything(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        store.apply(settings.set_calls_per_minute(rows.server(store).id, 0, rows.T0))


def test_a_database_from_before_there_were_settings_gets_them(tmp_path: Path) -> None:
    old = sqlite_utils.Database(tmp_path / "bmm.db")
    schema.apply(old, stop_before="m0002_settings_of_a_running_server")
    old.close()
    with sqlite3.connect(tmp_path / "bmm.db") as db:
        db.execute("INSERT INTO organisations VALUES ('org_1', 'o', x'00', '2026-01-01')")
        db.execute(
            "INSERT INTO servers (id, organisation_id, slug, name, status, uid_block, created_at, updated_at)"
            " VALUES ('srv_1', 'org_1', 'shop', 'Shop', 'draft', 0, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z')"
        )
    db.close()
    store = Store(tmp_path / "bmm.db")
    assert store.one(settings.of_server("srv_1")) == ServerSettings(calls_per_minute=None, public=False, origins_json="[]")
    store.close()
