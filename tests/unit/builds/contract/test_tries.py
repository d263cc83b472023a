"""Whole trials against a real guard: what is tried, what is kept of it, and what is found."""

from pathlib import Path
from typing import Any

import pytest

from bmm.builds.contract import asking, tries
from bmm.core.trial import Trial
from runner.contract import (
    AllowedHost,
    BasicCredential,
    Body,
    Database,
    HttpTool,
    KeyCredential,
    Parameter,
    PythonTool,
    SecretNeed,
    ServerSpec,
    SqlTool,
    Tool,
)  # fmt: skip
from tests.unit.builds.contract.tried import tried

ITEMS = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"], "additionalProperties": False}
HOSTS = (AllowedHost(name="api.test"), AllowedHost(name="plain.test", port=8081, plain=True))


def spec(*tools: Tool, **changes: Any) -> ServerSpec:
    return ServerSpec(**({"name": "Shop", "tools": tools, "hosts": HOSTS} | changes))


def http(**changes: Any) -> HttpTool:
    made: dict[str, Any] = {
        "name": "get_item", "description": "An item", "input_schema": ITEMS, "method": "GET", "server": "https://api.test/v1",
        "path": "/items/{id}", "parameters": (Parameter(name="id", place="path", argument="id"),),
    }  # fmt: skip
    return HttpTool(**(made | changes))


def python(code: str, **changes: Any) -> PythonTool:
    return PythonTool(**({"name": "think", "description": "Thinks", "input_schema": ITEMS, "code": code} | changes))


def ids(trial: Trial) -> list[tuple[str, str]]:
    return [(each.level, each.id) for each in trial.findings]


def test_a_good_tool_is_called_and_its_request_kept_without_secrets() -> None:
    auth = ((BasicCredential(username="USER", password="PASSWORD"),),)
    body = Body(media_type="application/json", fields={"note": "note"}, fixed={"version": 2})
    schema = {**ITEMS, "properties": {"id": {"type": "integer", "examples": [7]}, "note": {"type": "string"}}}
    tool = http(method="PUT", auth=auth, body=body, input_schema=schema)
    trial = tried(spec(tool, secrets=(SecretNeed(key="USER"), SecretNeed(key="PASSWORD"))))
    assert str(trial) == "1 tool tried: 3 calls, 3 as promised, 0 notes"
    valid, missing, wrong = trial.calls
    assert (valid.case, valid.arguments, valid.outcome) == ("valid", {"id": 7, "note": "text"}, "promised")
    (sent,) = valid.sent
    assert (sent.method, sent.url, sent.body) == ("PUT", "https://api.test/v1/items/7", '{"note":"text","version":2}')
    assert sent.headers["authorization"] == "Basic <USER>:<PASSWORD>"
    assert (missing.case, missing.arguments, missing.sent) == ("missing", {"note": "text"}, ())
    assert (wrong.case, wrong.sent, wrong.outcome) == ("wrong_type", (), "promised")


def test_https_and_plain_hosts_are_told_apart_and_all_go_to_the_recorder() -> None:
    trial = tried(spec(http(), http(name="other", server="http://plain.test:8081/x")))
    assert [call.sent[0].url for call in trial.calls if call.case == "valid"] == [
        "https://api.test/v1/items/1",
        "http://plain.test:8081/x/items/1",
    ]


def test_a_path_that_needs_what_the_schema_does_not_have_is_broken() -> None:
    tool = http(parameters=(Parameter(name="id", place="path", argument="item_id"),))
    trial = tried(spec(tool))
    assert ids(trial) == [("block", "contract.request")]
    assert "needs item_id, which its input schema does not have" in trial.findings[0].message
    assert trial.findings[0].place == "/tools/0/input_schema/properties"


@pytest.mark.parametrize(
    ("code", "found", "words", "line"),
    [
        ("async def run(args, ctx):\n    x = 1\n    return {'n': coumt}", "contract.code", "name 'coumt' is not defined", 3),
        ("async def run(args, ctx):\n    return 'a' + args['id']", "contract.code", "TypeError", 2),
        ("async def run(args, ctx):\n    return args[\n", "contract.code", "does not parse", 2),
        ("run = 3", "contract.code", "does not define", None),
        ("import nothing_of_the_kind\nasync def run(args, ctx):\n    return 1", "contract.code", "No module named", 1),
        ("import os\nasync def run(args, ctx):\n    os._exit(3)", "contract.crash", "ended its process", None),
    ],
)
def test_code_that_cannot_run_is_broken(code: str, found: str, words: str, line: int | None) -> None:
    trial = tried(spec(python(code)))
    assert ids(trial) == [("block", found)]
    assert words in trial.findings[0].message
    assert (trial.findings[0].place, trial.findings[0].line) == ("/tools/0/code", line)


def test_code_that_never_returns_is_broken_and_the_next_tool_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "CALL_SECONDS", 2.0)
    hangs = python("async def run(args, ctx):\n    while True: pass", name="hangs")
    trial = tried(spec(hangs, python("async def run(args, ctx):\n    return {}")))
    assert ids(trial) == [("block", "contract.hang")]
    assert [call.outcome for call in trial.calls if call.tool == "think"] == ["promised"] * 3


@pytest.mark.parametrize("late", [1, 2])
def test_the_first_call_of_code_may_come_late_once(monkeypatch: pytest.MonkeyPatch, late: int) -> None:
    real, left, called = asking.call, [asking.Said(code="no_answer", text="late")] * late, []

    def call(private: Path, tool: Tool, arguments: dict[str, Any], seconds: float) -> asking.Said:
        if list(arguments) != ["id"] or not isinstance(arguments["id"], int):
            return real(private, tool, arguments, seconds)
        called.append(tool.name)
        return left.pop() if left else real(private, tool, arguments, seconds)

    monkeypatch.setattr(asking, "call", call)
    code = "async def run(args, ctx):\n    return {}"
    trial = tried(spec(python(code, name="one"), python(code, name="two")))
    assert called == ["one", "one", "two"]
    assert ids(trial) == [("block", "contract.hang")] * (late - 1)


@pytest.mark.parametrize(
    "end", ["return answer['items'][0]", "raise ctx.ToolError('no such thing')", "return 1 + answer", "return {}['a']"]
)
def test_code_that_fails_on_a_made_up_answer_is_only_noted(end: str) -> None:
    code = f"async def run(args, ctx):\n    answer = (await ctx.http.get('https://api.test/a')).json()\n    {end}"
    trial = tried(spec(python(code)))
    assert ids(trial) == [("note", "contract.failed")]
    assert trial.calls[0].outcome == "note"
    assert [each.url for each in trial.calls[0].sent] == ["https://api.test/a"]
    assert "made up" in trial.findings[0].message


def test_code_meets_an_example_of_its_own_answer() -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "examples": ["Ada"]}},
        "required": ["name"],
        "additionalProperties": False,
    }
    code = "async def run(args, ctx):\n    return (await ctx.http.get(f'https://api.test/people/{args[\"id\"]}')).json()"
    assert str(tried(spec(python(code, output_schema=schema)))) == "1 tool tried: 3 calls, 3 as promised, 0 notes"


def test_an_example_that_does_not_fit_its_own_schema_is_broken_where_the_schema_binds() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "examples": [{"n": "seven"}]}
    code = "async def run(args, ctx):\n    return {'n': 7}"
    trial = tried(spec(http(output_schema=schema), python(code, output_schema=schema)))
    assert [(each.level, each.id, each.place) for each in trial.findings] == [
        ("block", "contract.example", "/tools/1/output_schema"),
        ("note", "contract.example", "/tools/0/output_schema"),
    ]


def test_an_answer_that_breaks_the_schema_is_broken_where_nothing_was_asked() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    trial = tried(spec(python("async def run(args, ctx):\n    return {'m': 7}", output_schema=schema)))
    assert ids(trial) == [("block", "contract.output")]
    assert "`n` is missing" in trial.findings[0].message


def test_queries_are_not_run_but_refuse() -> None:
    database = Database(name="shop", kind="postgresql", host="db.test", user="reader", database="shop")
    tool = SqlTool(name="orders", description="Orders", input_schema=ITEMS, query="SELECT :id", database="shop")
    trial = tried(spec(tool, databases=(database,), hosts=(AllowedHost(name="db.test", port=5432, protocol="postgresql"),)))
    assert [(call.case, call.outcome) for call in trial.calls] == [("missing", "promised"), ("wrong_type", "promised")]
    assert ids(trial) == [("note", "contract.database")]
    assert trial.findings[0].message == "A trial does not reach shop: of 1 tool only the refusals were tried."


def test_a_tool_that_asks_the_person_is_tried_as_if_they_had_agreed() -> None:
    own = {**ITEMS, "properties": {**ITEMS["properties"], "confirm": {"type": "string"}}}  # type: ignore[dict-item]
    trial = tried(spec(http(confirm=True), http(name="other", confirm=True, input_schema=own)))
    assert trial.findings == ()
    assert [len(call.sent) for call in trial.calls if call.case == "valid"] == [1, 1]


def test_of_a_large_server_some_are_chosen_evenly_and_that_is_said() -> None:
    trial = tried(spec(*(http(name=f"tool_{number}") for number in range(250)), tool_list="search"))
    assert str(trial) == "100 of 250 tools tried: 300 calls, 300 as promised, 0 notes"
    assert [call.tool for call in trial.calls if call.case == "valid"][-2:] == ["tool_245", "tool_247"]


def test_what_cannot_be_made_up_is_said() -> None:
    schema = {**ITEMS, "properties": {"id": {"type": "integer", "not": {"type": "integer"}}}}
    trial = tried(spec(http(input_schema=schema)))
    assert ids(trial) == [("note", "contract.arguments")]
    assert not any(call.case == "valid" for call in trial.calls)


def test_time_that_is_over_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "SECONDS", 0.0)
    trial = tried(spec(http(), http(name="other")))
    assert ids(trial) == [("note", "contract.time")]
    assert "get_item, other" in trial.findings[0].message


def test_a_key_in_query_header_and_cookie_is_looked_for_in_its_place() -> None:
    ways = [http(name=place, auth=((KeyCredential(place=place, name="k", secret="KEY"),),)) for place in ("query", "header", "cookie")]
    trial = tried(spec(*ways, secrets=(SecretNeed(key="KEY"), SecretNeed(key="KEY_2"))))
    assert trial.findings == ()
    sent = [call.sent[0] for call in trial.calls if call.case == "valid"]
    assert (sent[0].url, sent[1].headers["k"], sent[2].headers["cookie"]) == ("https://api.test/v1/items/1?k=<KEY>", "<KEY>", "k=<KEY>")
