"""Slugs, blocks of user ids, versions and claims, as the schema and the queries keep them."""

import sqlite3
from datetime import timedelta

import pytest

from bmm.core.server import Server
from bmm.store import builds, servers
from bmm.store.db import Stale, Store
from tests.unit.store import rows

MINUTE = timedelta(minutes=1)


def free_block(store: Store) -> int | None:
    found = store.one(servers.free_uid_block())
    assert found is not None
    return found.value


def test_a_slug_has_one_server_at_a_time(store: Store) -> None:
    first = rows.server(store, "shop")
    with pytest.raises(sqlite3.IntegrityError):
        rows.server(store, "shop", uid_block=1)
    store.apply(servers.mark_deleted(first.id, rows.T0))
    second = rows.server(store, "shop")
    assert store.one(servers.by_address("shop")) == second


def test_a_slug_belongs_to_its_last_owner_until_somebody_has_it(store: Store) -> None:
    rows.organisation(store, "org_2")
    first = rows.server(store, "shop")
    store.apply(servers.mark_deleted(first.id, rows.T0))
    assert store.one(servers.holding_slug("shop")) == servers.Owner(organisation_id=rows.ORG)
    assert store.one(servers.by_address("shop")) is None


def test_the_lowest_block_of_a_deleted_server_is_used_again(store: Store) -> None:
    made: list[Server] = [rows.server(store, f"s{number}", uid_block=number) for number in range(3)]
    assert free_block(store) == 3
    store.apply(servers.mark_deleted(made[1].id, rows.T0))
    assert free_block(store) == 1


def test_only_versions_that_went_live_are_older_ones_to_return_to(store: Store) -> None:
    shop = rows.server(store)
    for number, live in ((1, True), (2, False), (3, True)):
        rows.version(store, shop, number, live=live)
    assert store.one(servers.last_live_before(shop.id, 3)) == servers.Number(value=1)
    assert store.one(servers.last_live_before(shop.id, 1)) == servers.Number(value=None)


def test_a_build_is_claimed_once_until_its_lease_ends(store: Store) -> None:
    build = rows.build(store, rows.server(store))
    store.apply(builds.claim(build.id, now=rows.T0, until=rows.T0 + MINUTE))
    with pytest.raises(Stale):
        store.apply(builds.claim(build.id, now=rows.at(59), until=rows.at(120)))
    assert store.all(builds.waiting(rows.at(59))) == []
    assert [one.id for one in store.all(builds.waiting(rows.at(61)))] == [build.id]
    store.apply(builds.claim(build.id, now=rows.at(61), until=rows.at(120)))
    again = store.one(builds.by_id(build.id))
    assert again is not None
    assert again.attempt == 2


def test_a_final_state_stays(store: Store) -> None:
    build = rows.build(store, rows.server(store))
    store.apply(builds.finish_failed(build.id, code="deleted", error="gone", now=rows.T0))
    with pytest.raises(Stale):
        store.apply(builds.finish_live(build.id, rows.T0))
    with pytest.raises(Stale):
        store.apply(builds.claim(build.id, now=rows.T0, until=rows.T0 + MINUTE))
