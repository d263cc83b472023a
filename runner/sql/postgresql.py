"""PostgreSQL: each query in a transaction of its own, read by portions of a cursor, rolled back where it only reads.

Nothing is set for longer than a transaction, so sessions may be shared by a pooler such as PgBouncer; rolling back undoes what a
function may have set.
"""

import asyncio
import base64
import binascii
import contextlib
import re
import ssl
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

import asyncpg
import msgspec

from runner.database import Database
from runner.sql.errors import no_session, refused, untrusted
from runner.sql.moments import CODECS, parts_of
from runner.sql.session import MAX_READ, Gathering, Lost, NoSession, Query, Rows, SqlFailed
from runner.sql.values import plain, plain_json, single
from runner.tools.relay import Relay

CONNECT_SECONDS = 8.0
_PORTION = 50
# Classes whose messages speak of the statement and its values; others may tell of files, addresses or memory of the server.
_QUOTABLE = ("22", "23", "25", "40", "42", "0A", "P0", "57014")
_UNREADABLE = (
    "The query gives or takes a value of a type that cannot be read, such as anyarray. Other arguments do not help; "
    "the owner of this server must cast it to text in the tool's query."
)
_GONE = (asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, OSError)


async def connected(database: Database, password: str, *, relay: Relay, trust: ssl.SSLContext | None) -> "PostgresqlSession":
    """A session through an open relay, which the session owns from here on.

    Raises:
        NoSession: says who must do what; the relay is closed.
    """
    try:
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=relay.port,
            user=database.user,
            password=password,
            database=database.database,
            ssl=trust or False,
            timeout=CONNECT_SECONDS,
            # Named statements would outlive a transaction, and with it a pooler's connection.
            statement_cache_size=0,
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
        relay.close()
        raise _no_session(error, relay.refusal) from error
    except BaseException:
        relay.close()
        raise
    # `set_type_codec` would ask the database about each type first.
    settings = connection._protocol.get_settings()  # type: ignore[attr-defined]
    for name, number, encode, decode in CODECS:
        settings.add_python_codec(number, name, "pg_catalog", [], "scalar", encode, decode, "tuple")
    return PostgresqlSession(connection, relay)


def _no_session(error: Exception, refusal: str | None) -> NoSession:
    """Why there is no session, without the addresses and names that PostgreSQL puts into its words."""
    state = error.sqlstate or "" if isinstance(error, asyncpg.PostgresError) else ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return untrusted(error)
    if isinstance(error, ssl.SSLError) or "SSL" in str(error):
        return no_session("no TLS")
    if state.startswith("28"):
        return no_session("unauthorized")
    if state == "3D000":
        return no_session("no database")
    return no_session("full") if state.startswith(("53", "57")) else no_session("silent", refusal)


class PostgresqlSession:
    """One connection of asyncpg and its relay."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", relay: Relay) -> None:
        self._connection, self._relay = connection, relay
        self._ending: asyncio.Task[None] | None = None
        self._busy = False

    @property
    def usable(self) -> bool:
        return not self._busy and self._ending is None and not self._connection.is_closed()

    async def run(self, query: Query) -> Rows:
        self._busy = True
        self._relay.allow(MAX_READ)
        try:
            rows = await self._in_transaction(query)
        except _GONE as error:
            raise Lost(over=self._relay.over) from error
        except asyncpg.PostgresError as error:
            await self._rolled_back()
            if isinstance(error, asyncpg.DataError) and not error.message:  # the driver's own, before anything is sent
                said = _named(re.sub(r"^invalid input for query argument ", "", str(error)), query)
                raise SqlFailed("sql_arguments", f"A value does not fit its place in the query: {said[:300]}") from error
            state = error.sqlstate or ""
            raise refused(state, _named(error.message or "", query) if state.startswith(_QUOTABLE) else "") from error
        except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            if self._connection.is_closed() or self._relay.over:
                raise Lost(over=self._relay.over) from error
            await self._rolled_back()
            raise SqlFailed("sql_wrong", _UNREADABLE) from error
        except SqlFailed:
            await self._rolled_back()
            raise
        except asyncio.CancelledError:
            self._cancel()
            raise
        self._relay.allow(None)
        self._busy = False
        return rows

    def kill(self) -> None:
        if self._ending is None:
            self._connection.terminate()
            self._relay.close()

    async def _in_transaction(self, query: Query) -> Rows:
        mode = "READ ONLY" if query.read_only else "READ WRITE"
        milliseconds = max(1, round(query.seconds * 1000))
        await self._connection.execute(
            f"BEGIN {mode}; SET LOCAL statement_timeout = {milliseconds}; SET LOCAL standard_conforming_strings = on; "
            "SET LOCAL datestyle = 'ISO'; SET LOCAL timezone = 'UTC'"
        )
        statement = await self._connection.prepare(query.statement.numbered(), name="")
        types = statement.get_parameters()
        given = [converted(query.values.get(name), kind.name, name) for name, kind in zip(query.statement.distinct, types, strict=True)]
        columns = statement.get_attributes()
        gathering = Gathering(query, (column.name for column in columns))
        readers = [_reader(column.type.name) for column in columns]
        if not query.read_only:
            records = await statement.fetch(*given)
            changed = _changed(statement.get_statusmsg() or "")
            for record in records:
                if not gathering.add(_read(readers, record)):
                    break
            await self._connection.execute("COMMIT")
            return gathering.rows(changed=changed)
        if columns:
            cursor = await statement.cursor(*given)
            while records := await cursor.fetch(_PORTION):
                if not all(gathering.add(_read(readers, record)) for record in records):
                    break
        else:
            await statement.fetch(*given)
        await self._connection.execute("ROLLBACK")
        return gathering.rows()

    async def _rolled_back(self) -> None:
        try:
            await self._connection.execute("ROLLBACK")
        except (*_GONE, asyncpg.PostgresError, asyncpg.InterfaceError):
            return
        self._relay.allow(None)
        self._busy = False

    def _cancel(self) -> None:
        """asyncpg asks the server to stop; the connection may close once that is done."""

        async def end() -> None:
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                await self._connection.close(timeout=5)
            self._relay.close()

        self._ending = asyncio.ensure_future(end())


def _read(readers: Iterable[Callable[[Any], Any]], record: Iterable[Any]) -> list[Any]:
    return [read(value) for read, value in zip(readers, record, strict=True)]


def _reader(kind: str) -> Callable[[Any], Any]:
    return _READERS.get(kind, _plain)


def _plain(value: Any) -> Any:
    match value:
        case asyncpg.Range():
            return _range(value)
        case asyncpg.BitString():
            return value.as_string().replace(" ", "")
        case asyncpg.Record():
            return {key: _plain(each) for key, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case _:
            return plain(value)


def _range(value: "asyncpg.Range[Any]") -> str:
    if value.isempty:
        return "empty"
    lower, upper = ("" if each is None else str(plain(each)) for each in (value.lower, value.upper))
    return f"{'[' if value.lower_inc else '('}{lower},{upper}{']' if value.upper_inc else ')'}"


_READERS: dict[str, Callable[[Any], Any]] = {
    "json": plain_json,
    "jsonb": plain_json,
    "float4": single,
    # One byte, of whatever encoding.
    "char": lambda value: value if value is None else value.decode("latin-1"),
}


def _named(words: str, query: Query) -> str:
    """PostgreSQL counts parameters; whoever wrote the query has named them."""
    names = query.statement.distinct
    return re.sub(r"\$([1-9]\d{0,3})", lambda found: f":{names[int(found[1]) - 1]}" if int(found[1]) <= len(names) else found[0], words)


def _changed(status: str) -> int | None:
    # "INSERT 0 3", "UPDATE 3" (PostgreSQL manual, CommandComplete).
    found = re.fullmatch(r"(?:INSERT \d+|UPDATE|DELETE|MERGE) (\d+)", status)
    return int(found[1]) if found else None


_WANTED = {
    "date": "a date such as 2026-11-21",
    "timestamp": "a date and time such as 2026-11-21T15:00:00",
    "timestamptz": "a date and time with its zone, such as 2026-11-21T15:00:00Z",
    "time": "a time such as 15:00:00",
    "timetz": "a time with its zone, such as 15:00:00Z",
    "numeric": "a number",
    "bytea": "bytes as base64",
    "interval": "a duration such as P1DT2H30M",
} | dict.fromkeys(("int2", "int4", "int8", "oid"), "a whole number") | dict.fromkeys(("float4", "float8"), "a number")


def converted(value: Any, kind: str, name: str) -> Any:
    """A JSON value as asyncpg wants it for a parameter of this type.

    Raises:
        SqlFailed: it does not fit; `name` is the argument's.
    """
    if value is None:
        return None
    if kind.endswith("[]"):
        if not isinstance(value, list):
            raise SqlFailed("sql_arguments", f"`{name}` must be a list.")
        return [converted(each, kind[:-2], name) for each in value]
    try:
        return _CONVERTERS.get(kind, _text)(value)
    except (ValueError, TypeError, InvalidOperation, OverflowError, binascii.Error):
        raise SqlFailed("sql_arguments", f"`{name}` must be {_WANTED.get(kind, f'a value of the type {kind}')}.") from None


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _whole(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    return int(value)


def _timestamp(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _timestamptz(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _timetz(value: Any) -> time:
    moment = time.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), _whole),
    **dict.fromkeys(("float4", "float8"), float),
    "numeric": lambda value: Decimal(str(value)),
    "bool": _boolean,
    "date": date.fromisoformat,
    "timestamp": _timestamp,
    "timestamptz": _timestamptz,
    "time": time.fromisoformat,
    "timetz": _timetz,
    "interval": parts_of,
    "bytea": lambda value: base64.b64decode(value, validate=True),
    "json": lambda value: msgspec.json.encode(value).decode(),
    "jsonb": lambda value: msgspec.json.encode(value).decode(),
}
