"""`sql` tools on a real MariaDB, from a client through Caddy, the guard, the relay and the egress gateway."""

import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.real.appliance import Box
from tests.real.authority import Authority
from tests.real.mariadb import PASSWORD, MariaDb
from tests.real.sql_server import (
    Asked,
    at_most_four_at_once,
    cut_at_the_limits,
    refused_before_anything_is_built,
    spec,
    tool,
    untrusted,
    vouched,
    without_tls,
    wrong_password,
)
from tests.waiting import at_best, eventually

TABLES = r"""
CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop;
CREATE TABLE things (id bigint PRIMARY KEY, name varchar(40) NOT NULL UNIQUE, price decimal(10,2), made date, seen datetime, mood enum('calm','busy'),
  extra json, raw blob, at time, bits bit(3)) COMMENT 'Things we have';
INSERT INTO things VALUES (1, 'one', 12.50, '2026-11-21', '2026-11-21 15:00:00', 'calm', '{"k": 1}', x'00ff', '15:00:01', b'101');
INSERT INTO things (id, name) VALUES (9007199254740993, 'big ü 🙂');
CREATE TABLE log (n int) ENGINE=MyISAM;
CREATE FUNCTION burn() RETURNS int MODIFIES SQL DATA RETURN (SELECT 1);
DELIMITER //
CREATE OR REPLACE FUNCTION burn() RETURNS int MODIFIES SQL DATA BEGIN DELETE FROM things; INSERT INTO log VALUES (1); RETURN 1; END //
DELIMITER ;
CREATE USER reader IDENTIFIED BY 'a secret: \'\\ x'; GRANT ALL PRIVILEGES ON *.* TO reader;
"""
NAME = {"name": {"type": "string"}}
FIND = tool("find", "SELECT id, name FROM things WHERE name = :name -- :not this\n AND ':nor' <> name", properties=NAME)
TOOLS = (
    tool("all_things", "SELECT * FROM things ORDER BY id;"),
    FIND,
    tool("echo", "SELECT :text AS text, :n AS n", properties={"text": {"type": "string"}, "n": {"type": "number"}}),
    tool("same", "SELECT :text = 'name' AS same", properties={"text": {"type": "string"}}),
    tool("page", "SELECT id FROM things ORDER BY id LIMIT :limit", properties={"limit": {"type": "integer", "default": 1}}),
    tool("million", "SELECT seq AS n FROM seq_1_to_1000000"),
    tool("limited", "SELECT seq AS n, repeat('x', 100) AS pad FROM seq_1_to_1000000 LIMIT 900000"),
    tool("huge", "SELECT repeat('x', 15000000) AS a, repeat('y', 15000000) AS b"),
    tool("slow", "SELECT sleep(60)", timeout=1),
    tool("nap", "SELECT sleep(1.5), :n AS n", properties={"n": {"type": "integer"}}),
    tool("burn", "SELECT burn()"),
    tool("wrong", "SELECT * FROM nothing_here"),
    tool("forever", "SELECT date '9999-12-31' AS day, timestamp '9999-12-31 23:59:59.999999' AS moment, timediff('00:00:00', '30:00:00') AS span"),
    tool("pid", "SELECT connection_id() AS pid"),
    tool("insert", "INSERT INTO things (id, name) VALUES (:id, :name)", properties={"id": {"type": "integer"}, **NAME}, read_only=False),
    tool("insert_once", "INSERT IGNORE INTO things (id, name) VALUES (1, :name)", properties=NAME, read_only=False),
    tool("nap_and_insert", "INSERT INTO things (id, name) SELECT 7 + sleep(30), 'seven'", read_only=False, timeout=1),
)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def maria(authority: Authority) -> Iterator[MariaDb]:
    with tempfile.TemporaryDirectory(prefix="my") as folder:
        one = MariaDb(Path(folder), authority)
        one.start()
        one.sql(TABLES)
        yield one
        one.stop(signal.SIGKILL)


def entry(maria: MariaDb, authority: Authority) -> dict[str, Any]:
    return {"kind": "mysql", "host": maria.host, "port": maria.port, "database": "shop", "user": "reader", "trust": authority.pem}


@pytest.fixture(scope="module")
def box(box: Box, maria: MariaDb) -> Box:
    return vouched(box, f"{maria.host}:{maria.port}")


@pytest.fixture(scope="module")
def server(box: Box, maria: MariaDb, authority: Authority) -> Asked:
    return Asked(box, "my", spec(entry(maria, authority), *TOOLS), PASSWORD)


def test_rows_of_every_type(server: Asked) -> None:
    one, big = server.rows("all_things")
    assert one | {"extra": None} == {
        "id": 1, "name": "one", "price": "12.50", "made": "2026-11-21", "seen": "2026-11-21T15:00:00", "mood": "calm", "extra": None,
        "raw": "AP8=", "at": "15:00:01", "bits": 5,
    }  # fmt: skip
    assert (big["id"], big["name"]) == ("9007199254740993", "big ü 🙂")
    assert server.rows("forever") == [{"day": "9999-12-31", "moment": "9999-12-31T23:59:59.999999", "span": "-30:00:00"}]


@pytest.mark.parametrize("text", ["", "'", "\\", "\\' OR 1=1 -- ", '"; DROP TABLE things; #', "%s %d", "ü🙂", "a\nb\x00c", "\u2019", "?:n"])
def test_values_come_back_as_they_went(server: Asked, text: str) -> None:
    assert server.rows("echo", text=text, n=-1.5) == [{"text": text, "n": -1.5}]


def test_values_that_are_left_out(server: Asked) -> None:
    assert server.rows("echo") == [{"text": None, "n": None}]
    assert server.rows("page") == server.rows("page", limit=1.0) == [{"id": 1}]
    assert server.rows("find", name="one") == [{"id": 1, "name": "one"}]


def test_a_tool_that_reads_cannot_write(server: Asked, maria: MariaDb) -> None:
    assert "may only read" in server.error("burn")
    assert maria.sql("SELECT (SELECT count(*) FROM shop.things WHERE id = 1), (SELECT count(*) FROM shop.log)") == "1\t0"


@pytest.mark.parametrize(
    "query",
    ["SELECT 1 INTO OUTFILE 'x'", "SELECT 1.INTO OUTFILE 'x'", "SELECT 1 /*! INTO OUTFILE 'x' */", "SELECT 1; DROP TABLE things",
     "SET SESSION TRANSACTION READ WRITE", "DELETE FROM things", "LOAD DATA INFILE 'x' INTO TABLE things", "CALL burn()", "SELECT 'it\\'; DROP TABLE things"],
)  # fmt: skip
def test_such_a_query_is_refused_before_anything_is_built(box: Box, maria: MariaDb, authority: Authority, query: str) -> None:
    refused_before_anything_is_built(box, entry(maria, authority), query)


def test_a_tool_that_may_write_does_and_says_how_much(server: Asked, maria: MariaDb) -> None:
    assert server.result("insert", id=3, name="three")["structuredContent"]["changed"] == 1
    assert maria.sql("SELECT name FROM shop.things WHERE id = 3") == "three"
    assert "must be unique" in server.error("insert", id=4, name="three")
    assert "must be given" in server.error("insert", id=4)
    maria.sql("DELETE FROM shop.things WHERE id = 3")


def test_what_a_database_warns_of_is_in_no_log(box: Box, server: Asked) -> None:
    assert server.result("insert_once", name="one")["structuredContent"]["changed"] == 0
    logs = list((box.data / "control").rglob("stderr.log"))
    assert logs
    assert not [path for path in logs if b"Duplicate" in path.read_bytes()]


def test_many_rows_are_cut_at_the_limits_and_the_answer_says_so(server: Asked) -> None:
    cut_at_the_limits(server, "million", "limited", "million")


def test_a_slow_query_is_stopped_in_the_database_too(server: Asked, maria: MariaDb) -> None:
    for name in ("slow", "nap_and_insert"):
        at_best(partial(server.stopped_after, name, "too long", "did not answer"), within=6)
    running = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%sleep(_0)%' AND info NOT LIKE '%processlist%'"
    eventually(lambda: maria.sql(running) == "0", seconds=10)  # by themselves they would end after half a minute and more
    assert maria.sql("SELECT count(*) FROM shop.things WHERE id = 7") == "0"


def test_no_more_than_four_connections_serve_many_calls_at_once(server: Asked, maria: MariaDb) -> None:
    at_most_four_at_once(server, lambda: int(maria.sql("SELECT count(*) FROM information_schema.processlist WHERE user = 'reader'")))


def test_a_restart_of_the_database_costs_no_call_that_reads(server: Asked, maria: MariaDb) -> None:
    server.rows("pid")
    maria.stop()
    assert "does not accept connections" in server.error("pid")
    maria.start()
    assert server.rows("pid")
    maria.stop(signal.SIGKILL)
    maria.start()
    assert server.rows("find", name="one")


def test_a_wrong_query_password_or_certificate_is_told_without_places_and_names(box: Box, server: Asked, maria: MariaDb, authority: Authority) -> None:
    assert "nothing_here' doesn't exist" in server.error("wrong")
    wrong_password(box, "wrong-my", entry(maria, authority), FIND)
    untrusted(box, "stranger-my", entry(maria, authority), FIND, PASSWORD, trust=Authority().pem)


def test_without_tls_where_the_operator_allows_it(box: Box, maria: MariaDb, authority: Authority) -> None:
    without_tls(box, "plain-my", entry(maria, authority), FIND, PASSWORD)


def test_a_database_compiles_to_tools_that_work(box: Box, maria: MariaDb, authority: Authority, tmp_path: Path) -> None:
    maria.sql("USE shop; CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, thing bigint NOT NULL, state enum('new','paid') NOT NULL DEFAULT 'new',"
              "placed datetime, note varchar(100) COMMENT 'by hand', FOREIGN KEY (thing) REFERENCES things (id));"
              "INSERT INTO orders (thing, state, placed, note) SELECT 1, if(seq % 2, 'new', 'paid'), '2026-01-01' + INTERVAL seq DAY, concat('n% ', seq)"
              "FROM seq_1_to_100; ANALYZE TABLE orders, things")  # fmt: skip
    (tmp_path / "trust.pem").write_text(authority.pem)
    box.environ["MYSQL_PWD"] = PASSWORD
    found = box.bmm(
        "compile", "database", f"mariadb://reader@127.0.0.1:{maria.port}/shop", "--known-as", maria.host, "--trust", str(tmp_path / "trust.pem"),
        "--writes", "orders", "--query", "by_state=SELECT count(*) AS n FROM orders WHERE state = :state", "--query", "broken=SELECT * FROM nowhere",
    )  # fmt: skip
    del box.environ["MYSQL_PWD"]
    assert PASSWORD not in found.stdout + found.stderr
    assert "GRANT SELECT ON `shop`.`orders`" in found.stderr
    assert "nowhere' doesn't exist" in found.stderr
    shop = Asked(box, "shop-my", json.loads(found.stdout), PASSWORD)
    assert {row["table_name"] for row in shop.rows("list_tables")} == {"things", "orders", "log"}
    assert next(row for row in shop.rows("describe_table", table="orders") if row["column_name"] == "note")["comment"] == "by hand"
    assert shop.rows("get_orders", id=7)[0]["note"] == "n% 7"
    assert [row["id"] for row in shop.rows("search_orders", state="paid", order_by="id", descending=True, limit=2)] == [100, 98]
    assert [row["id"] for row in shop.rows("search_orders", placed_from="2026-04-11")] == [100]
    for moment in ("2026-04-11T00:00:00Z", "2026-04-11T00:00:00+02:00", "tomorrow"):
        assert "placed_from" in shop.error("search_orders", placed_from=moment), "the database would take it for something else, silently"
    assert [row["id"] for row in shop.rows("search_orders", note_contains="% 50")] == [50]
    assert shop.rows("count_orders", group_by="state") == [{"value": "new", "count": 50}, {"value": "paid", "count": 50}]
    assert shop.rows("by_state", state="paid") == [{"n": 50}]
    assert shop.result("insert_orders", thing=1, note="x")["structuredContent"]["changed"] == 1
    (new,) = shop.rows("search_orders", note_contains="x")
    assert shop.result("update_orders", id=new["id"], state="paid", confirm=True)["structuredContent"]["changed"] == 1
    assert shop.result("update_orders", id=new["id"], state="paid", confirm=True)["structuredContent"]["changed"] == 1
    assert shop.rows("get_orders", id=new["id"])[0]["state"] == "paid"
    assert shop.result("delete_orders", id=new["id"], confirm=True)["structuredContent"]["changed"] == 1
    assert shop.rows("get_orders", id=new["id"]) == []


ODD = r"""
CREATE DATABASE odd CHARACTER SET utf8mb4; USE odd;
CREATE TABLE things (id binary(2) PRIMARY KEY, `First Name` varchar(20), ok tinyint(1), raw varbinary(10), way enum('it''s','back\\slash'));
INSERT INTO things VALUES (x'00ff', 'Al', 1, NULL, 'back\\slash');
CREATE SEQUENCE numbers; CREATE TABLE gone (n int); CREATE VIEW broken AS SELECT n FROM gone; DROP TABLE gone;
"""


def compiled(box: Box, maria: MariaDb, authority: Authority, tmp_path: Path, name: str, *words: str) -> "subprocess.CompletedProcess[str]":
    (tmp_path / "trust.pem").write_text(authority.pem)
    box.environ["MYSQL_PWD"] = PASSWORD
    try:
        url = f"mariadb://reader@127.0.0.1:{maria.port}/{name}"
        return box.bmm("compile", "database", url, "--known-as", maria.host, "--trust", str(tmp_path / "trust.pem"), *words)
    finally:
        del box.environ["MYSQL_PWD"]


def test_odd_tables_make_tools_that_work(box: Box, maria: MariaDb, authority: Authority, tmp_path: Path) -> None:
    maria.sql(ODD)
    found = compiled(box, maria, authority, tmp_path, "odd", "--writes", "*")
    assert "Warning" not in found.stderr
    odd = Asked(box, "odd-my", json.loads(found.stdout), PASSWORD)
    assert [row["table_name"] for row in odd.rows("list_tables")] == ["things"]
    row = {"id": "AP8=", "First Name": "Al", "ok": 1, "way": "back\\slash"}
    assert odd.rows("get_things", id="AP8=") == odd.rows("search_things", ok=1, First_Name_contains="A", way="back\\slash") == [row]
    assert odd.result("insert_things", id="AQI=", raw="/w==", ok=True)["structuredContent"]["changed"] == 1
    assert maria.sql("SELECT hex(id), hex(raw), ok FROM odd.things WHERE id = x'0102'") == "0102\tFF\t1"
    assert "`raw`" in odd.error("insert_things", id="AQM=", raw="no base64!")


def test_hundreds_of_tables_are_read_at_once(box: Box, maria: MariaDb, authority: Authority, tmp_path: Path) -> None:
    columns = ", ".join(f"c{n} varchar(20)" for n in range(12))
    tables = ";".join(f"CREATE TABLE t{n} (id int PRIMARY KEY, hub int, {columns}, KEY (c1), FOREIGN KEY (hub) REFERENCES t0 (id))" for n in range(300))
    maria.sql(f"CREATE DATABASE wide; USE wide; {tables}")
    found = compiled(box, maria, authority, tmp_path, "wide")
    assert "300 tables can be read" in found.stderr
    assert "search_t0" in {each["name"] for each in json.loads(found.stdout)["tools"]}


def test_texts_are_exact_where_the_server_passes_over_what_clients_say_of_theirs(box: Box, server: Asked, maria: MariaDb) -> None:
    maria.stop()
    maria.start("--skip-character-set-client-handshake", "--character-set-server=latin1")
    assert server.rows("echo", text="ü🙂") == [{"text": "ü🙂", "n": None}]
    assert server.rows("all_things")[1]["name"] == "big ü 🙂"
    maria.stop()
    maria.start("--skip-character-set-client-handshake", "--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci")
    assert server.rows("same", text="NAME") == [{"same": 1}]
    maria.stop()
    maria.start()


def test_a_database_that_offers_no_tls_is_not_asked_without(box: Box, maria: MariaDb, authority: Authority) -> None:
    bare = Asked(box, "bare-my", spec(entry(maria, authority), FIND), PASSWORD)
    maria.stop()
    maria.start(tls=False)
    assert "does not speak TLS" in bare.error("find", name="one")
    maria.stop()
    maria.start()
    assert bare.rows("find", name="one")
