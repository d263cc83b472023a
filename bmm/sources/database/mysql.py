"""Reads the catalogue of a MySQL or MariaDB in one transaction that only reads."""

import asyncio
import re
from collections import Counter
from typing import Any

import aiomysql
import pymysql
from pymysql.constants import CLIENT

from bmm.errors import BadInput
from bmm.sources.database.catalog import Catalog, Column, Family, Prepared, Table
from bmm.sources.database.dialect import literal
from bmm.sources.database.options import Options, Place
from bmm.sources.database.trust import NO_TLS, failure, trust_of
from runner.contract import Statement

_SECONDS = 15.0
# Joined here: MariaDB opens every table again for every row of a query that asks one of these about another.
_TABLES = """
SELECT table_schema, table_name, table_type LIKE '%VIEW', table_comment, table_rows
FROM information_schema.tables WHERE table_schema IN ({schemas}) AND table_type <> 'SEQUENCE' ORDER BY table_schema, table_name
"""
_COLUMNS = """
SELECT table_schema, table_name, column_name, column_type, data_type, is_nullable = 'YES', coalesce(column_default, 'NULL') <> 'NULL',
       extra, column_comment, column_key = 'PRI'
FROM information_schema.columns WHERE table_schema IN ({schemas}) AND FIND_IN_SET('select', privileges)
ORDER BY table_schema, table_name, ordinal_position
"""
_DISTINCT = """
SELECT table_schema, table_name, column_name, max(cardinality) FROM information_schema.statistics
WHERE table_schema IN ({schemas}) AND seq_in_index = 1 GROUP BY table_schema, table_name, column_name
"""
_REFERENCES = """
SELECT table_schema, table_name, column_name, referenced_table_schema, referenced_table_name
FROM information_schema.key_column_usage WHERE table_schema IN ({schemas}) AND referenced_table_name IS NOT NULL
"""
_FAMILIES: dict[str, Family] = {
    "tinyint": "integer", "smallint": "integer", "mediumint": "integer", "int": "integer", "bigint": "long", "year": "integer",
    "float": "number", "double": "number", "decimal": "decimal", "char": "text", "varchar": "text", "tinytext": "text", "text": "text",
    "mediumtext": "text", "longtext": "text", "enum": "text", "set": "text", "date": "date", "datetime": "timestamp",
    "timestamp": "timestamp", "time": "time", "json": "json", "binary": "bytes", "varbinary": "bytes", "tinyblob": "bytes", "blob": "bytes",
    "mediumblob": "bytes", "longblob": "bytes", "uuid": "uuid", "bit": "integer",
}  # fmt: skip


class _Connection(aiomysql.Connection):  # type: ignore[misc]
    """aiomysql goes on without TLS where a server, or somebody between, does not offer it."""

    async def _get_server_information(self) -> None:
        await super()._get_server_information()
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:
            raise BadInput(f"The database cannot be asked: {NO_TLS}")


class _Cursor(aiomysql.Cursor):  # type: ignore[misc]
    async def _show_warnings(self, conn: object) -> None:
        """Of a view that refers to what is gone, for example: it has no columns, and nobody who compiles has to see where that was found."""


async def read(place: Place, options: Options, queries: dict[str, Statement]) -> tuple[Catalog, dict[str, Prepared]]:
    """The tables this user may read, and what the database says of the owner's queries.

    Raises:
        BadInput: it cannot be asked; in the database's words, without the password.
    """
    if not place.database:
        raise BadInput("The URL names no database; end it with /NAME, or give --schema NAME")
    schemas = options.schemas or (place.database,)
    connection = _Connection(
        host=place.dialled, port=place.port, user=place.user, password=place.password, db=place.database, charset="utf8mb4",
        ssl=trust_of(place, options) if place.tls else None, connect_timeout=_SECONDS, autocommit=None,
        init_command="SET NAMES utf8mb4",
    )  # fmt: skip
    try:
        async with asyncio.timeout(_SECONDS):
            await connection._connect()
    except (pymysql.err.Error, OSError, TimeoutError) as error:
        raise BadInput(f"{place.host}:{place.port} cannot be asked: {_why(error)}") from error
    try:
        async with asyncio.timeout(2 * _SECONDS):
            await connection.query("START TRANSACTION READ ONLY")
            named = ", ".join(literal(schema, "mysql") for schema in schemas)
            tables, columns, distinct, references = [
                await _rows(connection, query.format(schemas=named)) for query in (_TABLES, _COLUMNS, _DISTINCT, _REFERENCES)
            ]
            grants = await _rows(connection, "SHOW GRANTS")
            prepared = {name: await _prepared(connection, statement) for name, statement in queries.items()}
    except (pymysql.err.Error, TimeoutError) as error:
        raise BadInput(f"The catalogue of {place.host} cannot be read: {_why(error)}") from error
    finally:
        await _ended(connection)
    counted = {(row[0], row[1], row[2]): row[3] for row in distinct}
    refers = {(row[0], row[1], row[2]): row[4] for row in references}
    referred = Counter((row[3], row[4]) for row in references)
    by_table: dict[tuple[str, str], list[tuple[Column, bool]]] = {}
    for row in columns:
        by_table.setdefault((row[0], row[1]), []).append((_column(row, counted.get(row[:3]), refers.get(row[:3], "")), bool(row[9])))
    found = tuple(
        Table(
            schema=schema, name=name, is_view=bool(is_view), comment="" if is_view else comment or "", rows=None if is_view else rows,
            columns=tuple(column for column, _ in by_table.get((schema, name), ())),
            key=tuple(column.name for column, in_key in by_table.get((schema, name), ()) if in_key), referred=referred[schema, name],
        )
        for schema, name, is_view, comment, rows in tables
    )  # fmt: skip
    everything = any(" ON *.* " in grant and ("ALL PRIVILEGES" in grant or "FILE" in grant) for (grant,) in grants)
    return Catalog(kind="mysql", tables=found, powerful="it may read and write files and everything else" if everything else ""), prepared


async def _ended(connection: _Connection) -> None:
    """Closed before the loop is: over TLS a polite end would wait for the other side."""
    if connection._writer is not None:
        connection._writer.transport.abort()
        await asyncio.sleep(0.01)
    connection.close()


async def _rows(connection: _Connection, query: str) -> list[tuple[Any, ...]]:
    cursor = await connection.cursor(_Cursor)
    await cursor.execute(query)
    return list(await cursor.fetchall())


def _column(row: tuple[Any, ...], distinct: int | None, refers: str) -> Column:
    _, _, name, declared, kind, nullable, has_default, extra, comment, _ = row
    choices = _choices(declared) if kind == "enum" else ()
    return Column(
        name=name, declared=declared, family="boolean" if declared == "tinyint(1)" else _FAMILIES.get(kind, "other"),
        nullable=bool(nullable), filled=bool(has_default) or "auto_increment" in extra.lower() or "DEFAULT_GENERATED" in extra,
        computed="GENERATED" in extra.replace("DEFAULT_GENERATED", ""), comment=comment or "", choices=choices,
        distinct=distinct, refers=refers,
    )  # fmt: skip


def _choices(declared: str) -> tuple[str, ...]:
    """`enum('a','b''c','d\\\\e')` as its values."""
    return tuple(each.replace("''", "'").replace("\\\\", "\\") for each in re.findall(r"'((?:[^']|'')*)'", declared))


async def _prepared(connection: _Connection, statement: Statement) -> Prepared:
    # The server takes the text of a PREPARE apart without running it; it does not tell the types of parameters.
    text = statement.with_each(lambda _: "?")
    try:
        await _rows(connection, f"PREPARE bmm_look FROM {literal(text, 'mysql')}")
        await _rows(connection, "DEALLOCATE PREPARE bmm_look")
    except pymysql.err.Error as error:
        return Prepared(problem=_why(error))
    return Prepared()


def _why(error: Exception) -> str:
    return failure(error.__cause__ or error) or (str(error.args[-1]) if error.args else type(error).__name__)
