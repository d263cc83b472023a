"""SQLite: a file that never changes, asked in a thread, with nothing allowed but reading."""

import asyncio
import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

import msgspec

from runner.sql.errors import refused
from runner.sql.session import MAX_READ, Gathering, NoSession, Query, Rows, SqlFailed
from runner.sql.values import plain

_STEPS = 10_000
_MEMORY = 128 * 1024 * 1024
_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_TOLD = frozenset({"table_info", "table_xinfo", "index_list", "index_info", "foreign_key_list"})
# By which a full-text search sees whether its index is still the one it has read.
_ASKED = frozenset({"data_version"})


async def opened(path: Path) -> "SqliteSession":
    """Raises:
    NoSession: the file is not there or no database.
    """
    try:
        return SqliteSession(await asyncio.to_thread(_connect, path))
    except sqlite3.Error as error:
        raise NoSession("sql_unavailable", "its file is missing or damaged. The owner must deploy it again") from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False, isolation_level=None)
    # Nobody stops a writer from storing what is no UTF-8.
    connection.text_factory = lambda stored: stored.decode(errors="replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_READ)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA hard_heap_limit = {_MEMORY}")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    for name in _TOLD:
        # Made at first use, which the authorizer would not let happen.
        connection.execute(f"SELECT * FROM pragma_{name}('')").fetchall()
    for (name,) in connection.execute("SELECT name FROM pragma_table_list WHERE type = 'virtual' AND schema = 'main'").fetchall():
        with contextlib.suppress(sqlite3.OperationalError):  # its module is not here
            connection.execute(f'SELECT * FROM "{name.replace(chr(34), chr(34) * 2)}" LIMIT 0').fetchall()
    connection.set_authorizer(_authorized)
    return connection


def _authorized(action: int, first: str | None, second: str | None, *_: object) -> int:
    told = action == sqlite3.SQLITE_PRAGMA and first in _TOLD | _ASKED
    return sqlite3.SQLITE_OK if told or (action in _ALLOWED and second != "load_extension") else sqlite3.SQLITE_DENY


class SqliteSession:
    """One connection; a query runs in a thread of its own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._running: asyncio.Future[Rows] | None = None

    @property
    def usable(self) -> bool:
        return self._running is None or self._running.done()

    async def run(self, query: Query) -> Rows:
        self._running = asyncio.ensure_future(asyncio.to_thread(self._answer, query))
        try:
            return await asyncio.shield(self._running)
        except asyncio.CancelledError:
            self._connection.interrupt()
            # Taken note of: nobody waits for it any more.
            self._running.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    def kill(self) -> None:
        if self._running is None or self._running.done():
            self._connection.close()
        else:
            self._running.add_done_callback(lambda _: self._connection.close())

    def _answer(self, query: Query) -> Rows:
        until = time.monotonic() + query.seconds
        self._connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        values = {name: _given(query.values.get(name)) for name in query.statement.distinct}
        cursor: sqlite3.Cursor | None = None
        try:
            cursor = self._connection.execute(query.statement.with_each(lambda name: f":{name}"), values)
            gathering = Gathering(query, (column[0] for column in cursor.description or ()))
            for row in cursor:
                if not gathering.add(map(plain, row)):
                    break
            return gathering.rows()
        except (sqlite3.Error, OverflowError, MemoryError) as error:
            raise _refused(error) from error
        finally:
            if cursor is not None:
                cursor.close()


def _given(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value


def _refused(error: Exception) -> SqlFailed:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_INTERRUPT":
        return refused("57014", "")
    if name in ("SQLITE_TOOBIG", "SQLITE_NOMEM") or isinstance(error, MemoryError):
        return SqlFailed("sql_too_large", "The query needs more memory than it may have. Ask for fewer rows or columns.")
    if name in ("SQLITE_AUTH", "SQLITE_READONLY"):
        return SqlFailed("sql_read_only", "The database refused, because this file can only be read. Other arguments do not help.")
    if isinstance(error, OverflowError | sqlite3.InterfaceError) or name == "SQLITE_MISMATCH":
        return SqlFailed("sql_arguments", "A value does not fit its place in the query, such as a number that is too large.")
    return SqlFailed("sql_wrong", f"The query does not fit the database; the owner of this server must correct the tool.\nThe database said: {error}")
