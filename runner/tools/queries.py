"""Queries that code asks: on the databases of the spec, reading only, under the limits of `sql` tools."""

from collections.abc import Mapping
from typing import Any

from runner.contract import StatementError, parse_query
from runner.sql.databases import Databases
from runner.sql.session import Query
from runner.tools.outgoing import Refused

SECONDS = 10.0
MAX_ROWS = 1000
MAX_BYTES = 1_000_000


class Queries:
    """The databases of a server, as its code may ask them."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def query(self, database: str, query: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All rows.

        Raises:
            Refused: there is no such database, it cannot be asked this, or the rows are too many to hand over; else as `Databases.ask`.
        """
        try:
            known = self._databases.database(database)
        except KeyError:
            raise Refused("sql_unknown", f"The spec of this server does not list the database {database[:64]!r}.") from None
        try:
            statement = parse_query(query, known.kind, read_only=True)
        except StatementError as error:
            raise Refused("sql_refused", f"The query cannot be used: {error}.") from None
        asked = Query(statement=statement, values=params, read_only=True, seconds=SECONDS, max_rows=MAX_ROWS, max_bytes=MAX_BYTES)
        rows = await self._databases.ask(database, asked)
        if rows.cut is not None:
            # Code that counts on all rows must not go on with some of them.
            raise Refused("sql_too_large", f"There are more than {MAX_ROWS:,} rows or {MAX_BYTES:,} bytes; ask for fewer, with a LIMIT.")
        return list(rows.rows)
