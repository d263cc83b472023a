"""The databases of one server: a pool for each, with its way out, its trust and its password."""

import asyncio
import ssl
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Protocol

from runner.contract import ServerSpec
from runner.database import Database
from runner.sql.pool import Pool
from runner.sql.session import MAX_READ, Lost, NoSession, Query, Rows, Session, SqlFailed
from runner.tools.egress import sentence_of
from runner.tools.outgoing import Refused
from runner.tools.relay import Relay, named_trust

# What the database is given beyond its own limit to say itself that the time is over.
_GRACE = 1.0
_LESS = "Ask for less: a narrower filter or fewer rows."
_NOTHING = "It was not asked, so nothing has changed. Try again later."
_UNKNOWN = "Whether it made the change is unknown: check before you repeat it."


class Ways(Protocol):
    """What leads out of the container."""

    def way(self, name: str, port: int) -> str | None:
        """The socket that leads to exactly this place; None where the owner has not allowed it."""


class Databases:
    """Pools by the names the spec gives the databases. Nothing is opened before the first query."""

    def __init__(self, spec: ServerSpec, *, ways: Ways, secrets: Mapping[str, str], files: Path) -> None:
        self._ways, self._secrets, self._files = ways, secrets, files
        self._known = {database.name: database for database in spec.databases}
        self._pools: dict[str, Pool] = {}

    async def ask(self, name: str, query: Query) -> Rows:
        """The answer of one of the databases.

        Raises:
            Refused: for whatever reason there is none.
        """
        begun = asyncio.Event()
        try:
            async with asyncio.timeout(query.seconds + _GRACE):
                return await self[name].run(query, begun.set)
        except TimeoutError:
            if not begun.is_set():
                none = f"No connection to the database was free, or could be opened, within {query.seconds:g} seconds."
                raise Refused("sql_unavailable", f"{none} {_NOTHING}") from None
            advice = _LESS if query.read_only else _UNKNOWN
            raise Refused("sql_timeout", f"The database did not answer within {query.seconds:g} seconds. {advice}") from None
        except SqlFailed as error:
            raise Refused(error.code, error.sentence) from error
        except NoSession as error:
            if error.refusal is not None:
                told = sentence_of(f"The database {name}", error.refusal)
                raise Refused(told.error_code or error.code, told.text or "") from error
            raise Refused(error.code, f"The database {name} cannot be asked: {error.sentence}.") from error
        except Lost as error:
            if error.over:
                limit = MAX_READ // 1024**2
                raise Refused("sql_too_large", f"The rows hold more than {limit} MiB and were not read. Ask for fewer rows or columns.") from error
            raise Refused("sql_lost", f"The connection to the database broke. {'Try again.' if query.read_only else _UNKNOWN}") from error

    def __getitem__(self, name: str) -> Pool:
        if name not in self._pools:
            self._pools[name] = Pool(_Connector(self._known[name], self._ways, self._secrets, self._files))
        return self._pools[name]

    def database(self, name: str) -> Database:
        return self._known[name]


class _Connector:
    """Opens sessions of one database."""

    def __init__(self, database: Database, ways: Ways, secrets: Mapping[str, str], files: Path) -> None:
        self._database, self._ways, self._secrets, self._files = database, ways, secrets, files

    async def __call__(self) -> Session:
        database = self._database
        if database.kind == "sqlite":
            from runner.sql.sqlite import opened

            return await opened(self._files / database.file)
        password = ""
        if database.password is not None:
            password = self._secrets.get(database.password, "")
            if not password:
                raise NoSession("secret_missing", f"the owner of this server has not set its password, {database.password}")
        way = self._ways.way(database.host, database.reached_port)
        if way is None:
            raise NoSession("egress_denied", "this server is not allowed to reach it; only its owner can change that")
        relay = Relay(way)
        await relay.open()
        if database.kind == "postgresql":
            from runner.sql import postgresql

            return await postgresql.connected(database, password, relay=relay, trust=self._trust)
        from runner.sql import mysql

        return await mysql.connected(database, password, relay=relay, trust=self._trust)

    @cached_property
    def _trust(self) -> ssl.SSLContext | None:
        database = self._database
        return None if database.tls == "off" else named_trust(database.host, database.trust)
