"""What a database tells about itself, the same for every kind."""

from typing import Literal

from msgspec import Struct

from runner.contract import DatabaseKind

Family = Literal["integer", "long", "number", "decimal", "boolean", "text", "date", "timestamp", "time", "uuid", "json", "bytes", "list", "other"]

# What can be compared with a value and put in order by a reader.
ORDERED: frozenset[Family] = frozenset({"integer", "long", "number", "decimal", "date", "timestamp", "time"})
# At most so many different values make a column one to group by.
FEW = 50


class Column(Struct, frozen=True, kw_only=True):
    """`declared` is the type in the database's words (PostgreSQL: without its length); `distinct` an estimate of different values, None where nobody knows."""

    name: str
    declared: str
    family: Family
    nullable: bool = True
    filled: bool = False
    """Whether a new row has a value without being given one."""
    computed: bool = False
    comment: str = ""
    choices: tuple[str, ...] = ()
    distinct: int | None = None
    refers: str = ""
    """The table its foreign key leads to."""
    sequence: str = ""
    """What numbers new rows, as SQL names it, where adding one needs a right to it."""


class Table(Struct, frozen=True, kw_only=True):
    """`rows` is an estimate, None for views; `key` are the columns that name one row; `referred` counts foreign keys to it."""

    schema: str
    name: str
    is_view: bool = False
    comment: str = ""
    rows: int | None = None
    columns: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    referred: int = 0


class Catalog(Struct, frozen=True, kw_only=True):
    """`powerful` says what the user could do beyond what tools need, as a sentence; empty where nothing is known."""

    kind: DatabaseKind
    tables: tuple[Table, ...]
    powerful: str = ""


class Prepared(Struct, frozen=True, kw_only=True):
    """What a database says of an owner's query: families by parameter, or why it does not take it."""

    families: dict[str, Family] = {}
    problem: str = ""
