"""Reads the catalogue of a PostgreSQL in one transaction that only reads."""

import ssl
from typing import Any

import asyncpg

from bmm.errors import BadInput
from bmm.sources.database.catalog import Catalog, Column, Family, Prepared, Table
from bmm.sources.database.options import Options, Place
from bmm.sources.database.trust import NO_TLS, failure, trust_of
from runner.contract import Statement

_SECONDS = 15.0
_TABLES = """
SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind IN ('v', 'm') AS is_view,
       coalesce(obj_description(c.oid, 'pg_class'), '') AS comment, c.reltuples::bigint AS rows,
       (SELECT count(*) FROM pg_constraint f WHERE f.contype = 'f' AND f.confrelid = c.oid) AS referred,
       coalesce((SELECT array_agg(a.attname::text ORDER BY array_position(i.indkey::int2[], a.attnum))
                 FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
                   AND array_position(i.indkey::int2[], a.attnum) < i.indnkeyatts  -- what follows is only included
                 WHERE i.indrelid = c.oid AND i.indisprimary), '{}') AS key
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND n.nspname = ANY ($1::text[])
  AND has_schema_privilege(n.oid, 'USAGE')
  AND (has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT'))
ORDER BY n.nspname, c.relname
"""
_COLUMNS = """
SELECT a.attrelid, a.attname AS name, format_type(a.atttypid, -1) AS declared,
       coalesce(b.typname, t.typname) AS kind, coalesce(b.typtype, t.typtype) = 'e' AS is_enum, coalesce(b.typcategory, t.typcategory) = 'A' AS is_list,
       NOT a.attnotnull AS nullable, a.atthasdef OR a.attidentity <> '' AS filled,
       a.attgenerated <> '' OR a.attidentity = 'a' AS computed,
       coalesce(col_description(a.attrelid, a.attnum), '') AS comment,
       coalesce((SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e
                 WHERE e.enumtypid = coalesce(b.oid, t.oid)), '{}') AS choices,
       (SELECT s.n_distinct FROM pg_stats s
        WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname LIMIT 1) AS distinct,
       coalesce((SELECT r.relname FROM pg_constraint f JOIN pg_class r ON r.oid = f.confrelid
                 WHERE f.contype = 'f' AND f.conrelid = a.attrelid AND f.conkey = ARRAY[a.attnum] LIMIT 1), '') AS refers,
       coalesce((SELECT format('%I.%I', m.nspname, s.relname) FROM pg_attrdef d
                 JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
                 JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S' JOIN pg_namespace m ON m.oid = s.relnamespace
                 WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum LIMIT 1), '') AS sequence
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
  AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
ORDER BY a.attrelid, a.attnum
"""
_USER = "SELECT rolsuper OR rolcreaterole OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
_FAMILIES: dict[str, Family] = {
    "int2": "integer", "int4": "integer", "int8": "long", "oid": "long", "float4": "number", "float8": "number", "numeric": "decimal",
    "bool": "boolean", "text": "text", "varchar": "text", "bpchar": "text", "name": "text", "citext": "text", "date": "date",
    "timestamp": "timestamp", "timestamptz": "timestamp", "time": "time", "timetz": "time", "uuid": "uuid", "json": "json",
    "jsonb": "json", "bytea": "bytes",
}  # fmt: skip


async def read(place: Place, options: Options, queries: dict[str, Statement]) -> tuple[Catalog, dict[str, Prepared]]:
    """The tables this user may read, and what the database says of the owner's queries.

    Raises:
        BadInput: it cannot be asked; in the database's words, without the password.
    """
    trust: ssl.SSLContext | bool = trust_of(place, options) if place.tls else False
    try:
        connection = await asyncpg.connect(
            host=place.dialled, port=place.port, user=place.user, password=place.password, database=place.database, ssl=trust,
            timeout=_SECONDS, command_timeout=_SECONDS, statement_cache_size=0,
        )  # fmt: skip
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise BadInput(f"{place.host}:{place.port} cannot be asked: {_why(error)}") from error
    try:
        async with connection.transaction(readonly=True):
            schemas = list(options.schemas) or await connection.fetchval("SELECT current_schemas(false)::text[]")
            tables = await connection.fetch(_TABLES, schemas)
            columns = await connection.fetch(_COLUMNS, [table["oid"] for table in tables])
            powerful = "it may do everything" if await connection.fetchval(_USER) else ""
        prepared = {name: await _prepared(connection, statement) for name, statement in queries.items()}
    except (asyncpg.PostgresError, TimeoutError) as error:
        raise BadInput(f"The catalogue of {place.host} cannot be read: {_why(error)}") from error
    finally:
        await connection.close(timeout=5)
    by_table: dict[int, list[Column]] = {}
    rows = {table["oid"]: max(table["rows"], 0) for table in tables}
    for column in columns:
        by_table.setdefault(column["attrelid"], []).append(_column(column, rows[column["attrelid"]]))
    found = tuple(
        Table(
            schema=table["schema"], name=table["name"], is_view=table["is_view"], comment=table["comment"],
            rows=None if table["is_view"] or table["rows"] < 0 else table["rows"], columns=tuple(by_table.get(table["oid"], ())),
            key=tuple(table["key"]), referred=table["referred"],
        )
        for table in tables
    )  # fmt: skip
    return Catalog(kind="postgresql", tables=found, powerful=powerful), prepared


def _column(row: Any, rows: int) -> Column:
    # pg_stats: a negative number is a share of the rows.
    distinct = row["distinct"]
    return Column(
        name=row["name"], declared=row["declared"],
        family="text" if row["is_enum"] else "list" if row["is_list"] else _FAMILIES.get(row["kind"], "other"),
        nullable=row["nullable"], filled=row["filled"], computed=row["computed"], comment=row["comment"], choices=tuple(row["choices"]),
        distinct=None if not distinct else round(distinct if distinct > 0 else -distinct * rows), refers=row["refers"], sequence=row["sequence"],
    )  # fmt: skip


async def _prepared(connection: "asyncpg.Connection[asyncpg.Record]", statement: Statement) -> Prepared:
    try:
        prepared = await connection.prepare(statement.numbered(), name="")
    except asyncpg.PostgresError as error:
        return Prepared(problem=_why(error))
    kinds = prepared.get_parameters()
    return Prepared(families={name: _family(kind.name) for name, kind in zip(statement.distinct, kinds, strict=True)})


def _family(kind: str) -> Family:
    return "list" if kind.endswith("[]") else _FAMILIES.get(kind, "other")


def _why(error: Exception) -> str:
    if "rejected SSL" in str(error):
        return NO_TLS
    return failure(error) or str(error) or type(error).__name__
