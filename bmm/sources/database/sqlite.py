"""Reads the catalogue of a SQLite file."""

import re
import sqlite3
from pathlib import Path

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
_STORED: dict[str, Family] = {"integer": "integer", "real": "number", "text": "text", "blob": "bytes"}
_LOOKED_AT = 1000
_MOST_ASKED = 500
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
        connection = opened(place.path.resolve(strict=True))
        try:
            # Shadows hold what virtual tables, such as those of a full-text search, are made of.
            names = connection.execute(
                "SELECT m.name, m.type FROM sqlite_master m JOIN pragma_table_list l ON l.name = m.name AND l.schema = 'main' "
                "WHERE m.type IN ('table', 'view') AND l.type <> 'shadow' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY m.name"
            ).fetchall()
            tables = tuple(table for name, kind in names if (table := _table(connection, name, kind)) is not None)
            prepared = {name: _prepared(connection, statement) for name, statement in queries.items()}
        finally:
            connection.close()
    except (OSError, RuntimeError, sqlite3.Error) as error:  # RuntimeError: links in a circle
        raise BadInput(f"{place.path} cannot be read as a SQLite database: {getattr(error, 'strerror', None) or error}") from error
    return Catalog(kind="sqlite", tables=tables), prepared


def opened(path: Path) -> sqlite3.Connection:
    """Also a file in WAL mode in a folder where nobody may write: without its log it is whole, and nobody can change it."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if path.with_name(f"{path.name}-wal").exists():
            raise
        return sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    return connection


def _table(connection: sqlite3.Connection, name: str, kind: str) -> Table | None:
    """None for what cannot be asked: a view of tables that are gone, or a virtual table of a module that is not here."""
    try:
        rows = None if kind == "view" else int(connection.execute(f"SELECT count(*) FROM {quoted(name, 'sqlite')}").fetchone()[0])
        found = connection.execute('SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?) WHERE hidden <> 1', (name,)).fetchall()
        stored = _stored(connection, name, [row[0] for row in found])
    except sqlite3.OperationalError:
        return None
    keys = dict(connection.execute("SELECT \"from\", \"table\" FROM pragma_foreign_key_list(?)", (name,)).fetchall())
    in_key = [row for row in sorted(found, key=lambda row: row[4]) if row[4]]
    # A single INTEGER key numbers itself.
    numbered = {in_key[0][0]} if len(in_key) == 1 and in_key[0][1].upper() == "INTEGER" else set()
    columns = tuple(
        Column(
            name=column, declared=declared, family=_family(declared, stored[column]), nullable=not not_null and not key,
            filled=default is not None or column in numbered, computed=hidden > 1, refers=keys.get(column, ""),
            distinct=_distinct(connection, name, column, rows),
        )
        for column, declared, not_null, default, key, hidden in found
    )  # fmt: skip
    referred = connection.execute(
        "SELECT count(*) FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table' AND f.\"table\" = ?", (name,)
    ).fetchone()[0]
    return Table(schema="main", name=name, is_view=kind == "view", rows=rows, columns=columns, key=tuple(row[0] for row in in_key), referred=referred)


def _stored(connection: sqlite3.Connection, table: str, columns: list[str]) -> dict[str, frozenset[str]]:
    """The types of values that the first rows hold, by column: SQLite stores what it is given, whatever a column declares."""
    found: dict[str, frozenset[str]] = {}
    for at in range(0, len(columns), _MOST_ASKED):
        some = columns[at : at + _MOST_ASKED]
        types = ", ".join(f"group_concat(DISTINCT typeof({quoted(column, 'sqlite')}))" for column in some)
        row = connection.execute(f"SELECT {types} FROM (SELECT * FROM {quoted(table, 'sqlite')} LIMIT {_LOOKED_AT})").fetchone()
        found |= {column: frozenset((kinds or "").split(",")) - {"", "null"} for column, kinds in zip(some, row, strict=True)}
    return found


def _family(declared: str, stored: frozenset[str]) -> Family:
    said = re.sub(r"\(.*", "", declared).lower()
    if said in ("", "any"):
        return _STORED[next(iter(stored))] if len(stored) == 1 else "other" if stored else "text"
    family: Family = next((family for part, family in _FAMILIES if part in said), "other")
    if family in ("date", "timestamp", "time") and stored and "text" not in stored:
        return "long" if stored == {"integer"} else "number"
    return "text" if family in ("long", "number", "boolean") and stored == {"text"} else family


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
