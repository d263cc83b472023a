"""The tools proposed for one table: find a row by its key, search, count, and, where asked for, change rows."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from bmm.sources.database.catalog import FEW, ORDERED, Column, Family, Table
from bmm.sources.database.dialect import as_text, compared, contains, given, literal, place, quoted
from bmm.sources.openapi.texts import clean
from runner.contract import Annotations, DatabaseKind, JsonSchema, SqlTool

MAX_FILTERS = 8
# Arguments of a search that are no columns.
_PAGING = frozenset({"order_by", "descending", "limit", "offset"})
_MAX_ORDERS = 5
_MAX_GROUPS = 6
_SHOWN_COLUMNS = 40
# Clients refuse arguments of more than 64 characters; a search adds to them.
_LONGEST_NAME = 50
_SCHEMAS: dict[Family, JsonSchema] = {
    "integer": {"type": "integer"},
    "long": {"type": ["integer", "string"], "pattern": "^-?[0-9]{1,20}$"},
    "number": {"type": "number"},
    "decimal": {"type": ["number", "string"], "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
    "boolean": {"type": "boolean"},
    "text": {"type": "string"},
    "date": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
    "timestamp": {"type": "string", "description": "ISO 8601, such as 2026-11-21T15:00:00Z"},
    "time": {"type": "string", "description": "such as 15:00:00"},
    "uuid": {"type": "string"},
    "json": {},
    "bytes": {"type": "string", "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$", "description": "base64"},
    "list": {"type": "array"},
    "other": {"type": ["string", "number", "boolean"]},
}
# MySQL and MariaDB do not know `Z`, pass over an offset, and compare with words without saying a thing.
_ZONELESS: JsonSchema = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?)?$",
    "description": "such as 2026-11-21T15:00:00, without a zone",
}
# SQLite makes nothing of what it cannot read, and compares with that.
_READABLE: JsonSchema = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?$",
    "description": "such as 2026-11-21T15:00:00Z; without a zone it is UTC",
}
_TRUTH: JsonSchema = {"type": ["boolean", "integer"]}
_OF_KIND: dict[tuple[Family, DatabaseKind], JsonSchema] = {
    ("timestamp", "mysql"): _ZONELESS, ("timestamp", "sqlite"): _READABLE, ("boolean", "mysql"): _TRUTH, ("boolean", "sqlite"): _TRUTH,
}  # fmt: skip
"""What is another value than elsewhere. MySQL and SQLite keep truth as a number, and show it so."""
OUTPUT: JsonSchema = {
    "type": "object",
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "rows": {"type": "array", "items": {"type": "object"}},
        "truncated": {"type": "boolean", "description": "whether rows were left out"},
        "changed": {"type": "integer", "description": "how many rows were changed"},
    },
    "required": ["columns", "rows", "truncated"],
}


def schema_of(column: Column, kind: DatabaseKind) -> JsonSchema:
    """The JSON Schema of a value for a column."""
    schema = dict(_OF_KIND.get((column.family, kind)) or _SCHEMAS[column.family])
    if column.choices:
        schema["enum"] = list(column.choices)
    if about := clean(column.comment, 300):
        schema["description"] = about
    return schema


def family_schema(family: Family) -> JsonSchema:
    return dict(_SCHEMAS[family])


def made(
    name: str, description: str, query: str, properties: dict[str, Any], required: tuple[str, ...] = (), *, database: str, writes: str = ""
) -> SqlTool:
    """A tool. `writes` is empty, `adds` or `changes`."""
    schema: JsonSchema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    reads = not writes
    return SqlTool(
        name=name, description=description, query=query, database=database, input_schema=schema, output_schema=OUTPUT, read_only=reads,
        scopes=("read",) if reads else ("write",), confirm=writes == "changes",
        annotations=Annotations(read_only=reads, destructive=writes == "changes", idempotent=reads, open_world=False),
    )  # fmt: skip


def arguments_of(columns: tuple[Column, ...]) -> dict[str, str]:
    """What a tool calls the columns, by their names: these names where they are plain words, otherwise what is left of them."""
    found = {column.name: column.name for column in columns if re.fullmatch(r"[A-Za-z_]\w*", column.name, re.ASCII) and len(column.name) <= _LONGEST_NAME}
    taken = set(found.values())
    for column in columns:
        if column.name not in found:
            word = re.sub(r"\W+", "_", column.name, flags=re.ASCII).strip("_")[:_LONGEST_NAME] or "column"
            word = f"column_{word}" if word[0].isdigit() else word
            name, number = word, 2
            while name in taken:
                name, number = f"{word}_{number}", number + 1
            found[column.name] = name
            taken.add(name)
    return found


class TableTools:
    """`called` is how the tools name the table."""

    def __init__(self, table: Table, called: str, kind: DatabaseKind, database: str) -> None:
        self._table, self._called, self._kind, self._database = table, called, kind, database
        self._slug = re.sub(r"[^a-zA-Z0-9]+", "_", called).strip("_").lower()[:44] or "table"
        self._place = place(table, kind)
        columns = {column.name: column for column in table.columns}
        self._key = tuple(columns[name] for name in table.key if name in columns)
        self._arguments = arguments_of(table.columns)
        self._orderable = [column for column in table.columns if column.family not in ("json", "bytes", "list", "other")]

    def reading(self) -> Iterator[SqlTool]:
        if self._has_key:
            yield self._get()
        yield self._search()
        if groups := self._groups():
            yield self._count(groups)

    def writing(self) -> Iterator[SqlTool]:
        if self._table.is_view:
            return
        yield self._insert()
        if self._has_key:
            changeable = [column for column in self._table.columns if column not in self._key and not column.computed]
            if changeable:
                yield self._update(changeable)
            yield self._delete()

    @property
    def _has_key(self) -> bool:
        # SQLite knows no base64.
        whole = bool(self._key) and len(self._key) == len(self._table.key)
        return whole and not (self._kind == "sqlite" and any(column.family == "bytes" for column in self._key))

    def _q(self, name: str) -> str:
        return quoted(name, self._kind)

    def _given(self, column: Column) -> str:
        return given(self._arguments[column.name], column, self._kind)

    def _schemas(self, columns: Iterable[Column]) -> dict[str, JsonSchema]:
        return {self._arguments[column.name]: self._schema(column) for column in columns}

    def _schema(self, column: Column) -> JsonSchema:
        schema = schema_of(column, self._kind)
        if self._arguments[column.name] != column.name:
            schema["description"] = f"{clean(column.name, 80)}. {schema.get('description', '')}".rstrip()
        return schema

    @property
    def _list(self) -> str:
        shown = [column.name for column in self._table.columns if column.family != "bytes" or column in self._key]
        return ", ".join(map(self._q, shown or [column.name for column in self._table.columns]))

    @property
    def _by_key(self) -> str:
        return " AND ".join(f"{self._q(column.name)} = {self._given(column)}" for column in self._key)

    def _get(self) -> SqlTool:
        properties = self._schemas(self._key)
        return made(
            f"get_{self._slug}", f"One row of {self._called} by its {' and '.join(column.name for column in self._key)}.{self._about()}",
            f"SELECT {self._list}\nFROM {self._place}\nWHERE {self._by_key}", properties, tuple(properties), database=self._database,
        )  # fmt: skip

    def _search(self) -> SqlTool:
        properties: dict[str, Any] = {}
        conditions: list[str] = []
        for column in self._filters():
            for name, condition, schema in self._conditions(column):
                if name not in properties:
                    properties[name] = schema
                    conditions.append(f"({condition} OR :{name} IS NULL)")
        where = f"\nWHERE {' AND '.join(conditions)}" if conditions else ""
        orders = [column for column in self._orderable if column in self._key or column.family in ORDERED][:_MAX_ORDERS]
        keys = [self._q(column.name) for column in self._key or self._orderable[:_MAX_ORDERS]]
        order = ", ".join(keys)
        if orders:
            names = [column.name for column in orders]
            choice = "CASE WHEN :order_by = {name} AND {no}:descending THEN {column} END{way}"
            terms = [
                choice.format(name=literal(name, self._kind), no=no, column=self._q(name), way=way)
                for name in names
                for no, way in (("NOT ", ""), ("", " DESC"))
            ]
            order = ",\n  ".join((*terms, ", ".join(keys)))
            properties["order_by"] = {"type": "string", "enum": names, "default": names[0]}
            properties["descending"] = {"type": "boolean", "default": False}
        sorted_by = f"\nORDER BY {order}" if order else ""
        properties["limit"] = {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
        properties["offset"] = {"type": "integer", "minimum": 0, "default": 0}
        return made(
            f"search_{self._slug}", f"Rows of {self._called} that fit all given filters; without any, all rows, page by page.{self._about()}",
            f"SELECT {self._list}\nFROM {self._place}{where}{sorted_by}\nLIMIT :limit OFFSET :offset", properties,
            database=self._database,
        )  # fmt: skip

    def _filters(self) -> list[Column]:
        """The most telling first: what is chosen from few values, what leads to other tables, then dates, names, numbers."""

        def rank(column: Column) -> int:
            if column.choices or column.family == "boolean" or self._is_few(column):
                return 0
            return 1 if column.refers else 2 if column.family in ("date", "timestamp") else 3 if column.family == "text" else 4

        apt = [column for column in self._orderable if column.family != "time" and column not in self._key]
        return sorted(apt, key=rank)[:MAX_FILTERS]

    def _conditions(self, column: Column) -> Iterator[tuple[str, str, JsonSchema]]:
        name, schema, at = self._arguments[column.name], self._schema(column), self._q(column.name)
        shown = clean(column.name, 80)
        if column.family in ORDERED and not column.refers:
            for suffix, sign, word in (("from", ">=", "At least"), ("to", "<=", "At most")):
                left, right = (compared(each, column.family, self._kind) for each in (at, f":{name}_{suffix}"))
                yield f"{name}_{suffix}", f"{left} {sign} {right}", {**schema, "description": f"{word} this {shown}"}
        elif column.family == "text" and not column.choices and not self._is_few(column):
            yield f"{name}_contains", contains(at, f"{name}_contains", self._kind), {**schema, "description": f"Text that {shown} holds"}
        else:
            asked = f"{name}_is" if name in _PAGING else name
            yield asked, f"{at} = :{asked}", schema

    def _groups(self) -> list[Column]:
        return [column for column in self._orderable if column.choices or column.family == "boolean" or self._is_few(column)][:_MAX_GROUPS]

    def _is_few(self, column: Column) -> bool:
        rows = self._table.rows or 0
        return column.family in ("text", "integer") and column.distinct is not None and column.distinct <= min(FEW, rows // 4)

    def _count(self, groups: list[Column]) -> SqlTool:
        names = [column.name for column in groups]
        cases = " ".join(f"WHEN {literal(name, self._kind)} THEN {as_text(self._q(name), self._kind)}" for name in names)
        return made(
            f"count_{self._slug}", f"How many rows of {self._called} there are for each value of a column, the most frequent first.",
            f"SELECT CASE :group_by {cases} END AS value, count(*) AS count\nFROM {self._place}\nGROUP BY 1\nORDER BY 2 DESC, 1\nLIMIT 100",
            {"group_by": {"type": "string", "enum": names}}, ("group_by",), database=self._database,
        )  # fmt: skip

    def _insert(self) -> SqlTool:
        # A column with a default must not be given NULL, and whether it is given is not known here.
        columns = [column for column in self._table.columns if not column.computed and not column.filled]
        names = ", ".join(self._q(column.name) for column in columns)
        values = ", ".join(map(self._given, columns))
        row = f"({names})\nVALUES ({values})" if columns or self._kind == "mysql" else "DEFAULT VALUES"
        returned = f"\nRETURNING {self._list}" if self._kind == "postgresql" else ""
        return made(
            f"insert_{self._slug}", f"Add a row to {self._called}.{self._about()}",
            f"INSERT INTO {self._place} {row}{returned}", self._schemas(columns),
            tuple(self._arguments[column.name] for column in columns if not column.nullable), database=self._database, writes="adds",
        )  # fmt: skip

    def _update(self, columns: list[Column]) -> SqlTool:
        changes = ", ".join(f"{self._q(column.name)} = coalesce({self._given(column)}, {self._q(column.name)})" for column in columns)
        return made(
            f"update_{self._slug}", f"Change one row of {self._called}; what is not given stays as it is.{self._about()}",
            f"UPDATE {self._place}\nSET {changes}\nWHERE {self._by_key}",
            self._schemas((*self._key, *columns)), tuple(self._schemas(self._key)),
            database=self._database, writes="changes",
        )  # fmt: skip

    def _delete(self) -> SqlTool:
        return made(
            f"delete_{self._slug}", f"Delete one row of {self._called} for good.", f"DELETE FROM {self._place}\nWHERE {self._by_key}",
            self._schemas(self._key), tuple(self._schemas(self._key)),
            database=self._database, writes="changes",
        )  # fmt: skip

    def _about(self) -> str:
        """Size, comment and columns, for a model that chooses."""
        table = self._table
        size = f" About {table.rows:,} rows." if table.rows else ""
        comment = clean(table.comment, 300)
        shown = ", ".join(f"{column.name}{f' → {column.refers}' if column.refers else ''}" for column in table.columns[:_SHOWN_COLUMNS])
        more = len(table.columns) - _SHOWN_COLUMNS
        return f"{size}{f' {comment}' if comment else ''} Columns: {shown}{f' and {more} more' if more > 0 else ''}."
