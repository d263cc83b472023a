"""`sql` tools on a real PostgreSQL, from the official client through Caddy, the guard, the relay and the egress gateway."""

import asyncio
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.real.appliance import Box, call
from tests.real.authority import Authority
from tests.real.postgres import PASSWORD, Postgres
from tests.real.postgres_tables import ODD, SHOP, TABLES
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

NAME = {"name": {"type": "string"}}
COLUMNS = {"id": {"type": ["integer", "string"]}, "name": {"type": "string"}, "price": {"type": "number"}, "mood": {"type": "string"}}
FIND = tool("find", "SELECT id, name FROM things WHERE name = :name -- :not this\n AND ':nor' <> name", properties=NAME)
TOOLS = (
    tool("all_things", "SELECT * FROM things ORDER BY id;"),
    FIND,
    tool("by_id", "SELECT name FROM things WHERE id = :id::bigint", properties={"id": COLUMNS["id"]}),
    tool("made", "SELECT name FROM things WHERE made = :day AND (mood = :mood OR :mood IS NULL)",
         properties={"day": {"type": "string"}, "mood": {"type": "string"}}),
    tool("million", "SELECT n, repeat('x', 100) AS pad FROM generate_series(1, 1000000) AS n"),
    tool("few", "SELECT n FROM generate_series(1, 1000000) AS n", max_rows=5),
    tool("huge", "SELECT repeat('x', 40000000) AS pad"),
    tool("slow", "SELECT pg_sleep(60)", timeout=1),
    tool("nap", "SELECT pg_sleep(1.5), :n::int AS n", properties={"n": {"type": "integer"}}),
    tool("delete_in_cte", "WITH gone AS (DELETE FROM things RETURNING id) SELECT count(*) FROM gone"),
    tool("burn", "SELECT burn()"),
    tool("unlock", "SELECT unlock(), burn()"),
    tool("leave", "SELECT leave()"),
    tool("wrong", "SELECT * FROM nothing_here"),
    tool("moments", "SELECT interval '1 month -2 hours' AS a, '0044-03-15 BC'::date AS b, '9999-12-31'::date AS c, 'infinity'::timestamptz AS d,"
         " '24:00'::time AS e, timestamp '20000-01-01 00:00:00.5' AS f, '15:00+02'::timetz AS g, '{9999-12-31,NULL,0044-03-15 BC}'::date[] AS h,"
         " daterange('0044-03-15 BC', '2026-01-01') AS i, ROW(date '2026-01-01', interval '1 year') AS j, interval '-1.5 seconds' AS k"),
    tool("until", "SELECT :day = date '9999-12-31' AS same, :long::interval > interval '1 day' AS longer",
         properties={"day": {"type": "string"}, "long": {"type": "string"}}),
    tool("unreadable", "SELECT most_common_vals FROM pg_stats"),
    tool("untyped", "SELECT 1 AS n WHERE :what IS NULL", properties={"what": {"type": "string"}}),
    tool("pid", "SELECT pg_backend_pid() AS pid"),
    tool("insert", "INSERT INTO things (id, name, price, mood) VALUES (:id, :name, :price, :mood) RETURNING id", properties=COLUMNS, read_only=False),
    tool("rename", "UPDATE things SET name = 'two' WHERE name = :name", properties=NAME, read_only=False),
)  # fmt: skip


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def postgres(authority: Authority) -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        one = Postgres(Path(folder), authority)
        one.start()
        one.sql(TABLES)
        yield one
        one.stop("immediate")


def entry(postgres: Postgres, authority: Authority) -> dict[str, Any]:
    return {"kind": "postgresql", "host": postgres.host, "port": postgres.port, "database": "postgres", "user": "admin", "trust": authority.pem}


@pytest.fixture(scope="module")
def box(box: Box, postgres: Postgres) -> Box:
    return vouched(box, f"{postgres.host}:{postgres.port}", f"misnamed.test:{postgres.port}")


@pytest.fixture(scope="module")
def server(box: Box, postgres: Postgres, authority: Authority) -> Asked:
    return Asked(box, "pg", spec(entry(postgres, authority), *TOOLS), PASSWORD)


def test_the_official_client_reads_rows_of_every_type(server: Asked) -> None:
    async def use() -> Any:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {server.token}"}, timeout=90) as http,
            Client(streamable_http_client(server.url, http_client=http)) as client,
        ):
            return await client.call_tool("all_things", {})

    result = asyncio.run(use())
    assert not result.is_error, result
    one, big = result.structured_content["rows"]
    assert one == {
        "id": 1, "name": "one", "price": "12.50", "made": "2026-11-21", "seen": "2026-11-21T13:00:00+00:00", "mood": "calm",
        "tags": ["a", "b"], "extra": {"k": [1, None]}, "raw": "AP8=", "ok": True, "ref": None,
    }  # fmt: skip
    assert (big["id"], big["ref"]) == ("9007199254740993", "6f1f3c9e-0000-4000-8000-000000000001")
    assert result.structured_content["truncated"] is False
    assert json.loads(result.content[0].text) == result.structured_content


def test_values_are_bound_whatever_they_hold(server: Asked) -> None:
    assert server.rows("find", name="one") == [{"id": 1, "name": "one"}]
    assert server.rows("find", name="' OR 1=1; DROP TABLE things; --") == []
    assert server.rows("find") == [], "what is not given is NULL"
    assert server.rows("by_id", id="9007199254740993") == [{"name": "big"}]
    assert server.rows("made", day="2026-11-21") == [{"name": "one"}]
    assert server.rows("made", day="2026-11-21", mood="busy") == []
    assert "`day` must be a date such as 2026-11-21" in server.error("made", day="tomorrow")
    assert "mood" in server.error("made", day="2026-11-21", mood="angry")
    assert ":id" in server.error("by_id", id=2**70)


def test_moments_are_exact_whatever_python_can_hold(server: Asked) -> None:
    assert server.rows("moments") == [{
        "a": "P1MT-2H", "b": "0044-03-15 BC", "c": "9999-12-31", "d": "infinity", "e": "24:00:00", "f": "20000-01-01T00:00:00.500000",
        "g": "15:00:00+02:00", "h": ["9999-12-31", None, "0044-03-15 BC"], "i": "[0044-03-15 BC,2026-01-01)", "j": ["2026-01-01", "P1Y"], "k": "PT-1.5S",
    }]  # fmt: skip
    assert server.rows("until", day="9999-12-31", long="P1DT1S") == [{"same": True, "longer": True}]
    assert "a duration such as" in server.error("until", day="2026-01-01", long="soon")


@pytest.mark.parametrize("name", ["delete_in_cte", "burn", "unlock"])
def test_a_tool_that_reads_cannot_write(server: Asked, postgres: Postgres, name: str) -> None:
    error = server.error(name)
    assert "read" in error
    assert postgres.sql("SELECT count(*) FROM things WHERE id IN (1, 9007199254740993)") == "2"


def test_what_a_query_sets_ends_with_it(server: Asked) -> None:
    for _ in range(5):
        server.rows("leave")
        assert server.rows("find", name="one")


@pytest.mark.parametrize(
    "query",
    ["COPY things TO PROGRAM 'cat'", "SET TRANSACTION READ WRITE", "SELECT 1; DROP TABLE things", "INSERT INTO things VALUES (3, 'x')",
     "SELECT :unknown::text", "SELECT $1", "DO $$ BEGIN END $$", "CALL burn()", "SELECT 'no end"],
)  # fmt: skip
def test_such_a_query_is_refused_before_anything_is_built(box: Box, postgres: Postgres, authority: Authority, query: str) -> None:
    refused_before_anything_is_built(box, entry(postgres, authority), query)


def test_a_tool_that_may_write_does_and_says_how_much(server: Asked, postgres: Postgres) -> None:
    written = server.result("insert", id=3, name="three", price=1.25, mood="busy")["structuredContent"]
    assert (written["rows"], written["changed"]) == ([{"id": 3}], 1)
    assert postgres.sql("SELECT price, mood FROM things WHERE id = 3") == "1.25|busy"
    assert "must be unique" in server.error("insert", id=4, name="three")
    assert "must be given" in server.error("insert", id=4)
    assert server.result("rename", name="three")["structuredContent"]["changed"] == 1
    postgres.sql("DELETE FROM things WHERE id = 3")


def test_many_rows_are_cut_at_the_limits_and_the_answer_says_so(server: Asked) -> None:
    cut_at_the_limits(server, "million")
    assert len(server.rows("few")) == 5


def test_a_slow_query_is_stopped_in_the_database_too(server: Asked, postgres: Postgres) -> None:
    at_best(lambda: server.stopped_after("slow", "too long"), within=3)
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> pg_backend_pid()"
    eventually(lambda: postgres.sql(running) == "0", seconds=10)  # by itself it would end after a minute


def test_no_more_than_four_connections_serve_many_calls_at_once(server: Asked, postgres: Postgres) -> None:
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
    at_most_four_at_once(server, lambda: int(postgres.sql(running)))


def test_a_restart_of_the_database_costs_no_call_that_reads(server: Asked, postgres: Postgres) -> None:
    before = server.rows("pid")
    postgres.stop()
    assert "does not accept connections" in server.error("pid")
    postgres.start()
    assert server.rows("pid") != before
    postgres.stop("immediate")
    postgres.start()
    assert server.rows("find", name="one")


def test_a_restart_under_load_costs_calls_an_answer_that_says_so_and_nothing_more(box: Box, server: Asked, postgres: Postgres) -> None:
    ended = threading.Event()
    tokens = [box.token("pg") for _ in range(5)]  # the calls of one grant are limited by the minute

    said: list[str] = []

    def ask(token: str) -> None:
        while not ended.wait(0.03):
            result = call(server.url, token, "find", name="one")
            said.append(result["content"][0]["text"] if result.get("isError") else "")

    def answers_more() -> None:
        before = said.count("")
        eventually(lambda: said.count("") > before + 10)

    with ThreadPoolExecutor(5) as calls:
        asking = calls.map(ask, tokens)
        try:
            answers_more()
            postgres.stop("immediate")
            time.sleep(0.3)
            postgres.start()
            answers_more()
        finally:
            ended.set()
        assert list(asking) == [None] * 5
    known = ("does not answer", "does not accept connections", "takes no more connections", "connection to the database broke", "shutting down")
    assert not [each for each in said if each and not any(words in each for words in known)]
    assert all(server.rows("find", name="one") for _ in range(5))


def test_a_wrong_query_or_password_is_told_without_places_and_names(box: Box, server: Asked, postgres: Postgres, authority: Authority) -> None:
    assert 'relation "nothing_here" does not exist' in server.error("wrong")
    assert "must cast it to text" in server.error("unreadable")
    assert "could not determine data type of parameter :what" in server.error("untyped")
    wrong_password(box, "wrong", entry(postgres, authority), FIND)


def test_a_certificate_must_be_trusted_and_made_out_for_the_name(box: Box, postgres: Postgres, authority: Authority) -> None:
    untrusted(box, "stranger", entry(postgres, authority), FIND, PASSWORD, trust=Authority().pem)
    untrusted(box, "public-trust", entry(postgres, authority), FIND, PASSWORD, trust="")
    misnamed = Asked(box, "misnamed", spec(entry(postgres, authority) | {"host": "misnamed.test"}, FIND), PASSWORD)
    error = misnamed.error("find", name="one")
    assert "ostname mismatch" in error
    assert "a name that the certificate bears" in error


def test_a_certificate_that_has_expired_is_not_taken(box: Box, server: Asked, postgres: Postgres, authority: Authority, tmp_path: Path) -> None:
    late = Asked(box, "late", spec(entry(postgres, authority), FIND), PASSWORD)
    certificate, key = authority.issue(tmp_path, postgres.host, hours=-1)
    old = {name: postgres.sql(f"SHOW {name}") for name in ("ssl_cert_file", "ssl_key_file")}
    postgres.change(ssl_cert_file=str(certificate), ssl_key_file=str(key))
    assert "expired). Who runs the database must renew it" in late.error("find", name="one")
    postgres.change(**old)
    assert late.rows("find", name="one")


def test_without_tls_only_where_the_operator_allows_it(box: Box, postgres: Postgres, authority: Authority) -> None:
    document = without_tls(box, "plain", entry(postgres, authority), FIND, PASSWORD)
    document["databases"][0]["host"] = document["hosts"][0]["name"] = "other.test"
    refused = box.bmm("deploy", "-", "--slug", "plain", stdin=json.dumps(document).encode(), check=False)
    assert "egress_plain_http" in refused.stderr


def test_a_database_compiles_to_tools_that_work(box: Box, postgres: Postgres, authority: Authority, tmp_path: Path) -> None:
    postgres.sql(SHOP)
    (tmp_path / "trust.pem").write_text(authority.pem)
    (tmp_path / "top.sql").write_text("-- The customers with the most orders.\nSELECT c.name, count(*) AS orders FROM shop.customers c "
                                      "JOIN shop.orders o ON o.customer_id = c.id GROUP BY c.name ORDER BY 2 DESC, 1 LIMIT :top")  # fmt: skip
    box.environ["PGPASSWORD"] = PASSWORD
    found = box.bmm(
        "compile", "database", f"postgresql://admin@127.0.0.1:{postgres.port}/postgres", "--known-as", postgres.host, "--schema", "shop",
        "--trust", str(tmp_path / "trust.pem"), "--writes", "orders", "--query", f"top_customers=@{tmp_path / 'top.sql'}",
        "--query", "broken=SELECT * FROM nowhere", "--name", "Shop",
    )  # fmt: skip
    del box.environ["PGPASSWORD"]
    assert PASSWORD not in found.stdout + found.stderr
    assert "GRANT SELECT ON" in found.stderr
    assert "may do everything" in found.stderr
    assert 'relation "nowhere" does not exist' in found.stderr
    document = json.loads(found.stdout)
    tools = {each["name"]: each for each in document["tools"]}
    assert {"list_tables", "describe_table", "get_orders", "search_orders", "count_orders", "search_paid", "search_customers", "get_customers",
            "insert_orders", "update_orders", "delete_orders", "top_customers"} <= set(tools)  # fmt: skip
    assert "insert_customers" not in tools
    assert "What customers bought." in tools["search_orders"]["description"]
    assert "gnore" not in tools["search_orders"]["description"]
    assert tools["top_customers"]["input_schema"]["properties"] == {"top": {"type": ["integer", "string"], "pattern": "^-?[0-9]{1,20}$"}}
    document["tools"] = [each for each in document["tools"] if each["name"] != "broken"]
    shop = Asked(box, "shop-db", document, PASSWORD)
    assert {row["table_name"] for row in shop.rows("list_tables")} == {"customers", "orders", "paid"}
    assert next(row for row in shop.rows("describe_table", table="orders") if row["column_name"] == "total")["comment"] == "in euros"
    assert shop.rows("get_orders", id=7)[0]["total"] == "7.00"
    assert [row["id"] for row in shop.rows("search_orders", state="paid", limit=2)] == [1, 4]
    assert [row["id"] for row in shop.rows("search_orders", order_by="total", descending=True, limit=2, offset=1)] == [299, 298]
    assert [row["id"] for row in shop.rows("search_orders", total_from="299.5")] == [300]
    assert [row["id"] for row in shop.rows("search_orders", note_contains="% 150")] == [150]
    assert len(shop.rows("search_orders", customer_id=3)) == 10
    assert sum(row["count"] for row in shop.rows("count_orders", group_by="state")) == 300
    assert len(shop.rows("top_customers", top=3)) == 3
    assert shop.result("insert_orders", id=1000, customer_id=1, total=5)["structuredContent"]["rows"][0]["state"] == "new"
    assert shop.result("update_orders", id=1000, state="sent", confirm=True)["structuredContent"]["changed"] == 1
    assert shop.rows("get_orders", id=1000)[0]["state"] == "sent"
    assert shop.result("delete_orders", id=1000, confirm=True)["structuredContent"]["changed"] == 1


def test_odd_names_and_tables_make_tools_that_work(box: Box, postgres: Postgres, authority: Authority, tmp_path: Path) -> None:
    postgres.sql(ODD)
    (tmp_path / "trust.pem").write_text(authority.pem)
    box.environ["PGPASSWORD"] = PASSWORD
    found = box.bmm(
        "compile", "database", f"postgresql://admin@127.0.0.1:{postgres.port}/postgres", "--known-as", postgres.host, "--schema", 'odd " ; schema',
        "--trust", str(tmp_path / "trust.pem"), "--writes", "*",
    )  # fmt: skip
    del box.environ["PGPASSWORD"]
    document = json.loads(found.stdout)
    assert "\u202e" not in found.stdout
    odd = Asked(box, "odd", document, PASSWORD)
    tools = {each["name"]: each for each in document["tools"]}
    searches = {name: odd.rows(name) for name in tools if name.startswith("search_")}
    assert all(len(rows) == 1 for rows in searches.values()), searches
    assert len(searches) == 8
    assert {row["table_name"] for row in odd.rows("list_tables")} >= {"keyless", "parted", "v w", "m", "Table: $1 'quoted' \"twice\" ü"}
    for table in tools["describe_table"]["input_schema"]["properties"]["table"]["enum"]:
        assert odd.rows("describe_table", table=table)
    assert set(tools["get_paging"]["input_schema"]["properties"]) == {"id"}
    assert odd.rows("search_paging", limit_is=True, order_by_is=":x", limit=1) == odd.rows("get_paging", id=1)
    assert odd.rows("get_parted", day="2026-05-05", n=1)
    assert "get_keyless" not in tools
    assert odd.result("insert_keyless", a=5)["structuredContent"]["rows"][0]["b"] == 10
    (quoted_table,) = (name for name in tools if name.startswith("count_table"))
    assert odd.rows(quoted_table, group_by="mood") == [{"value": "it's", "count": 1}]
    assert [row["data_type"] for row in odd.rows("describe_table", table="kinds")][1:5] == ["int4range", "text[]", """"odd "" ; schema"."mood'y"[]""", "bit(3)"]
    logged = [{"payload": {"n": "0.12345678901234567890123"}, "kind": "c", "at time": "2026-01-01T00:00:00+00:00", "nr": 1, "First Tag": "x"}]
    assert odd.rows("search_log_lines", at_time_from="2026-01-01", First_Tag_contains="X", order_by="at time") == logged
    kinds = {"span": "[5,7)", "tags": ["a", None], "moods": [":x"], "bits": "011", "place": "(3,4)", "address": "10.0.0.2", "Nr": 2, "share": 1.1}
    assert odd.result("insert_kinds", **kinds)["structuredContent"]["changed"] == 1
    assert odd.result("update_kinds", span="[5,7)", place="(5,6)", confirm=True)["structuredContent"]["changed"] == 1
    (row,) = odd.rows("get_kinds", span="[5,7)")
    assert row == {"Nr.": 2, "place": [5.0, 6.0], **{name: value for name, value in kinds.items() if name not in ("Nr", "place")}}


def test_the_suggested_user_can_do_what_the_tools_do_and_no_more(box: Box, postgres: Postgres, authority: Authority, tmp_path: Path) -> None:
    postgres.sql("CREATE SCHEMA own; CREATE TABLE own.notes (nr serial PRIMARY KEY, note text); CREATE TABLE own.secret (id int)")
    (tmp_path / "trust.pem").write_text(authority.pem)
    words = ("--known-as", postgres.host, "--schema", "own", "--trust", str(tmp_path / "trust.pem"), "--tables", "notes", "--writes", "notes",
             "--query", "secret=SELECT * FROM own.secret")  # fmt: skip
    box.environ["PGPASSWORD"] = PASSWORD
    found = box.bmm("compile", "database", f"postgresql://admin@127.0.0.1:{postgres.port}/postgres", *words)
    del box.environ["PGPASSWORD"]
    refused = box.bmm("compile", "database", f"postgresql://admin@127.0.0.1:{postgres.port}/postgres", *words, check=False)
    assert "no password was given: set PGPASSWORD" in refused.stderr
    refused = box.bmm("compile", "database", f"postgresql://admin:x@127.0.0.1:{postgres.port}/postgres", *words, "--known-as", "misnamed.test", check=False)
    assert "with --known-as" in refused.stderr
    grants = [line.partition("grant: ")[2] for line in found.stderr.splitlines() if "grant: " in line]
    postgres.sql("\n".join(grants).replace("…", "theirs"))
    document = json.loads(found.stdout)
    document["databases"][0]["user"] = "bmm_reader"
    own = Asked(box, "own-db", document, "theirs")
    assert own.result("insert_notes", note="x")["structuredContent"]["rows"] == [{"nr": 1, "note": "x"}]
    assert own.rows("search_notes", note_contains="X") == own.rows("get_notes", nr=1)
    assert [row["column_name"] for row in own.rows("describe_table", table="notes")] == ["nr", "note"]
    assert "no right" in own.error("secret")


def test_of_hundreds_of_tables_the_most_telling_are_chosen(box: Box, postgres: Postgres, authority: Authority, tmp_path: Path) -> None:
    tables = ";".join(f"CREATE TABLE many.t{n} (id int PRIMARY KEY, hub int REFERENCES many.hub)" for n in range(400))
    postgres.sql(f"CREATE SCHEMA many; CREATE TABLE many.hub (id int PRIMARY KEY); {tables}")
    (tmp_path / "trust.pem").write_text(authority.pem)
    words = (
        "compile", "database", f"postgresql://admin:{quote(PASSWORD, safe='')}@127.0.0.1:{postgres.port}/postgres", "--schema", "many",
        "--known-as", postgres.host, "--trust", str(tmp_path / "trust.pem"),
    )  # fmt: skip

    def took() -> float:
        began = time.monotonic()
        box.bmm(*words)
        return time.monotonic() - began

    at_best(took, within=10)
    found = box.bmm(*words)
    names = [each["name"] for each in json.loads(found.stdout)["tools"]]
    assert "get_hub" in names
    assert len([name for name in names if name.startswith("search_")]) == 20
    assert "401 tables can be read" in found.stderr
    assert "--max-tables" in found.stderr
    assert quote(PASSWORD, safe="") not in found.stdout + found.stderr


def test_a_database_that_offers_no_tls_is_not_asked_without(box: Box, postgres: Postgres, authority: Authority) -> None:
    bare = Asked(box, "bare", spec(entry(postgres, authority), FIND), PASSWORD)
    postgres.change(ssl="off")
    assert "does not speak TLS" in bare.error("find", name="one")
    postgres.change(ssl="on")
    assert bare.rows("find", name="one")
