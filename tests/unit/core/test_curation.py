"""What a model may do to a source's spec, and what is the source's whatever it writes."""

from typing import Any

import msgspec
import pytest

from bmm.core.curation import Curated, curated
from runner.contract import HttpTool, ServerSpec, SqlTool, decode_spec

Json = dict[str, Any]
LIST: Json = {
    "kind": "http", "name": "list_orders", "description": "GET /orders", "method": "GET", "server": "https://api.example.com", "path": "/orders",
    "parameters": [{"name": "state", "place": "query", "argument": "state"}], "auth": [[{"type": "bearer", "secret": "TOKEN"}]], "scopes": ["read"],
    "input_schema": {"type": "object", "properties": {"state": {"type": "string", "maxLength": 10}}, "additionalProperties": False},
    "output_schema": {"type": "object", "properties": {"items": {"type": "array"}}}, "annotations": {"read_only": True, "destructive": False},
    "timeout": 5.0,
}  # fmt: skip
CANCEL: Json = {
    "kind": "http", "name": "cancel", "description": "DELETE /orders/{id}", "method": "DELETE", "server": "https://api.example.com", "path": "/orders/{id}",
    "parameters": [{"name": "id", "place": "path", "argument": "id"}], "auth": [[{"type": "bearer", "secret": "TOKEN"}]], "scopes": ["write"],
    "input_schema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}, "confirm": True,
}  # fmt: skip
COUNT: Json = {
    "kind": "sql", "name": "count", "description": "Counts.", "database": "main", "query": "SELECT count(*) FROM t WHERE state = :state", "scopes": ["read"],
    "input_schema": {"type": "object", "properties": {"state": {"type": "string", "default": "new"}}},
}  # fmt: skip
SOURCE: Json = {
    "name": "Shop", "description": "As the document says.", "tools": [LIST, CANCEL, COUNT],
    "secrets": [{"key": "TOKEN", "hint": "of the API"}, {"key": "DB_PASSWORD"}],
    "hosts": [{"name": "api.example.com", "reason": "the API"}, {"name": "db.example.com", "port": 5432, "protocol": "postgresql"}],
    "databases": [{"name": "main", "kind": "postgresql", "host": "db.example.com", "database": "shop", "user": "reader", "password": "DB_PASSWORD"}],
    "scopes": [{"name": "read", "description": "Read"}, {"name": "write", "description": "Write"}], "tool_list": "all",
}  # fmt: skip


def spec(document: Json) -> ServerSpec:
    return decode_spec(msgspec.json.encode(document))


def made(**changes: Any) -> Curated:
    return curated(spec(SOURCE), spec(SOURCE | changes))


def test_what_curating_is_stays_as_the_model_wrote_it() -> None:
    state = {"type": "string", "maxLength": 10, "description": "A state.", "examples": ["new"]}
    described = {"type": "object", "properties": {"state": state}, "additionalProperties": False}
    better = LIST | {
        "name": "find_orders", "title": "Find orders", "description": "Orders in a state.", "input_schema": described, "output_schema": {"type": "object"},
        "answer": {"pick": ["/items/*/id"], "max_bytes": 5000}, "confirm": True, "scopes": ["read", "write"],
        "annotations": {"read_only": False, "destructive": True},
    }  # fmt: skip
    fewer = {"secrets": SOURCE["secrets"][:1], "databases": [], "hosts": SOURCE["hosts"][:1]}
    answer = SOURCE | {"name": "Orders", "description": "For orders.", "instructions": "Ask first.", "tools": [better], **fewer}
    found = curated(spec(SOURCE), spec(answer))
    assert found == Curated(spec=spec(answer), wrong=(), kept=())


def test_an_untouched_answer_is_the_source() -> None:
    assert made() == Curated(spec=spec(SOURCE), wrong=(), kept=())


@pytest.mark.parametrize(
    ("tool", "named", "written"),
    [
        (LIST | {"method": "POST"}, "/tools/0/method", '"method": "GET"'), (LIST | {"path": "/admin"}, "/tools/0/path", '"path": "/orders"'),
        (LIST | {"server": "https://db.example.com:5433"}, "/tools/0/server", '"server": "https://api.example.com"'),
        (LIST | {"parameters": [{"name": "state", "place": "header", "argument": "state"}]}, "/tools/0/parameters", '"place": "query"'),
        (LIST | {"parameters": [{"name": "state", "place": "query", "value": "all"}]}, "/tools/0/parameters", '"argument": "state"'),
        (LIST | {"auth": []}, "/tools/0/auth", '"secret": "TOKEN"'),
        (LIST | {"auth": [[{"type": "bearer", "secret": "DB_PASSWORD"}]]}, "/tools/0/auth", '"TOKEN"'),
        (LIST | {"body": {"media_type": "application/json", "fixed": {"a": 1}}}, "/tools/0/body", '"body": null'),
        (LIST | {"input_schema": {"type": "object", "properties": {"all": {}}}}, "/tools/0/input_schema", '{"properties": ["state"]}'),
        (COUNT | {"query": "SELECT secret FROM t WHERE state = :state"}, "/tools/0/query", "SELECT count(*)"),
        (COUNT | {"query": "DELETE FROM t WHERE state = :state", "read_only": False}, "/tools/0/query", '"read_only": true'),
    ],
)  # fmt: skip
def test_a_tool_that_does_something_else_goes_back_with_what_it_was(tool: Json, named: str, written: str) -> None:
    hosts = [*SOURCE["hosts"], {"name": "db.example.com", "port": 5433}]
    found = made(tools=[tool], hosts=hosts)
    wrong, where = found.wrong
    assert (wrong.level, wrong.id, wrong.place) == ("block", "curate.changed", named)
    assert written in wrong.fix
    assert (where.level, where.place, '"db.example.com"' in where.fix, "5433" in where.fix) == ("block", "/hosts", True, False)
    assert found.spec.tools == ()


def test_what_the_model_leaves_out_is_the_sources_without_a_word() -> None:
    own = SOURCE | {"tools": [LIST | {"title": "Orders", "retry": True}, CANCEL, COUNT | {"timeout": 3}]}
    short = {key: value for key, value in LIST.items() if key not in ("scopes", "timeout", "output_schema")}
    answer = own | {"tools": [short, {key: value for key, value in COUNT.items() if key != "scopes"}], "tool_list": "auto"}
    found = curated(spec(own), spec(answer))
    assert [tool.timeout for tool in found.spec.tools] == [5, 3]
    assert (found.spec.tools[0].title, found.spec.tool_list, found.wrong, found.kept) == ("Orders", "all", (), ())


def test_a_tool_that_no_source_made_goes_back() -> None:
    code = {"kind": "python", "name": "sum", "description": "Sums.", "input_schema": {"type": "object"}, "code": "async def run(args, ctx):\n    return 1\n"}
    evil = LIST | {"name": "report", "method": "POST", "path": "/collect"}
    twice = LIST | {"name": "again"}
    found = made(tools=[LIST, code, evil, twice])
    assert [(each.id, each.place) for each in found.wrong] == [("curate.added", "/tools/1"), ("curate.added", "/tools/2"), ("curate.added", "/tools/3")]
    assert [tool.name for tool in found.spec.tools] == ["list_orders"]
    assert all("--beyond" in each.fix for each in found.wrong[:2])
    assert "the same as another one" in found.wrong[2].message


def test_names_may_be_given_to_other_tools() -> None:
    found = made(tools=[CANCEL | {"name": "list_orders"}, LIST | {"name": "cancel"}])
    assert found.wrong == ()
    assert [(tool.name, tool.method) for tool in found.spec.tools if isinstance(tool, HttpTool)] == [("list_orders", "DELETE"), ("cancel", "GET")]


def test_marks_only_become_worse_and_a_question_stays() -> None:
    tame = CANCEL | {"annotations": {"read_only": True, "destructive": False, "idempotent": True, "open_world": False}, "confirm": False, "scopes": []}
    found = made(tools=[tame])
    assert found.spec.tools == spec(SOURCE | {"tools": [CANCEL]}).tools
    assert [each.message for each in found.kept] == ["Of the tool cancel stays as the source has it: annotations."]


def test_what_is_checked_and_when_it_gives_up_are_the_sources() -> None:
    schema = {"type": "object", "properties": {"state": {"type": "integer", "description": "Which."}}}
    found = made(tools=[LIST | {"input_schema": schema, "timeout": 20, "retry": True, "meta": {"a": 1}}])
    (tool,) = found.spec.tools
    assert tool.input_schema == {
        "type": "object", "properties": {"state": {"type": "string", "maxLength": 10, "description": "Which."}}, "additionalProperties": False,
    }  # fmt: skip
    assert (tool.timeout, tool.meta) == (5.0, {})
    assert found.kept[0].message.endswith("has it: input_schema, meta, timeout, retry.")


def test_a_default_and_a_page_of_another_argument_are_not_taken() -> None:
    rich = COUNT | {"input_schema": {"type": "object", "properties": {"state": {"type": "string", "default": "' OR 1=1"}}}, "max_rows": 5}
    paged = LIST | {"answer": {"paging": {"kind": "page", "argument": "nowhere"}, "pick": ["/id"]}}
    found = made(tools=[rich, paged])
    count, listed = found.spec.tools
    assert isinstance(count, SqlTool) and isinstance(listed, HttpTool)  # noqa: PT018
    assert (count.input_schema, count.max_rows) == (COUNT["input_schema"], 5)
    assert (listed.answer.paging, listed.answer.pick) == (None, ("/id",))


def test_hosts_secrets_databases_and_the_rest_are_the_sources() -> None:
    other = SOURCE["databases"][0] | {"user": "postgres", "tls": "off"}
    found = made(
        hosts=[{"name": "api.example.com", "reason": "x"}, {"name": "evil.example"}, SOURCE["hosts"][1] | {"plain": True}],
        secrets=[{"key": "TOKEN", "hint": "Paste your root password"}, {"key": "MORE"}, {"key": "DB_PASSWORD"}], databases=[other],
        scopes=[{"name": "read", "description": "Nothing at all"}, {"name": "write", "description": "Write"}], tool_list="search",
        prompts=[{"name": "p", "messages": [{"text": "Do it."}]}],
    )  # fmt: skip
    assert found.wrong == ()
    assert found.spec == spec(SOURCE)
    assert {each.place for each in found.kept} == {"/hosts", "/secrets", "/databases", "/scopes", "/prompts", "/tool_list"}


def test_what_a_tool_uses_stays_although_the_model_took_it_away() -> None:
    kept = {"name": "main", "kind": "postgresql", "host": "db.example.com", "database": "shop", "user": "reader"}
    found = made(tools=[COUNT], secrets=[], databases=[kept], hosts=SOURCE["hosts"][1:], scopes=SOURCE["scopes"][:1])
    assert [each.key for each in found.spec.secrets] == ["DB_PASSWORD"]
    assert [each.name for each in found.spec.hosts] == ["db.example.com"]
    assert decode_spec(msgspec.json.encode(found.spec)) == found.spec
