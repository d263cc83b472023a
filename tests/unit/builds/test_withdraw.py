"""What is wanted after a version was published and could not start."""

from bmm.builds.pipeline import _publish, _withdraw
from bmm.core.server import Server
from bmm.store import servers
from bmm.store.db import Store
from tests.unit.store import rows


def wanted(store: Store, server: Server) -> tuple[str, int | None]:
    row = store.one(servers.by_id(server.id))
    assert row is not None
    return str(row.status), row.version


def test_the_version_that_ran_is_wanted_again_and_not_a_newer_one_somebody_left(store: Store) -> None:
    shop = rows.server(store)
    for number in (1, 2):
        rows.version(store, shop, number)
    store.apply(servers.run_version(shop.id, 1, name="shop", now=rows.T0))  # rolled back from 2
    build = rows.build(store, shop)
    assert store.transact(lambda db: _publish(db, build, "c" * 64, "shop")) == 3
    store.transact(lambda db: _withdraw(db, build, 3))
    assert wanted(store, shop) == ("live", 1)


def test_a_first_version_that_cannot_start_leaves_nothing_wanted(store: Store) -> None:
    shop = rows.server(store)
    build = rows.build(store, shop)
    number = store.transact(lambda db: _publish(db, build, "c" * 64, "shop"))
    store.transact(lambda db: _withdraw(db, build, number))
    assert wanted(store, shop) == ("failed", None)


def test_a_version_chosen_meanwhile_stays(store: Store) -> None:
    shop = rows.server(store)
    rows.version(store, shop, 1)
    build = rows.build(store, shop)
    store.transact(lambda db: _publish(db, build, "c" * 64, "shop"))
    store.apply(servers.run_version(shop.id, 1, name="shop", now=rows.T0))
    store.transact(lambda db: _withdraw(db, build, 2))
    assert wanted(store, shop) == ("live", 1)
