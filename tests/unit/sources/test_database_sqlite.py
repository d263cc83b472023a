"""SQLite files as people have them: the tools that are proposed, asked for real."""

import asyncio
import os
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bmm.cli.parts.database_files import with_databases
from bmm.sources.database import compile_database
from bmm.sources.database.options import Options
from runner.contract import SqlTool
from runner.sql.databases import Databases
from runner.tools.arguments import Checker
from runner.tools.http import Upstreams
from runner.tools.sql import SqlRunner

DIGEST = "0" * 64
TABLES = """
CREATE TABLE untyped (id PRIMARY KEY, n, word, mixed);
INSERT INTO untyped VALUES (1, 10, 'x', 1), (2, 20, 'y', 'one');
CREATE TABLE visits (id INTEGER PRIMARY KEY, at TIMESTAMP, since DATETIME, day DATE, ok BOOLEAN, twice INT AS (id * 2));
INSERT INTO visits VALUES (1, '2026-11-21 16:00:00', 1795273200, '2026-11-21 10:00', 1), (2, '2026-11-21T14:00:00Z', 1795266000, '2026-11-22', 0);
CREATE TABLE csv ("Order ID" INTEGER PRIMARY KEY, "First Name" TEXT, "größe" TEXT, "2026" INT); INSERT INTO csv VALUES (7, 'Al', 'L', 3);
CREATE TABLE broken_text (id INTEGER PRIMARY KEY, t TEXT); INSERT INTO broken_text VALUES (1, CAST(x'636166e9' AS TEXT));
CREATE TABLE blobs (id BLOB PRIMARY KEY, v INT); INSERT INTO blobs VALUES (x'00ff', 1);
CREATE VIRTUAL TABLE docs USING fts5(title, body); INSERT INTO docs VALUES ('hello', 'world');
CREATE VIEW sums AS SELECT word, sum(n) AS total FROM untyped GROUP BY word;
CREATE VIEW gone AS SELECT * FROM nowhere;
"""


class Lite:
    """A file with these tables, and the tools that are proposed for them."""

    def __init__(self, folder: Path) -> None:
        with sqlite3.connect(folder / DIGEST) as db:
            db.executescript(TABLES)
        db.close()
        queries = (("found", "SELECT title FROM docs WHERE docs MATCH :words"),)
        spec = compile_database(str(folder / DIGEST), options=Options(queries=queries)).spec
        database = msgspec.structs.replace(spec.databases[0], file=DIGEST)
        self.tools = {tool.name: tool for tool in spec.tools if isinstance(tool, SqlTool)}
        self._databases = Databases(msgspec.structs.replace(spec, databases=(database,)), ways=Upstreams((), egress=folder), secrets={}, files=folder)

    def rows(self, name: str, /, **arguments: object) -> list[dict[str, Any]]:
        tool = self.tools[name]
        assert Checker(tool.input_schema).problems(arguments) == []
        answer = asyncio.run(SqlRunner(tool, self._databases).run(arguments))
        self._databases["main"].close()
        assert answer.structured is not None, answer.text
        found: list[dict[str, Any]] = answer.structured["rows"]
        return found


@pytest.fixture
def lite(tmp_path: Path) -> Lite:
    return Lite(tmp_path)


def test_every_table_that_can_be_asked_is_searched_and_described(lite: Lite) -> None:
    names = {row["table_name"] for row in lite.rows("list_tables")}
    assert names == {"untyped", "visits", "csv", "broken_text", "blobs", "docs", "sums"}
    assert {f"search_{name}" for name in names} == {name for name in lite.tools if name.startswith("search_")}
    for name in names:
        assert lite.rows(f"search_{name}")
        assert lite.rows("describe_table", table=name)
    assert "twice" in [row["column_name"] for row in lite.rows("describe_table", table="visits")]
    assert "get_blobs" not in lite.tools


def test_filters_compare_with_what_a_column_holds(lite: Lite) -> None:
    assert lite.rows("get_untyped", id=2)[0]["word"] == "y"
    assert [row["id"] for row in lite.rows("search_untyped", n_from=15)] == [2]
    assert [row["word"] for row in lite.rows("search_sums", total_to=10)] == ["x"]
    assert [row["id"] for row in lite.rows("search_visits", ok=1)] == [row["id"] for row in lite.rows("search_visits", ok=True)] == [1]
    assert [row["id"] for row in lite.rows("search_visits", since_from=1795270000)] == [1]


@pytest.mark.parametrize("moment", ["2026-11-21T15:00:00Z", "2026-11-21 15:00", "2026-11-21T17:00:00.5+02:00"])
def test_moments_are_compared_as_such_however_they_are_written(lite: Lite, moment: str) -> None:
    assert [row["id"] for row in lite.rows("search_visits", at_from=moment)] == [1]
    assert [row["id"] for row in lite.rows("search_visits", at_to=moment)] == [2]
    assert [row["id"] for row in lite.rows("search_visits", day_to="2026-11-21")] == [1]


def test_columns_with_any_name_are_arguments(lite: Lite) -> None:
    (row,) = lite.rows("get_csv", Order_ID=7)
    assert row == {"Order ID": 7, "First Name": "Al", "größe": "L", "2026": 3}
    assert lite.rows("search_csv", First_Name_contains="a", gr_e_contains="l", column_2026_from=3, order_by="2026") == [row]
    assert lite.tools["search_csv"].input_schema["properties"]["First_Name_contains"]["description"] == "Text that First Name holds"


def test_a_full_text_search_works_and_a_text_that_is_none_is_shown(lite: Lite) -> None:
    assert lite.rows("found", words="world") == [{"title": "hello"}]
    assert lite.rows("get_broken_text", id=1) == [{"id": 1, "t": "caf\ufffd"}]


def test_a_file_with_a_log_is_read_where_nobody_may_write(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with sqlite3.connect(home / "shop.db") as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    db.close()
    assert os.geteuid() != 0, "root may write everywhere"
    (home / "shop.db").chmod(0o444)
    home.chmod(0o555)
    try:
        spec = compile_database(str(home / "shop.db")).spec
        assert "get_orders" in {tool.name for tool in spec.tools}
        sent: list[bytes] = []

        class Client:
            def put(self, target: str, body: bytes) -> object:
                sent.append(body)
                return None

        with_databases(msgspec.json.encode({"databases": [{"kind": "sqlite", "file": "shop.db"}]}), str(home / "shop.json"), Client())
        assert sent[0].startswith(b"SQLite format 3")
    finally:
        home.chmod(0o755)
