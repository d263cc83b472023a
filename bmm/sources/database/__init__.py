"""A database → a `ServerSpec`: its catalogue is read once, and tools are proposed for its tables."""

import asyncio
import re
from fnmatch import fnmatchcase

import msgspec

from bmm.errors import BadInput
from bmm.sources.credentials import Credentials
from bmm.sources.database.catalog import Catalog, Prepared, Table
from bmm.sources.database.dialect import columns_query, names_of, place, quoted, tables_query
from bmm.sources.database.options import Options, Place, place_of
from bmm.sources.database.tables import TableTools, family_schema, made
from bmm.sources.finding import Compiled, Remarks, one_line
from runner.contract import (
    MAX_TOOLS,
    AllowedHost,
    Database,
    DatabaseKind,
    Scope,
    SecretNeed,
    ServerSpec,
    SpecError,
    SqlTool,
    Statement,
    StatementError,
    decode_spec,
    encode_spec,
    parse_query,
)

__all__ = ["Options", "compile_database"]

PASSWORD = "DB_PASSWORD"  # noqa: S105 - the name of a secret
_NAME = "main"


def compile_database(url: str, *, options: Options | None = None) -> Compiled:
    """The spec of a database: `postgresql://user:password@host:port/database`, `mysql://…`, or a SQLite file.

    The password is used for reading the catalogue and goes into no spec and no finding; the spec names a secret for it, whose value it may become.

    Raises:
        BadInput: the database cannot be asked, or an option does not fit it.
    """
    options = options or Options()
    where = place_of(url, options)
    statements = {name: _statement(name, text, where.kind) for name, text in options.queries}
    try:
        catalog, prepared = asyncio.run(_read(where, options, statements))
    except BadInput as error:
        # A database's words; it was told the password, and may repeat it.
        said = error.user_message.replace(where.password, "…") if len(where.password) > 2 else error.user_message
        missing = not where.password and any(words in said for words in ("authentication failed", "using password: NO"))
        without = "; no password was given: set PGPASSWORD or MYSQL_PWD (in the API: `password`)" if missing else ""
        raise BadInput(f"{one_line(said)[:2000]}{without}") from None
    remarks = Remarks()
    tables = _chosen(catalog, options, remarks)
    tools = [*_tools(tables, catalog.kind, options, remarks), *_own(options, statements, prepared, remarks)]
    if not tools:
        raise BadInput("There is nothing to make tools of: no table that was asked for is there, or this user may not read it; see --schema and --tables")
    for number, tool in enumerate(tools):
        if any(other.name == tool.name for other in tools[:number]):
            raise BadInput(f"--query {tool.name}: there is a tool of this name already; choose another")
    title = options.name or where.database or where.path.stem or "Database"
    _remark(where, tables, catalog, options, remarks)
    spec = ServerSpec(
        name=title[:80],
        description=f"Tools for the database {title}.",
        tools=tuple(tools),
        secrets=(SecretNeed(key=PASSWORD, hint=f"The password of {where.user} at {where.place}"),) if where.kind != "sqlite" else (),
        hosts=_hosts(where),
        databases=(_database(where, options),),
        scopes=_scopes(tools, title),
    )
    try:
        # A file is put in by `bmm deploy`; until then its place is taken by a path, which the check would refuse.
        whole = spec if where.kind == "sqlite" else decode_spec(encode_spec(spec))
    except SpecError as error:
        raise BadInput(f"The tools that were made contradict each other: {error.message}", pointer=error.pointer) from error
    seen = Credentials({PASSWORD: where.password}) if where.password and where.kind != "sqlite" else Credentials()
    return Compiled(spec=whole, findings=remarks.all(), seen=seen)


async def _read(where: Place, options: Options, statements: dict[str, Statement]) -> tuple[Catalog, dict[str, Prepared]]:
    # Each driver is imported only where it is needed: the command line shall start quickly.
    if where.kind == "postgresql":
        from bmm.sources.database import postgresql

        return await postgresql.read(where, options, statements)
    if where.kind == "mysql":
        from bmm.sources.database import mysql

        return await mysql.read(where, options, statements)
    from bmm.sources.database import sqlite

    return sqlite.read(where, statements)


def _statement(name: str, text: str, kind: DatabaseKind) -> Statement:
    try:
        return parse_query(text, kind, read_only=kind == "sqlite")
    except StatementError as error:
        raise BadInput(f"--query {name}: {error}") from error


def _chosen(catalog: Catalog, options: Options, remarks: Remarks) -> tuple[Table, ...]:
    wanted = [table for table in catalog.tables if not options.tables or _fits(table, options.tables)]
    for pattern in (*options.tables, *options.writes):
        if not any(_fits(table, (pattern,)) for table in catalog.tables):
            remarks.warn("", f"no table is called {pattern}")
    usable = [table for table in wanted if table.columns]
    # Tables that others refer to are what a database is about; empty ones say nothing.
    usable.sort(key=lambda table: (not table.rows and not table.is_view, -table.referred, -(table.rows or 0)))
    if len(usable) > options.max_tables:
        message = f"{len(usable):,} tables can be read; tools are made for the {options.max_tables} that others refer to most, then the largest"
        remarks.warn("", message, fix="choose with --tables 'order*' (repeatable) or --max-tables N")
    return tuple(sorted(usable[: options.max_tables], key=lambda table: (table.schema, table.name)))


def _fits(table: Table, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in (table.name, f"{table.schema}.{table.name}"))


def _tools(tables: tuple[Table, ...], kind: DatabaseKind, options: Options, remarks: Remarks) -> list[SqlTool]:
    if not tables:
        return []
    names = names_of(tables)
    found: dict[str, SqlTool] = {}
    one_of = {"table": {"type": "string", "enum": list(names)}}
    about = f"The columns of one table, with their types and comments. Tables: {', '.join(names)}."[:1024]
    tools = [
        made("list_tables", "The tables and views that can be asked, with their comments.", tables_query(tables, kind), {}, database=_NAME),
        made("describe_table", about, columns_query(tables, kind), one_of, ("table",), database=_NAME),
    ]
    for called, table in names.items():
        each = TableTools(table, called, kind, _NAME)
        tools += each.reading()
        if _fits(table, options.writes) and kind != "sqlite":
            tools += each.writing()
    if options.writes and kind == "sqlite":
        remarks.warn("", "a SQLite file travels with the server and can only be read; no tools that write were made")
    for tool in tools:
        name, number = tool.name, 2
        while name in found:
            name, number = f"{tool.name}_{number}", number + 1
        found[name] = msgspec.structs.replace(tool, name=name)
    if len(found) > MAX_TOOLS:
        raise BadInput(f"{len(found):,} tools would be made and a server has at most {MAX_TOOLS:,}; --max-tables N makes fewer")
    return list(found.values())


def _own(options: Options, statements: dict[str, Statement], prepared: dict[str, Prepared], remarks: Remarks) -> list[SqlTool]:
    tools = []
    for name, text in options.queries:
        if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}", name):
            raise BadInput(f"--query {name}: the name of a tool has letters, digits, _ and -")
        said = prepared.get(name, Prepared())
        if said.problem:
            remarks.warn("", f"the query {name} is not accepted by the database: {said.problem}")
        statement = statements[name]
        properties = {each: family_schema(said.families.get(each, "other")) for each in statement.distinct}
        comment = re.match(r"\s*((?:--[^\n]*\n\s*)+)", text)
        about = " ".join(line.strip().removeprefix("--").strip() for line in comment[1].splitlines()) if comment else ""
        writes = "changes" if statement.words[0] in ("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE") else ""
        if not about:
            remarks.note("", f"the query {name} has no description", fix="begin it with a comment: -- What it answers, for a model")
        tools.append(made(name, about or name.replace("_", " "), text, properties, statement.distinct, database=_NAME, writes=writes))
    return tools


def _hosts(where: Place) -> tuple[AllowedHost, ...]:
    if where.kind == "sqlite":
        return ()
    return (AllowedHost(name=where.name, port=where.port, protocol=where.kind, plain=not where.tls, reason="the database"),)


def _database(where: Place, options: Options) -> Database:
    if where.kind == "sqlite":
        return Database(name=_NAME, kind="sqlite", file=str(where.path))
    return Database(
        name=_NAME, kind=where.kind, host=where.name, port=where.port, database=where.database, user=where.user,
        password=PASSWORD, tls="verify" if where.tls else "off", trust=options.trust,
    )  # fmt: skip


def _scopes(tools: list[SqlTool], title: str) -> tuple[Scope, ...]:
    described = {"read": f"Read data from {title}", "write": f"Create, change and delete data in {title}"}
    used = {scope for tool in tools for scope in tool.scopes}
    return tuple(Scope(name=scope, description=sentence) for scope, sentence in described.items() if scope in used)


def _remark(where: Place, tables: tuple[Table, ...], catalog: Catalog, options: Options, remarks: Remarks) -> None:
    if catalog.powerful:
        remarks.warn("", f"the user {where.user} is more powerful than tools should be: {catalog.powerful}", fix="use one with these rights only")
    for grant in _grants(where, tables, options) if where.kind != "sqlite" else ():
        remarks.note("", f"grant: {grant}")
    if where.kind != "sqlite" and not where.tls:
        key = f"{where.name}:{where.port}"
        remarks.warn("", f"{key} is asked without TLS", fix=f'an operator must allow it: egress_plain_http = ["{key}"]')


def _grants(where: Place, tables: tuple[Table, ...], options: Options) -> list[str]:
    """What a user for these tools needs and no more; every statement is a line to paste."""
    kind, reader = where.kind, "bmm_reader"
    written = [table for table in tables if not table.is_view and _fits(table, options.writes)]
    if kind == "mysql":
        rows = [f"GRANT SELECT ON {place(table, kind)} TO '{reader}'@'%';" for table in tables]
        rows += [f"GRANT INSERT, UPDATE, DELETE ON {place(table, kind)} TO '{reader}'@'%';" for table in written]
        return [f"CREATE USER '{reader}'@'%' IDENTIFIED BY '…'{' REQUIRE SSL' if where.tls else ''};", *rows]
    lines = [
        f"CREATE ROLE {reader} LOGIN PASSWORD '…' CONNECTION LIMIT 8;",
        f"GRANT CONNECT ON DATABASE {quoted(where.database, kind)} TO {reader};",
    ]
    lines += [f"GRANT USAGE ON SCHEMA {quoted(schema, kind)} TO {reader};" for schema in sorted({table.schema for table in tables})]
    if tables:
        lines.append(f"GRANT SELECT ON {', '.join(place(table, kind) for table in tables)} TO {reader};")
    if written:
        lines.append(f"GRANT INSERT, UPDATE, DELETE ON {', '.join(place(table, kind) for table in written)} TO {reader};")
    if sequences := sorted({column.sequence for table in written for column in table.columns if column.sequence}):
        lines.append(f"GRANT USAGE ON SEQUENCE {', '.join(sequences)} TO {reader};")
    return lines
