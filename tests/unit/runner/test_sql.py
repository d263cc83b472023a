"""What happens to values, limits, errors and sessions, apart from any database."""

import asyncio
import sqlite3
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from runner.contract import Database, DatabaseKind, ServerSpec, SqlTool
from runner.sql import moments
from runner.sql.databases import Databases
from runner.sql.errors import refused
from runner.sql.mysql import literal
from runner.sql.pool import MOST, Pool
from runner.sql.postgresql import converted
from runner.sql.session import Gathering, Lost, Query, Rows, SqlFailed
from runner.sql.values import plain, plain_json, single
from runner.statement import parse_query
from runner.tools.http import Upstreams
from runner.tools.outgoing import Refused
from runner.tools.sql import answer

DIGEST = "0" * 64
TOOL = SqlTool(name="t", description="", input_schema={"type": "object"}, query="SELECT 1", database="main", max_rows=3, max_bytes=1000)


def query(*, max_rows: int = 3, max_bytes: int = 1000, read_only: bool = True) -> Query:
    statement = parse_query("SELECT 1", "postgresql")
    return Query(statement=statement, values={}, read_only=read_only, seconds=1, max_rows=max_rows, max_bytes=max_bytes)


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (True, True), (2**53 - 1, 2**53 - 1), (2**53, "9007199254740992"), (-(2**53), "-9007199254740992"), (1.5, 1.5), (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"), (Decimal("1E+3"), "1000"), (Decimal("0.10"), "0.10"), (Decimal("NaN"), "NaN"), (b"\x00\xff", "AP8="),
        (date(2026, 11, 21), "2026-11-21"), (datetime(2026, 11, 21, 15, tzinfo=UTC), "2026-11-21T15:00:00+00:00"),
        (datetime.max, "9999-12-31T23:59:59.999999"), (date.max, "9999-12-31"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"), ([1, [None]], [1, [None]]),
        ({"a": (Decimal(1),)}, {"a": ["1"]}),
    ],
)  # fmt: skip
def test_values_become_exact_json(value: Any, json: Any) -> None:
    assert plain(value) == json


def test_numbers_in_a_document_are_exact() -> None:
    document = '{"a": 0.12345678901234567890123, "b": 1.10, "c": [1e400, 12345678901234567890123], "d": -0.5}'
    assert plain_json(document) == {"a": "0.12345678901234567890123", "b": 1.1, "c": ["1e400", "12345678901234567890123"], "d": -0.5}


@pytest.mark.parametrize("value", [1.1, 16777216.0, 3.4028235e38, 1e-45, -0.1, 0.0])
def test_a_number_of_four_bytes_has_no_more_digits_than_it_was_given(value: float) -> None:
    assert single(struct.unpack("f", struct.pack("f", value))[0]) == value
    assert single(float("inf")) == "Infinity"


def test_days_are_those_of_the_calendar() -> None:
    epoch = date(2000, 1, 1).toordinal()
    for known in (date.min, date(4, 2, 29), date(1999, 12, 31), date(2024, 2, 29), date.max):
        assert moments.day(known.toordinal() - epoch) == known.isoformat()
    # 400 years have the same days, whichever they are.
    assert [moments.day(date.max.toordinal() - epoch + more) for more in (1, 60, 146_097)] == ["10000-01-01", "10000-02-29", "10399-12-31"]
    assert [moments.day(1 - epoch - less) for less in (1, 366, 367)] == ["0001-12-31 BC", "0001-01-01 BC", "0002-12-31 BC"]


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ((14, 3, 14_706_500_000), "P1Y2M3DT4H5M6.5S"), ((-14, 0, -1_500_000), "P-1Y-2MT-1.5S"), ((0, 0, 0), "PT0S"), ((0, 7, 0), "P7D"),
        ((1, -1, 60_000_000), "P1M-1DT1M"),
    ],
)  # fmt: skip
def test_a_duration_goes_both_ways(parts: tuple[int, int, int], text: str) -> None:
    assert moments.duration(*parts) == text
    assert moments.parts_of(text) == parts


@pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "1 day", "P1H", "P1.5D"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}$"):
        moments.parts_of(text)


@pytest.mark.parametrize(
    ("value", "kind", "given"),
    [
        ("12", "int8", 12), (3.0, "int4", 3), (1, "numeric", Decimal(1)), (0.1, "numeric", Decimal("0.1")), (5, "text", "5"), (True, "text", "true"),
        ("2026-11-21", "date", date(2026, 11, 21)), ("2026-11-21T15:00:00+02:00", "timestamp", datetime(2026, 11, 21, 13)),
        ("2026-11-21T15:00:00", "timestamptz", datetime(2026, 11, 21, 15, tzinfo=UTC)), (["1", 2], "int4[]", [1, 2]), ({"a": 1}, "jsonb", '{"a":1}'),
        ("AP8=", "bytea", b"\x00\xff"), (None, "date", None),
    ],
)  # fmt: skip
def test_arguments_become_what_postgresql_wants(value: Any, kind: str, given: Any) -> None:
    assert converted(value, kind, "x") == given


@pytest.mark.parametrize(
    ("value", "kind"),
    [(True, "int4"), (1.5, "int8"), ("x", "date"), (1, "bool"), ("?", "bytea"), (1, "int4[]"), ("x", "numeric"), (5, "date")],
)
def test_arguments_that_do_not_fit_are_told_by_name(value: Any, kind: str) -> None:
    with pytest.raises(SqlFailed, match="`x` must be "):
        converted(value, kind, "x")


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (None, "NULL"), (True, "TRUE"), (-1, "(-1)"), (7, "7"), (1.5, "(1.5e0)"), (50.0, "50"), (-2.0, "(-2)"), (1e300, "(1e+300)"),
        ("'\\", "_utf8mb4 X'275c' "), ([1], "_utf8mb4 X'5b315d' "),
    ],
)  # fmt: skip
def test_mysql_literals_hold_nothing_that_a_server_could_misread(value: Any, sql: str) -> None:
    assert literal(value) == sql


def test_rows_are_cut_at_each_limit_and_the_answer_says_so() -> None:
    by_rows = Gathering(query(), ("n", "n"))
    assert [by_rows.add((n, n)) for n in range(5)] == [True, True, True, False, False]
    assert by_rows.rows().rows[0] == {"n": 0, "n_2": 0}
    shown = answer(TOOL, by_rows.rows())
    assert "first 3 rows" in (shown.note or "")
    assert shown.structured["truncated"] is True
    by_bytes = Gathering(query(max_bytes=30), ("n",))
    assert [by_bytes.add(("x" * 10,)) for _ in range(2)] == [True, False]
    assert by_bytes.cut == "bytes"
    exact = Gathering(query(), ("n",))
    assert [exact.add((n,)) for n in range(3)] == [True] * 3
    assert exact.rows().cut is None
    assert answer(TOOL, exact.rows()).note is None


def test_a_row_that_is_larger_than_an_answer_is_shown_with_its_long_values_cut() -> None:
    large = Gathering(query(), ("id", "body", "extra"))
    assert large.add((1, "x" * 5000, {"k": ["y" * 5000]})) is False
    shown = large.rows()
    (row,) = shown.rows
    assert (row["id"], shown.cut) == (1, "values")
    assert row["body"].startswith("xxx")
    assert row["body"].endswith("… (of 5,000 characters)")
    assert row["extra"].startswith('{"k":["yyy')
    assert len(shown.encoded[0]) < 1000
    assert "long values are cut" in (answer(TOOL, shown).note or "")
    # What comes behind rows that fit is for the next page.
    second = Gathering(query(), ("body",))
    assert [second.add((text,)) for text in ("x", "x" * 5000)] == [True, False]
    assert (len(second.rows().rows), second.cut) == (1, "bytes")
    hopeless = Gathering(query(), [f"column_{n}" for n in range(200)])
    assert hopeless.add([0] * 200) is False
    assert (hopeless.rows().rows, hopeless.cut) == ((), "bytes")


def test_what_a_database_refuses_becomes_advice() -> None:
    assert refused("23505", "duplicate key").code == "sql_conflict"
    assert refused("22003", "").sentence == "A value does not fit its column or the calculation. Correct the arguments and call again."
    assert refused("XX000", "").code == "sql_failed"
    assert refused("42P01", 'relation "x"\ndoes not exist').sentence.endswith('The database said: relation "x" does not exist')


class Fake:
    """A session that does as it is told; real ones are in tests/real."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act, self.usable, self.killed = act, True, False

    async def run(self, query: Query) -> Rows:
        await asyncio.sleep(0.01)
        self._act()
        return Gathering(query, ()).rows()

    def kill(self) -> None:
        self.usable, self.killed = False, True


def test_a_pool_opens_at_most_four_sessions_and_keeps_them() -> None:
    opened: list[Fake] = []

    async def connect() -> Fake:
        opened.append(Fake(lambda: None))
        return opened[-1]

    async def use() -> None:
        pool = Pool(connect)
        await asyncio.gather(*(pool.run(query()) for _ in range(20)))
        await pool.run(query())
        pool.close()

    asyncio.run(use())
    assert len(opened) == MOST
    assert all(session.killed for session in opened)


def test_calls_that_are_cancelled_while_they_wait_cost_no_place() -> None:
    opened: list[Fake] = []

    async def connect() -> Fake:
        opened.append(Fake(lambda: None))
        return opened[-1]

    async def use() -> None:
        pool = Pool(connect)
        calls = [asyncio.ensure_future(pool.run(query())) for _ in range(1000)]
        await asyncio.sleep(0.03)
        for call in calls[1::2]:
            call.cancel()
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(each, Rows) for each in done[::2])
        assert sum(isinstance(each, asyncio.CancelledError) for each in done) > 400
        await asyncio.gather(*(pool.run(query()) for _ in range(MOST)))
        pool.close()

    asyncio.run(use())
    assert len(opened) <= 2 * MOST  # a session whose call was cancelled is not used again


@pytest.mark.parametrize(("read_only", "survives"), [(True, True), (False, False)])
def test_only_a_query_that_reads_is_asked_again_on_a_new_session(read_only: bool, survives: bool) -> None:
    down = False
    opened: list[Fake] = []

    async def connect() -> Fake:
        number = len(opened)

        def act() -> None:
            if down and number == 0:
                opened[0].usable = False
                raise Lost

        opened.append(Fake(act))
        return opened[-1]

    async def use() -> None:
        nonlocal down
        pool = Pool(connect)
        await pool.run(query())
        down = True
        await pool.run(query(read_only=read_only))

    if survives:
        asyncio.run(use())
        assert len(opened) == 2
    else:
        with pytest.raises(Lost):
            asyncio.run(use())


def test_a_database_is_asked_in_its_own_thread_and_says_what_is_wrong(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / DIGEST) as db:
        db.execute("CREATE TABLE t (n int)")
        db.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(10)])
    known = tuple(Database(name=name, kind="sqlite", file=file) for name, file in (("main", DIGEST), ("gone", "1" * 64)))
    databases = Databases(ServerSpec(name="x", databases=known), ways=Upstreams((), egress=tmp_path), secrets={}, files=tmp_path)

    def asked(text: str, *, seconds: float = 10, **values: object) -> Query:
        statement = parse_query(text, "sqlite")
        return Query(statement=statement, values=values, read_only=True, seconds=seconds, max_rows=3, max_bytes=1000)

    async def refused(database: str, text: str, *, seconds: float = 10) -> str:
        with pytest.raises(Refused) as error:
            await databases.ask(database, asked(text, seconds=seconds))
        assert str(tmp_path) not in error.value.message
        return error.value.code

    async def use() -> None:
        assert (await databases.ask("main", asked("SELECT n FROM t WHERE n < :most", most=2))).rows == ({"n": 0}, {"n": 1})
        assert (await databases.ask("main", asked("SELECT n FROM t"))).cut == "rows"
        assert await refused("main", "SELECT * FROM nothing") == "sql_wrong"
        endless = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT max(n) FROM n"
        assert await refused("main", endless, seconds=0.5) == "sql_timeout"
        assert await refused("gone", "SELECT 1") == "sql_unavailable"
        databases["main"].close()

    asyncio.run(use())


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_database_that_is_silent_has_changed_nothing(tmp_path: Path, kind: DatabaseKind) -> None:
    class Silent:
        def way(self, name: str, port: int) -> str:
            return str(tmp_path / "way")

    async def use() -> None:
        ended = asyncio.Event()

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await ended.wait()
            writer.close()

        known = Database(name="main", kind=kind, host="db.test", database="x", user="u", tls="off")
        databases = Databases(ServerSpec(name="x", databases=(known,)), ways=Silent(), secrets={}, files=tmp_path)
        statement = parse_query("DELETE FROM t", kind, read_only=False)
        asked = Query(statement=statement, values={}, read_only=False, seconds=0.2, max_rows=3, max_bytes=1000)
        async with await asyncio.start_unix_server(serve, tmp_path / "way"):
            with pytest.raises(Refused, match="nothing has changed") as error:
                await databases.ask("main", asked)
            assert error.value.code == "sql_unavailable"
            ended.set()
            await asyncio.sleep(0)

    asyncio.run(use())
