"""One writer, readers that end with their threads, and changes that happen whole or not at all."""

import asyncio
import gc
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from bmm.store import servers
from bmm.store.db import Query, Stale, Statement, Store, one, run
from bmm.store.migrations import migrate
from tests.unit.store import rows


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_missed_expectation_undoes_the_whole_transaction(store: Store) -> None:
    shop = rows.server(store)
    with pytest.raises(Stale):
        store.apply(servers.mark_deleted(shop.id, rows.T0), servers.mark_deleted(shop.id, rows.T0))
    assert store.one(servers.by_id(shop.id)) == shop


def test_what_is_read_inside_a_transaction_is_still_true_when_it_writes(store: Store) -> None:
    shop = rows.server(store)

    def next_version(db: sqlite3.Connection) -> None:
        present = one(db, servers.by_id(shop.id))
        assert present is not None
        run(db, servers.run_version(shop.id, (present.version or 0) + 1, name="shop", now=rows.T0))

    def count() -> None:
        for _ in range(50):
            store.transact(next_version)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    after = store.one(servers.by_id(shop.id))
    assert after is not None
    assert after.version == 200


def test_a_failing_act_leaves_the_writer_at_work(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError):
        store.apply(Statement("INSERT INTO nowhere VALUES (1)", {}))
    assert rows.server(store).slug == "shop"


def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store.one(Query("DELETE FROM servers RETURNING organisation_id", {}, servers.Owner))


def test_threads_that_come_and_go_leave_no_file_open(store: Store) -> None:
    store.all(servers.existing())
    gc.collect()  # what other tests have left open counts on neither side
    before = open_files()
    for _ in range(30):
        thread = threading.Thread(target=lambda: store.all(servers.existing()))
        thread.start()
        thread.join(30)
    assert open_files() == before


def test_async_reads_see_what_sync_writes_committed(store: Store) -> None:
    async def story() -> None:
        shop = rows.server(store)
        assert await store.aone(servers.by_id(shop.id)) == shop
        await store.aapply(servers.mark_deleted(shop.id, rows.T0))
        assert await store.aall(servers.existing()) == []
        await store.aclose()

    asyncio.run(story())


def test_a_closed_store_refuses_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    store = Store(tmp_path / "bmm.db")
    store.close()
    with pytest.raises(RuntimeError, match="closed"):
        store.apply(servers.mark_deleted("srv", rows.T0))


def test_a_database_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "bmm.db").write_bytes(b"this is no database, and it is long enough to be told apart" * 20)
    with pytest.raises(sqlite3.DatabaseError):
        Store(tmp_path / "bmm.db")


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    migrate(tmp_path / "bmm.db")
    before = (tmp_path / "bmm.db").read_bytes()
    migrate(tmp_path / "bmm.db")
    assert (tmp_path / "bmm.db").read_bytes() == before


def test_who_follows_rows_is_woken_by_a_write_and_not_before(store: Store) -> None:
    shop = rows.server(store)

    async def follow() -> float:
        loop = asyncio.get_running_loop()
        seen = store.writes
        begun = loop.time()
        await store.achanged(seen, seconds=0.2)
        quiet = loop.time() - begun
        waiting = asyncio.ensure_future(store.achanged(seen, seconds=600))
        await asyncio.sleep(0)
        await store.aapply(servers.mark_deleted(shop.id, rows.T0))
        async with asyncio.timeout(60):
            await waiting
            await store.achanged(seen, seconds=600)  # a write between looking and waiting is not missed
        return quiet

    assert asyncio.run(follow()) >= 0.2
