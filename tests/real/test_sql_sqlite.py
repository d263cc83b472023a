"""`sql` tools on a SQLite file that travels with the server."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.real.appliance import Box
from tests.real.sql_server import Asked, tool
from tests.waiting import at_best

QUERIES = {
    "million": "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 1000000) SELECT n FROM n",
    "slow": "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT max(n) FROM n",
    "huge": "SELECT hex(zeroblob(30000000)) AS h",
    "sorted": "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 3000000) SELECT n, hex(randomblob(200)) AS h FROM n ORDER BY h",
    "attached": "SELECT * FROM pragma_database_list",
    "extension": "SELECT load_extension('x')",
    "pragma": "SELECT * FROM pragma_query_only",
    "wrong": "SELECT * FROM nothing_here",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that somebody still writes to: its latest row is in the write-ahead log."""
    place = tmp_path_factory.mktemp("shop")
    with sqlite3.connect(place / "shop.db") as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT NOT NULL, total REAL, placed DATE, raw BLOB)")
        rows = [(n, ("new", "paid")[n % 2], n / 2, f"2026-01-{n % 28 + 1:02}", b"\0") for n in range(1, 101)]
        db.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", rows)
    return place


@pytest.fixture(scope="module")
def server(box: Box, folder: Path) -> Asked:
    query = "by_state=-- How many orders are in a state.\nSELECT count(*) AS n FROM orders WHERE state = :state"
    found = box.bmm("compile", "database", str(folder / "shop.db"), "--query", query, "--writes", "orders")
    assert "can only be read" in found.stderr
    document: dict[str, Any] = json.loads(found.stdout)
    assert document["databases"] == [{"name": "main", "kind": "sqlite", "file": str(folder / "shop.db")}]
    document["databases"][0]["file"] = "shop.db"
    document["tools"] += [tool(name, query, timeout=2 if name in ("slow", "sorted") else 30) for name, query in QUERIES.items()]
    (folder / "shop.json").write_text(json.dumps(document))
    return Asked.from_file(box, "lite", folder / "shop.json")


def test_the_proposed_tools_work(server: Asked) -> None:
    assert [row["table_name"] for row in server.rows("list_tables")] == ["orders"]
    assert [row["column_name"] for row in server.rows("describe_table", table="orders")] == ["id", "state", "total", "placed", "raw"]
    assert server.rows("get_orders", id=7) == [{"id": 7, "state": "paid", "total": 3.5, "placed": "2026-01-08"}]
    assert [row["id"] for row in server.rows("search_orders", state="new", order_by="total", descending=True, limit=2)] == [100, 98]
    assert server.rows("count_orders", group_by="state") == [{"value": "new", "count": 50}, {"value": "paid", "count": 50}]
    assert server.rows("by_state", state="paid") == [{"n": 50}]
    assert server.rows("by_state", state="' OR 1=1 --") == [{"n": 0}]


def test_limits_hold(server: Asked) -> None:
    result = server.result("million")
    assert (len(result["structuredContent"]["rows"]), result["structuredContent"]["truncated"]) == (200, True)
    at_best(lambda: server.stopped_after("slow", "too long"), within=4)
    assert "more memory" in server.error("huge")
    error = server.error("sorted")
    assert any(words in error for words in ("more memory", "too long", "did not answer")), error
    assert server.rows("by_state", state="paid") == [{"n": 50}]


def test_nothing_but_reading_is_possible(box: Box, server: Asked, folder: Path) -> None:
    for name in ("attached", "extension", "pragma"):
        assert "can only be read" in server.error(name) or "not authorized" in server.error(name)
    assert "no such table: nothing_here" in server.error("wrong")
    document = json.loads((folder / "shop.json").read_text())
    for query in ("ATTACH 'x' AS y", "PRAGMA writable_schema = 1", "VACUUM INTO 'x'", "SELECT 1; DELETE FROM orders", "DELETE FROM orders"):
        document["tools"] = [tool("x", query)]
        (folder / "bad.json").write_text(json.dumps(document))
        assert "/tools/0/query" in box.bmm("deploy", str(folder / "bad.json"), "--slug", "never", check=False).stderr
    document["tools"] = [tool("x", "DELETE FROM orders", read_only=False)]
    (folder / "bad.json").write_text(json.dumps(document))
    assert "can only be read" in box.bmm("deploy", str(folder / "bad.json"), "--slug", "never", check=False).stderr


def test_a_file_from_elsewhere_or_that_is_no_database_is_not_taken(box: Box, folder: Path, tmp_path: Path) -> None:
    document = json.loads((folder / "shop.json").read_text())
    (folder / "text.db").write_text("no database" * 100)
    whys = {f"{tmp_path}/../x": "cannot be read", "/etc/hostname": "outside the folder", "text.db": "not a database", "0" * 64: "was not uploaded"}
    for file, why in whys.items():
        document["databases"][0]["file"] = file
        (folder / "bad.json").write_text(json.dumps(document))
        refused = box.bmm("deploy", str(folder / "bad.json"), "--slug", "never", check=False)
        assert (refused.returncode, why in refused.stderr) == (2, True), refused.stderr
