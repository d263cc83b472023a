"""MySQL and MariaDB: each query in a transaction of its own, rolled back where it only reads; rows are read one by one.

Values become literals by us: a text as the hexadecimal digits of its bytes, which no setting of a server can read otherwise.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

import aiomysql
import msgspec
import pymysql
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import conversions

from runner.database import Database
from runner.sql.errors import no_session, refused, untrusted
from runner.sql.session import MAX_READ, Gathering, Lost, NoSession, Query, Rows
from runner.sql.values import MOST_EXACT, plain, plain_json
from runner.tools.relay import Relay

CONNECT_SECONDS = 8.0
_PORTION = 50
# As the tokenizer reads texts: backslashes escape, double quotes are texts.
_MODE = "STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY"
_CONVERSIONS: dict[int, Callable[[Any], Any]] = {
    **conversions,
    FIELD_TYPE.TIME: str,
    FIELD_TYPE.BIT: lambda value: int.from_bytes(value, "big"),
}
# Error numbers (MariaDB and MySQL manuals) by the SQLSTATE that says it best; the servers' own are mostly HY000.
_STATES = {
    1062: "23505", 1586: "23505", 1451: "23503", 1452: "23503", 1048: "23502", 1364: "23502", 3819: "23514", 4025: "23514",
    1792: "25006", 1836: "25006", 1290: "25006", 1044: "42501", 1142: "42501", 1143: "42501", 1227: "42501", 1370: "42501",
    3024: "57014", 1969: "57014", 1317: "57014", 1054: "42703", 1064: "42601", 1146: "42P01", 1305: "42883", 1327: "42601",
    1264: "22003", 1292: "22007", 1366: "22018", 1406: "22001", 1365: "22012", 3140: "22032", 1205: "55P03", 1213: "40P01",
    1040: "53300", 1203: "53300", 1226: "53300", 1114: "53100", 1267: "22021", 1270: "22021", 1271: "22021", 1367: "22003", 1690: "22003", 1416: "22000",
}  # fmt: skip
_GONE = (2006, 2013, 2014, 2055, 1053, 1927, 3169)


class _NoTls(Exception):
    pass


class _Connection(aiomysql.Connection):  # type: ignore[misc]
    """aiomysql goes on without TLS where a server, or somebody between, does not offer it."""

    async def _get_server_information(self) -> None:
        await super()._get_server_information()
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:
            raise _NoTls

    async def _request_authentication(self) -> None:
        # One statement at a time, whatever the text holds.
        self.client_flag &= ~CLIENT.MULTI_STATEMENTS
        await super()._request_authentication()


class _Cursor(aiomysql.SSCursor):  # type: ignore[misc]
    async def _show_warnings(self, conn: object) -> None:
        """Would be asked for in one more round trip, and written to a log with the values of rows in it."""


async def connected(database: Database, password: str, *, relay: Relay, trust: ssl.SSLContext | None) -> "MysqlSession":
    """A session through an open relay, which the session owns from here on.

    Raises:
        NoSession: says who must do what; the relay is closed.
    """
    connection = _Connection(
        host="127.0.0.1", port=relay.port, user=database.user, password=password, db=database.database or None, charset="utf8mb4",
        ssl=trust, connect_timeout=CONNECT_SECONDS, conv=_CONVERSIONS, autocommit=None, program_name="BuildMyMCPServer",
        # An update counts the rows it found, also those that were so already.
        client_flag=CLIENT.FOUND_ROWS,
        # Servers may pass over the character set of a handshake, and have other collations for it than the driver names.
        init_command=f"SET NAMES utf8mb4, SESSION sql_mode = '{_MODE}', SESSION time_zone = '+00:00'",
    )  # fmt: skip
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await connection._connect()
    except (pymysql.err.Error, _NoTls, OSError, TimeoutError, RuntimeError) as error:
        relay.close()
        raise _no_session(error, relay.refusal) from error
    except BaseException:
        relay.close()
        raise
    return MysqlSession(connection, relay)


def _no_session(error: Exception, refusal: str | None) -> NoSession:
    """Why there is no session, without the addresses and names in a server's words."""
    cause = error.__cause__ if error.__cause__ is not None else error
    number = error.args[0] if isinstance(error, pymysql.err.Error) and error.args else 0
    if isinstance(cause, ssl.SSLCertVerificationError):
        return untrusted(cause)
    if isinstance(cause, ssl.SSLError | _NoTls):
        return no_session("no TLS")
    if number in (1045, 1698, 1251, 3118, 1862):
        return no_session("unauthorized")
    if number in (1049, 1044):
        return no_session("no database")
    return no_session("full") if number in (1040, 1203, 1226, 1053) else no_session("silent", refusal)


class MysqlSession:
    """One connection of aiomysql and its relay."""

    def __init__(self, connection: _Connection, relay: Relay) -> None:
        self._connection, self._relay = connection, relay
        self._ending: asyncio.Task[None] | None = None
        self._busy = False
        self._settings = ""

    @property
    def usable(self) -> bool:
        reader = self._connection._reader
        return not self._busy and self._ending is None and not self._connection.closed and reader is not None and not reader.at_eof()

    async def run(self, query: Query) -> Rows:
        self._busy = True
        self._relay.allow(MAX_READ)
        try:
            rows = await self._in_transaction(query)
        except pymysql.err.Error as error:
            number = error.args[0] if error.args else 0
            if self._relay.over or number in _GONE or isinstance(error, pymysql.err.InterfaceError | pymysql.err.InternalError):
                raise Lost(over=self._relay.over) from error
            await self._rolled_back()
            state = _STATES.get(number, "HY000")
            # Who may not do what is said with the user's name and the address he comes from.
            words = str(error.args[1]) if state != "HY000" and state != "42501" and len(error.args) > 1 else ""
            raise refused(state, words) from error
        except (OSError, EOFError, RuntimeError, AttributeError) as error:
            # aiomysql forgets its streams when a connection breaks, and then fails on None.
            raise Lost(over=self._relay.over) from error
        except asyncio.CancelledError:
            self._cancel()
            raise
        self._relay.allow(None)
        return rows

    def kill(self) -> None:
        if self._ending is None:
            self._connection.close()
            self._relay.close()

    async def _in_transaction(self, query: Query) -> Rows:
        limit = (
            f"max_statement_time = {query.seconds:g}"
            if "mariadb" in self._connection.server_version.lower()
            else f"max_execution_time = {max(1, round(query.seconds * 1000))}"
        )
        settings = f"SET SESSION sql_select_limit = {query.max_rows + 1}, {limit}"
        if settings != self._settings:
            await self._connection.query(settings)
            self._settings = settings
        await self._connection.query(f"START TRANSACTION READ {'ONLY' if query.read_only else 'WRITE'}")
        cursor = await self._connection.cursor(_Cursor)
        await cursor.execute(query.statement.with_each(lambda name: literal(query.values.get(name))))
        columns = cursor.description or ()
        gathering = Gathering(query, (column[0] for column in columns))
        readers = [plain_json if column[1] == FIELD_TYPE.JSON else plain for column in columns]
        changed = None if columns else int(cursor.rowcount)
        more = bool(columns)
        while more and gathering.cut is None:
            rows = await cursor.fetchmany(_PORTION)
            more = len(rows) == _PORTION
            for row in rows:
                if not gathering.add(read(value) for read, value in zip(readers, row, strict=True)):
                    break
        if more and len(await cursor.fetchmany(_PORTION)) == _PORTION and query.read_only:
            # What is left would have to be read to its end before the connection can be used again.
            return gathering.rows()
        await cursor.close()
        await self._connection.query("ROLLBACK" if query.read_only else "COMMIT")
        self._busy = False
        return gathering.rows(changed=changed)

    async def _rolled_back(self) -> None:
        try:
            await self._connection.query("ROLLBACK")
        except (pymysql.err.Error, OSError, RuntimeError, AttributeError):
            return
        self._relay.allow(None)
        self._busy = False

    def _cancel(self) -> None:
        """Have the server stop, by way of a second connection: it does not notice that nobody listens."""

        async def end() -> None:
            kept = self._connection
            with contextlib.suppress(pymysql.err.Error, _NoTls, OSError, TimeoutError, RuntimeError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    second = _Connection(
                        host="127.0.0.1", port=self._relay.port, user=kept.user, password=kept._password, charset="utf8mb4",
                        ssl=kept._ssl_context, connect_timeout=CONNECT_SECONDS, autocommit=None,
                    )  # fmt: skip
                    await second._connect()
                    await second.query(f"KILL {int(self._thread)}")
                    second.close()
            kept.close()
            self._relay.close()

        self._ending = asyncio.ensure_future(end())

    @property
    def _thread(self) -> int:
        return int(self._connection.server_thread_id[0])


def literal(value: Any) -> str:
    """A JSON value as SQL, whatever mode or character set the session has."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        # A model may write 50 as 50.0, and no LIMIT takes that.
        case float() if value.is_integer() and abs(value) <= MOST_EXACT:
            return literal(int(value))
        case int():
            return str(value) if value >= 0 else f"({value})"
        case float():
            # With an exponent it is a double; without one it would be a decimal, which comes back as text.
            return f"({value!r})" if "e" in repr(value) else f"({value!r}e0)"
        case str():
            return f"_utf8mb4 X'{value.encode().hex()}' "
        case _:
            return literal(msgspec.json.encode(value).decode())
