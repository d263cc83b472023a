"""What every kind of database offers to a `sql` tool, and how it says that something went wrong."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from runner.statement import Statement

# What one query may bring in; the answer is far smaller, but a driver reads whole rows.
MAX_READ = 16 * 1024 * 1024
Cut = Literal["rows", "bytes", "values"]
_SHORTEST = 32


class Query(Struct, frozen=True, kw_only=True):
    """A statement with its values and limits; `seconds` is when the database itself should give up."""

    statement: Statement
    values: Mapping[str, Any]
    read_only: bool
    seconds: float
    max_rows: int
    max_bytes: int


class Rows(Struct, frozen=True, kw_only=True):
    """`encoded` are the rows as JSON objects; `changed` is of statements that write.

    `cut` says which limit left rows out; `values`: one row is there, with its long values shortened.
    """

    columns: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    encoded: tuple[bytes, ...]
    cut: Cut | None = None
    changed: int | None = None


class SqlFailed(Exception):
    """The database refused, or the values do not fit; the session is as good as before. `code` is for the call's event."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


class NoSession(Exception):
    """No session could be opened. `refusal` is the gateway's reason where it was the gateway."""

    def __init__(self, code: str, sentence: str, *, refusal: str | None = None) -> None:
        super().__init__(sentence)
        self.code, self.sentence, self.refusal = code, sentence, refusal


class Lost(Exception):
    """The session ended while it was used. `over`: because more than `MAX_READ` came."""

    def __init__(self, *, over: bool = False) -> None:
        super().__init__("over" if over else "lost")
        self.over = over


class Session(Protocol):
    """One connection, used by one query at a time."""

    async def run(self, query: Query) -> Rows:
        """The rows, or the first of them.

        Raises:
            SqlFailed: the database refused; the session can be used again.
            Lost: the session is of no further use.
        """

    @property
    def usable(self) -> bool:
        """Whether another query may be run on it."""

    def kill(self) -> None:
        """End it at once, whatever it is doing."""


class Gathering:
    """Rows up to the limits of a query, told once whether there were more."""

    def __init__(self, query: Query, columns: Iterable[str]) -> None:
        self._query, self._left = query, query.max_bytes
        self.columns = tuple(_distinct(columns))
        self._rows: list[dict[str, Any]] = []
        self._encoded: list[bytes] = []
        self.cut: Cut | None = None

    def add(self, values: Iterable[Any]) -> bool:
        """Take one row of JSON values; False when a limit says that it was one too many."""
        if len(self._rows) == self._query.max_rows:
            self.cut = "rows"
            return False
        row = dict(zip(self.columns, values, strict=True))
        encoded = msgspec.json.encode(row)
        if not self._rows and len(encoded) >= self._left and (short := _shortened(row, self._left)) is not None:
            # Otherwise it could never be seen, whatever is asked.
            self._rows, self._encoded, self.cut = [short], [msgspec.json.encode(short)], "values"
            return False
        self._left -= len(encoded) + 1
        if self._left < 0:
            self.cut = "bytes"
            return False
        self._rows.append(row)
        self._encoded.append(encoded)
        return True

    def rows(self, *, changed: int | None = None) -> Rows:
        return Rows(columns=self.columns, rows=tuple(self._rows), encoded=tuple(self._encoded), cut=self.cut, changed=changed)


def _shortened(row: dict[str, Any], room: int) -> dict[str, Any] | None:
    """The row in fewer than so many bytes, its long values as the beginnings of their texts; None where it has too many columns for that."""
    limit = room
    while limit >= _SHORTEST:
        short = {name: _beginning(value, limit) for name, value in row.items()}
        if len(msgspec.json.encode(short)) < room:
            return short
        limit //= 2
    return None


def _beginning(value: Any, limit: int) -> Any:
    encoded = msgspec.json.encode(value)
    if len(encoded) <= limit:
        return value
    text = value if isinstance(value, str) else encoded.decode()
    return f"{text[: limit // 2]}… (of {len(text):,} characters)"


def _distinct(names: Iterable[str]) -> Iterator[str]:
    """A join may give the same name twice, an object cannot hold it twice."""
    seen: set[str] = set()
    for name in names:
        unique, number = name, 2
        while unique in seen:
            unique, number = f"{name}_{number}", number + 1
        seen.add(unique)
        yield unique
