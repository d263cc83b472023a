"""What differs in the SQL of the proposed tools from one kind of database to another."""

from bmm.sources.database.catalog import Column, Family, Table
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
    if kind == "postgresql":  # whose information schema knows nothing of what is materialized
        return (
            "SELECT n.nspname AS table_schema, c.relname AS table_name, CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'\n"
            "  WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'BASE TABLE' END AS table_type, obj_description(c.oid, 'pg_class') AS comment\n"
            f"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace\nWHERE (n.nspname, c.relname) IN ({pairs}) ORDER BY 1, 2"
        )
    return (
        "SELECT table_schema AS table_schema, table_name AS table_name, table_type AS table_type, table_comment AS comment\n"
        f"FROM information_schema.tables WHERE (table_schema, table_name) IN ({pairs}) ORDER BY table_schema, table_name"
    )


def columns_query(tables: tuple[Table, ...], kind: DatabaseKind) -> str:
    """The columns of the table `:table`, one of these."""
    if kind == "sqlite":
        names = ", ".join(literal(table.name, kind) for table in tables)
        return (
            f'SELECT name AS column_name, type AS data_type, "notnull" = 0 AS is_nullable, pk > 0 AS in_key\n'
            f"FROM pragma_table_xinfo(:table) WHERE :table IN ({names}) AND hidden <> 1 ORDER BY cid"
        )
    known = "\n  ".join(f"WHEN {literal(name, kind)} THEN {literal(table.schema, kind)}" for name, table in names_of(tables).items())
    table_of = " ".join(f"WHEN {literal(name, kind)} THEN {literal(table.name, kind)}" for name, table in names_of(tables).items())
    if kind == "postgresql":
        return (
            "SELECT a.attname AS column_name, format_type(a.atttypid, a.atttypmod) AS data_type,\n"
            "  CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable, col_description(a.attrelid, a.attnum) AS comment\n"
            "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace\n"
            "WHERE a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')\n"
            f"AND n.nspname = CASE :table {known} END\nAND c.relname = CASE :table {table_of} END ORDER BY a.attnum"
        )
    return (
        "SELECT column_name AS column_name, column_type AS data_type, is_nullable AS is_nullable, column_comment AS comment\n"
        f"FROM information_schema.columns WHERE table_schema = CASE :table {known} END\n"
        f"AND table_name = CASE :table {table_of} END ORDER BY ordinal_position"
    )


def given(name: str, column: Column, kind: DatabaseKind) -> str:
    """The argument `:name` as a value of this column."""
    if kind == "mysql" and column.family == "bytes":
        return f"from_base64(:{name})"
    # A driver would want objects of its own for ranges, points, bits and the like; all of them are written as text.
    return f":{name}::text::{column.declared}" if kind == "postgresql" and column.family == "other" else f":{name}"


def compared(column: str, family: Family, kind: DatabaseKind) -> str:
    """A column, or what is held against it, such that order is that of time. SQLite's dates and times are texts, and there are many ways to write one."""
    if kind != "sqlite" or family not in ("date", "timestamp"):
        return column
    return f"{'date' if family == 'date' else 'julianday'}({column})"


def names_of(tables: tuple[Table, ...]) -> dict[str, Table]:
    """How tools call the tables: by their own names where these are unique, otherwise with the schema."""
    count: dict[str, int] = {}
    for table in tables:
        count[table.name] = count.get(table.name, 0) + 1
    return {table.name if count[table.name] == 1 else f"{table.schema}.{table.name}": table for table in tables}
