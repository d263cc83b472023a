"""What differs in the SQL of the proposed tools from one kind of database to another."""

from bmm.sources.database.catalog import Table
from runner.contract import DatabaseKind


def quoted(name: str, kind: DatabaseKind) -> str:
    mark = "`" if kind == "mysql" else '"'
    return f"{mark}{name.replace(mark, mark * 2)}{mark}"


def place(table: Table, kind: DatabaseKind) -> str:
    """The table with its schema; a SQLite file has none."""
    return quoted(table.name, kind) if kind == "sqlite" else f"{quoted(table.schema, kind)}.{quoted(table.name, kind)}"


def literal(text: str, kind: DatabaseKind) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'" if kind != "mysql" else "'" + doubled.replace("\\", "\\\\") + "'"


def contains(column: str, name: str, kind: DatabaseKind) -> str:
    """Whether a text holds another, whatever the case; nothing in it is a wildcard."""
    function = "strpos" if kind == "postgresql" else "instr"
    return f"{function}(lower({column}), lower(:{name})) > 0"


def as_text(column: str, kind: DatabaseKind) -> str:
    return f"CAST({column} AS {'char' if kind == 'mysql' else 'text'})"


def tables_query(tables: tuple[Table, ...], kind: DatabaseKind) -> str:
    """Name, kind and comment of these tables, as they are when it is asked."""
    if kind == "sqlite":
        names = ", ".join(literal(table.name, kind) for table in tables)
        return f"SELECT name AS table_name, type AS table_type FROM sqlite_master WHERE name IN ({names}) ORDER BY name"
    pairs = ", ".join(f"({literal(table.schema, kind)}, {literal(table.name, kind)})" for table in tables)
    comment = "obj_description(to_regclass(format('%I.%I', table_schema, table_name)), 'pg_class')" if kind == "postgresql" else "table_comment"
    return (
        f"SELECT table_schema AS table_schema, table_name AS table_name, table_type AS table_type, {comment} AS comment\n"
        f"FROM information_schema.tables WHERE (table_schema, table_name) IN ({pairs}) ORDER BY table_schema, table_name"
    )


def columns_query(tables: tuple[Table, ...], kind: DatabaseKind) -> str:
    """The columns of the table `:table`, one of these."""
    if kind == "sqlite":
        names = ", ".join(literal(table.name, kind) for table in tables)
        return (
            f'SELECT name AS column_name, type AS data_type, "notnull" = 0 AS is_nullable, pk > 0 AS in_key\n'
            f"FROM pragma_table_info(:table) WHERE :table IN ({names}) ORDER BY cid"
        )
    known = "\n  ".join(f"WHEN {literal(name, kind)} THEN {literal(table.schema, kind)}" for name, table in names_of(tables).items())
    table_of = " ".join(f"WHEN {literal(name, kind)} THEN {literal(table.name, kind)}" for name, table in names_of(tables).items())
    data_type = "data_type" if kind == "postgresql" else "column_type"
    comment = (
        "col_description(to_regclass(format('%I.%I', table_schema, table_name)), ordinal_position::int)"
        if kind == "postgresql"
        else "column_comment"
    )
    return (
        f"SELECT column_name AS column_name, {data_type} AS data_type, is_nullable AS is_nullable, {comment} AS comment\n"
        f"FROM information_schema.columns WHERE table_schema = CASE :table {known} END\n"
        f"AND table_name = CASE :table {table_of} END ORDER BY ordinal_position"
    )


def names_of(tables: tuple[Table, ...]) -> dict[str, Table]:
    """How tools call the tables: by their own names where these are unique, otherwise with the schema."""
    count: dict[str, int] = {}
    for table in tables:
        count[table.name] = count.get(table.name, 0) + 1
    return {table.name if count[table.name] == 1 else f"{table.schema}.{table.name}": table for table in tables}
