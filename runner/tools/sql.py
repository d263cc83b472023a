"""Runs `sql` tools: the query with its arguments, and its rows as an answer."""

from typing import Any

import msgspec

from runner.contract import SqlTool
from runner.sql.databases import Databases
from runner.sql.session import Query, Rows
from runner.statement import parse_query
from runner.tools.context import Context
from runner.tools.outgoing import Refused
from runner.tools.result import ToolAnswer, failed


class SqlRunner:
    """One `sql` tool, ready to be called."""

    def __init__(self, tool: SqlTool, databases: Databases) -> None:
        self._tool, self._databases = tool, databases
        properties = tool.input_schema.get("properties", {})
        self._defaults = {name: each["default"] for name, each in properties.items() if isinstance(each, dict) and "default" in each}
        self._statement = parse_query(tool.query, databases.database(tool.database).kind, read_only=tool.read_only)

    async def run(self, arguments: dict[str, Any], context: Context | None = None) -> ToolAnswer:
        """Ask the database. Whatever goes wrong on the way is told in the answer.

        Arguments that are left out have the default of their schema, or are NULL.
        """
        tool = self._tool
        query = Query(
            statement=self._statement,
            values=self._defaults | arguments,
            read_only=tool.read_only,
            seconds=tool.timeout,
            max_rows=tool.max_rows,
            max_bytes=tool.max_bytes,
        )
        try:
            return answer(tool, await self._databases.ask(tool.database, query))
        except Refused as error:
            return failed(error.code, error.message)


def answer(tool: SqlTool, rows: Rows) -> ToolAnswer:
    """`columns`, `rows` as objects, whether some were left out, and `changed` of a statement that writes."""
    structured: dict[str, Any] = {"columns": list(rows.columns), "rows": list(rows.rows), "truncated": rows.cut is not None}
    parts = [
        b'{"columns":%b' % msgspec.json.encode(rows.columns),
        b'"rows":[%b]' % b",\n".join(rows.encoded),
        b'"truncated":%b' % (b"true" if rows.cut else b"false"),
    ]
    if rows.changed is not None:
        structured["changed"] = rows.changed
        parts.append(b'"changed":%d' % rows.changed)
    return ToolAnswer(text=b",".join(parts).decode() + "}", structured=structured, note=_note(tool, rows))


def _note(tool: SqlTool, rows: Rows) -> str | None:
    if rows.cut is None:
        return None
    if rows.cut == "values":
        shown = f"Only one row is shown and its long values are cut (… and how long they are), because an answer holds at most {tool.max_bytes // 1000} kB."
        return f"{shown} There may be more rows: ask for them with a narrower filter, or with a limit and an offset where the tool takes them."
    limit = f"{tool.max_rows} rows" if rows.cut == "rows" else f"{tool.max_bytes // 1000} kB"
    advice = "Ask for the rest with a narrower filter, or with a limit and an offset where the tool takes them."
    return f"Only the first {len(rows.rows)} rows are shown, because an answer holds at most {limit}; there are more. {advice}"
