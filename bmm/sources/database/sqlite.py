"""Reads the catalogue of a SQLite file."""

import re
import sqlite3

from bmm.errors import BadInput
from bmm.sources.database.catalog import Catalog, Column, Family, Prepared, Table
from bmm.sources.database.dialect import quoted
from bmm.sources.database.options import Place
from runner.contract import Statement

# In this order, as SQLite finds a column's affinity (sqlite.org/datatype3.html, section 3.1), with what people mean besides.
_FAMILIES: tuple[tuple[str, Family], ...] = (
    ("bool", "boolean"), ("int", "long"), ("char", "text"), ("clob", "text"), ("text", "text"), ("json", "json"), ("blob", "bytes"),
    ("real", "number"), ("floa", "number"), ("doub", "number"), ("dec", "number"), ("num", "number"), ("timestamp", "timestamp"),
    ("datetime", "timestamp"), ("date", "date"), ("time", "time"),
)  # fmt: skip
# Beyond that, counting what a column holds would take too long.
_MOST_COUNTED = 200_000


def read(place: Place, queries: dict[str, Statement]) -> tuple[Catalog, dict[str, Prepared]]:
    """The tables, and what SQLite says of the owner's queries.

    Raises:
        BadInput: not there, or no SQLite database.
    """
    try:
        if place.path.exists() and not place.path.is_file():
            raise BadInput(f"{place.path} is not a file; give the file of a SQLite database, or a URL")
        connection = sqlite3.connect(f"{place.path.resolve(strict=True).as_uri()}?mode=ro", uri=True)
        try:
            names = connection.execute(
                "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
            ).fetchall()
            tables = tuple(_table(connection, name, kind) for name, kind in names)
            prepared = {name: _prepared(connection, statement) for name, statement in queries.items()}
        finally:
            connection.close()
    except (OSError, RuntimeError, sqlite3.Error) as error:  # RuntimeError: links in a circle
        raise BadInput(f"{place.path} cannot be read as a SQLite database: {getattr(error, 'strerror', None) or error}") from error
    return Catalog(kind="sqlite", tables=tables), prepared


def _table(connection: sqlite3.Connection, name: str, kind: str) -> Table:
    rows = None if kind == "view" else int(connection.execute(f"SELECT count(*) FROM {quoted(name, 'sqlite')}").fetchone()[0])
    keys = connection.execute("SELECT \"from\", \"table\" FROM pragma_foreign_key_list(?)", (name,)).fetchall()
    found = connection.execute('SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', (name,)).fetchall()
    in_key = [row for row in sorted(found, key=lambda row: row[4]) if row[4]]
    # A single INTEGER key numbers itself.
    numbered = {in_key[0][0]} if len(in_key) == 1 and in_key[0][1].upper() == "INTEGER" else set()
    columns = tuple(
        Column(
            name=column, declared=declared, family=_family(declared), nullable=not not_null and not key,
            filled=default is not None or column in numbered, computed=hidden > 1, refers=dict(keys).get(column, ""),
            distinct=_distinct(connection, name, column, rows),
        )
        for column, declared, not_null, default, key, hidden in found
    )  # fmt: skip
    referred = connection.execute(
        "SELECT count(*) FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table' AND f.\"table\" = ?", (name,)
    ).fetchone()[0]
    return Table(schema="main", name=name, is_view=kind == "view", rows=rows, columns=columns, key=tuple(row[0] for row in in_key), referred=referred)


def _family(declared: str) -> Family:
    said = re.sub(r"\(.*", "", declared).lower()
    return next((family for part, family in _FAMILIES if part in said), "text" if not said else "other")


def _distinct(connection: sqlite3.Connection, table: str, column: str, rows: int | None) -> int | None:
    if rows is None or rows > _MOST_COUNTED:
        return None
    return int(connection.execute(f"SELECT count(DISTINCT {quoted(column, 'sqlite')}) FROM {quoted(table, 'sqlite')}").fetchone()[0])


def _prepared(connection: sqlite3.Connection, statement: Statement) -> Prepared:
    text = statement.with_each(lambda name: f":{name}")
    try:
        connection.execute(f"EXPLAIN {text}", dict.fromkeys(statement.distinct)).close()
    except sqlite3.Error as error:
        return Prepared(problem=str(error))
    return Prepared()
