"""The one door to the database: queries are values; a single thread writes, readers are separate and read-only.

Below SQLite 3.51.3 two connections that write and checkpoint at the same instant can lose pages (sqlite.org/wal.html#the_wal_reset_bug),
so exactly one connection of one process does both.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Generic, TypeVar

import aiosqlite
import msgspec

from bmm.errors import Conflict
from bmm.store.migrations import migrate

T = TypeVar("T")
R = TypeVar("R")

Value = str | int | float | bytes | None
_READER_PRAGMAS = "PRAGMA query_only = ON; PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF;"
_WRITER_PRAGMAS = """
    PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;
"""


class Query(Generic[T]):
    """A question: SQL, its parameters and the Struct a row becomes."""

    __slots__ = ("params", "row", "sql")

    def __init__(self, sql: str, params: Mapping[str, Value], row: type[T]) -> None:
        self.sql, self.params, self.row = sql, params, row


class Statement:
    """A change. With `expect`, another number of touched rows undoes the whole transaction and raises `Stale`."""

    __slots__ = ("expect", "params", "sql")

    def __init__(self, sql: str, params: Mapping[str, Value], expect: int | None = None) -> None:
        self.sql, self.params, self.expect = sql, params, expect


class Rows:
    """The same change for many rows, each the values of the placeholders in their order: a fraction of a statement for each."""

    __slots__ = ("rows", "sql")

    def __init__(self, sql: str, rows: Sequence[tuple[Value, ...]]) -> None:
        self.sql, self.rows = sql, rows


class Stale(Conflict):
    """Somebody else was there first: a guarded update touched no row."""

    code = "stale"


class Store:
    """Reads and writes of one database file. Sync methods for worker threads, `a…` methods for the web plane."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        migrate(path)
        self._path = path
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._async_reader: aiosqlite.Connection | None = None
        self._opening = asyncio.Lock()
        self.writes = 0
        self._waiting: set[Callable[[], object]] = set()
        self._work: queue.SimpleQueue[tuple[Callable[[sqlite3.Connection], Any], Future[Any]] | None] = queue.SimpleQueue()
        # Opened here, so that a database that cannot be written stops the start instead of a thread that everybody waits for.
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
        db.executescript(_WRITER_PRAGMAS)
        self._writer = threading.Thread(target=self._write_loop, args=(db,), name="store-writer", daemon=True)
        self._writer.start()

    def one(self, query: Query[T]) -> T | None:
        with self._reader() as db:
            row = db.execute(query.sql, query.params).fetchone()
        return None if row is None else _decode(row, query.row)

    def all(self, query: Query[T]) -> list[T]:
        with self._reader() as db:
            found = db.execute(query.sql, query.params).fetchall()
        return [_decode(row, query.row) for row in found]

    async def aone(self, query: Query[T]) -> T | None:
        reader = await self._areader()
        async with reader.execute(query.sql, query.params) as cursor:
            row = await cursor.fetchone()
        return None if row is None else _decode(row, query.row)

    async def aall(self, query: Query[T]) -> list[T]:
        reader = await self._areader()
        async with reader.execute(query.sql, query.params) as cursor:
            return [_decode(row, query.row) for row in await cursor.fetchall()]

    def apply(self, *statements: Statement | Rows) -> None:
        """Do all or none, in one `BEGIN IMMEDIATE` transaction; returns once it is on disk.

        Raises:
            Stale: a statement's `expect` was not met.
            sqlite3.IntegrityError: a constraint of the schema was violated.
        """
        self.transact(lambda db: _run(db, statements))

    async def aapply(self, *statements: Statement) -> None:
        """`apply`, awaited."""
        await self.atransact(lambda db: _run(db, statements))

    def transact(self, act: Callable[[sqlite3.Connection], R]) -> R:
        """Run `act` on the writing connection inside one transaction: what it read is still true when it writes."""
        return self._submit(act).result()

    async def atransact(self, act: Callable[[sqlite3.Connection], R]) -> R:
        """`transact`, awaited."""
        return await asyncio.wrap_future(self._submit(act))

    async def achanged(self, since: int, *, seconds: float) -> None:
        """Wait until `writes` is no longer `since`, at most so long: whoever follows rows sees them as they are written."""
        loop, written = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and who waited in it
                loop.call_soon_threadsafe(written.set)

        self._waiting.add(wake)
        try:
            if self.writes == since:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(written.wait(), seconds)
        finally:
            self._waiting.discard(wake)

    def close(self) -> None:
        self._work.put(None)
        self._writer.join()
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    async def aclose(self) -> None:
        if self._async_reader is not None:
            await self._async_reader.close()
        await asyncio.to_thread(self.close)

    def _submit(self, act: Callable[[sqlite3.Connection], R]) -> "Future[R]":
        if not self._writer.is_alive():
            raise RuntimeError("the store is closed")
        done: Future[R] = Future()
        self._work.put((act, done))
        return done

    def _write_loop(self, db: sqlite3.Connection) -> None:
        while (item := self._work.get()) is not None:
            act, done = item
            if not done.set_running_or_notify_cancel():
                continue
            try:
                db.execute("BEGIN IMMEDIATE")
                try:
                    result = act(db)
                    db.execute("COMMIT")
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(result)
                self.writes += 1
                for wake in tuple(self._waiting):
                    wake()
        db.close()

    @contextlib.contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """An idle reading connection, or a new one. One per thread would outlive its thread: SQLite keeps its file open."""
        try:
            reader = self._idle.get_nowait()
        except queue.Empty:
            reader = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            reader.row_factory = sqlite3.Row
            reader.executescript(_READER_PRAGMAS)
        try:
            yield reader
        finally:
            self._idle.put(reader)

    async def _areader(self) -> aiosqlite.Connection:
        async with self._opening:
            if self._async_reader is None:
                reader = await aiosqlite.connect(self._path, isolation_level=None)
                reader.row_factory = sqlite3.Row
                await reader.executescript(_READER_PRAGMAS)
                self._async_reader = reader
            return self._async_reader


def one(db: sqlite3.Connection, query: Query[T]) -> T | None:
    """Answer a query inside `transact`."""
    row = db.execute(query.sql, query.params).fetchone()
    return None if row is None else _decode(row, query.row)


def run(db: sqlite3.Connection, *statements: Statement) -> None:
    """Apply statements inside `transact`."""
    _run(db, statements)


def _run(db: sqlite3.Connection, statements: tuple[Statement | Rows, ...]) -> None:
    for statement in statements:
        if isinstance(statement, Rows):
            db.executemany(statement.sql, statement.rows)
            continue
        touched = db.execute(statement.sql, statement.params).rowcount
        if statement.expect is not None and touched != statement.expect:
            raise Stale("This has changed in the meantime; look at it again.")


def _decode(row: sqlite3.Row, kind: type[T]) -> T:
    # SQLite has no booleans and no dates; `strict=False` reads 0/1 and ISO text as what the Struct declares.
    return msgspec.convert(dict(row), kind, strict=False)
