"""Tools that are found instead of listed: through a real guard, and by what the search itself decides."""

import asyncio
import contextlib
import select
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest
from msgspec import json, structs

from runner.contract import Annotations, HttpTool
from runner.protocol.cost import MAX_LISTED, MAX_TOKENS
from runner.protocol.described import described
from runner.protocol.ranking import Index, words
from runner.protocol.search import MAX_SENTENCE, ToolSearch, first_sentence, listing, search_tools
from runner.tools.alone import Alone
from tests.unit.runner.guarded import Client, GuardProcess, Home, UnixHTTP, ask, http_tool, spec
from tests.unit.runner.upstream import upstream
from tests.waiting import at_best, processor_seconds

READS = Annotations(read_only=True, destructive=False)
ITEM = http_tool("get_item", title="Get an item", description="Get an item. It may be old.\n\nMore of it.", annotations=READS)
ADD = http_tool("add_item", description="Add an item to the shelf.", scopes=("admin",))
MIRRORED = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
ORDER = http_tool(
    "listOpenOrders", description="All orders that wait.", annotations=READS, output_schema={"type": "object"}, input_schema=MIRRORED
)
COUNT = http_tool("count", output_schema={"type": "array"}, input_schema={"type": "object"}, parameters=(), path="/count")
FIND, DESCRIBE, CALL = "find_tools", "describe_tools", "call_tool"
QUICK = 0.01
"""Seconds that a search through a thousand tools may take."""


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    home = Home(spec(ITEM, ADD, ORDER, COUNT, tool_list="search"))
    running = GuardProcess(home)
    yield home
    assert running.stop() == 0
    home.close()


@pytest.fixture
def client(home: Home) -> Client:
    return Client(home.socket)


def found(client: Client, **arguments: Any) -> dict[str, Any]:
    """What find_tools gives, which must be what its published schema says, and the same in its text."""
    return structured(client, FIND, arguments)


def structured(client: Client, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    listed = client.modern("tools/list").json["result"]["tools"]
    schema = next(tool["outputSchema"] for tool in listed if tool["name"] == name)
    result = client.call(name, arguments)
    jsonschema_rs.validator_for(schema).validate(result["structuredContent"])
    content: dict[str, Any] = result["structuredContent"]
    assert json.decode(result["content"][0]["text"]) == content
    return content


def answered(search: ToolSearch, name: str, arguments: dict[str, Any]) -> Any:
    return asyncio.run(search.tools[name].runner.run(arguments, Alone())).structured


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_three_tools_are_listed_and_the_instructions_say_what_for(client: Client, era: str) -> None:
    tools = getattr(client, era)("tools/list").json["result"]["tools"]
    assert [tool["name"] for tool in tools] == [FIND, DESCRIBE, CALL]
    hints = [(tool["annotations"]["readOnlyHint"], tool["annotations"]["destructiveHint"]) for tool in tools]
    assert hints == [(True, False), (True, False), (False, True)]
    welcome = client.modern("server/discover") if era == "modern" else client.legacy("initialize", {"protocolVersion": "2025-11-25"})
    instructions = welcome.json["result"]["instructions"]
    assert instructions.startswith("Ask for items.\n\nThis server has 4 tools that are not listed: find them with find_tools")


def test_a_query_finds_names_titles_and_first_sentences(client: Client) -> None:
    assert found(client, query="get item")["tools"][0] == {"name": "get_item", "description": "Get an item."}
    assert found(client, query="orders that are open")["tools"][0]["name"] == "listOpenOrders"
    assert found(client, query="insert an item")["tools"][0]["name"] == "add_item", "add means insert"
    assert "add_item" in [tool["name"] for tool in found(client, query="item")["tools"]]
    assert "add_item" not in [tool["name"] for tool in found(client, query="item", read_only=True)["tools"]]


def test_an_empty_query_lists_all_tools_in_order_page_by_page(client: Client) -> None:
    first = found(client, limit=2)
    assert ([tool["name"] for tool in first["tools"]], first["total"], first["next_offset"]) == (["get_item", "add_item"], 4, 2)
    last = found(client, query=" ", limit=2, offset=2)
    assert [tool["name"] for tool in last["tools"]] == ["listOpenOrders", "count"]
    assert "next_offset" not in last


def test_no_match_says_so_and_offers_words_that_occur(client: Client) -> None:
    nothing = found(client, query="ordrs")
    assert (nothing["tools"], nothing["total"]) == ([], 0)
    assert nothing["hint"] == "No tool matches. Words that occur: order. An empty query lists all 4 tools."
    assert found(client, query="xylophone")["hint"] == "No tool matches. An empty query lists all 4 tools."


def test_definitions_are_those_of_a_full_list_and_unknown_names_get_near_ones(client: Client) -> None:
    given = structured(client, DESCRIBE, {"names": ["listOpenOrders", "get_items", "listOpenOrders"]})
    assert given["tools"] == [described(ORDER, modern=True)]
    assert "outputSchema" in given["tools"][0]
    assert given["unknown"] == [{"name": "get_items", "near": ["get_item", "add_item", "listOpenOrders"]}]
    assert client.call(DESCRIBE, {"names": ["a"] * 21})["isError"]


def test_an_older_client_reads_the_definitions_of_its_version(client: Client) -> None:
    def read(era: str) -> Any:
        answer = (client.modern if era == "modern" else client.legacy)("tools/call", {"name": DESCRIBE, "arguments": {"names": ["count"]}})
        (tool,) = answer.json["result"]["structuredContent"]["tools"]
        return tool

    assert [read(era) for era in ("modern", "legacy")] == [described(COUNT, modern=True), described(COUNT, modern=False)]
    assert ["outputSchema" in read(era) for era in ("modern", "legacy")] == [True, False]


def test_arguments_in_a_string_are_as_deep_and_as_much_as_a_message_may_be(client: Client) -> None:
    def error(value: str) -> str:
        return str(client.call(CALL, {"name": "count", "arguments": f'{{"x":{value}}}'})["content"][0]["text"])

    assert "`arguments`" in error("[" * 64 + "]" * 64)
    assert "`arguments`" in error(f"[{'1,' * 100_000}1]")
    assert "`arguments`" not in error("[" * 63 + "]" * 63)


def test_a_call_is_the_inner_tools_in_every_respect(home: Home, client: Client) -> None:
    with upstream(home.egress(0)):
        assert not client.call(CALL, {"name": "get_item", "arguments": {"id": 1}})["isError"]
        assert not client.call(CALL, {"name": "get_item", "arguments": '{"id": 1}'})["isError"], "models send JSON in a string"
        assert not client.call("get_item", {"id": 1})["isError"], "by its name as well"
    assert [call["tool"] for call in home.calls()[-3:]] == ["get_item"] * 3
    wrong = client.call(CALL, {"name": "get_item", "arguments": {"id": 0}})
    assert wrong["isError"]
    assert "`id`" in wrong["content"][0]["text"]
    assert (home.calls()[-1]["tool"], home.calls()[-1]["error"]) == ("get_item", "invalid_arguments")
    refused = client.modern("tools/call", {"name": CALL, "arguments": {"name": "add_item", "arguments": {"id": 1}}})
    assert (refused.status, home.calls()[-1]["tool"], home.calls()[-1]["error"]) == (403, "add_item", "insufficient_scope")


def test_headers_that_no_list_declares_are_not_asked_for(home: Home, client: Client) -> None:
    with upstream(home.egress(0)):
        for name, arguments in (("listOpenOrders", {"region": "eu"}), (CALL, {"name": "listOpenOrders", "arguments": {"region": "eu"}})):
            assert client.modern("tools/call", {"name": name, "arguments": arguments}).status == 200


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"name": "get_itm"}, "unknown_tool", "There is no tool 'get_itm'. Near it: get_item"),
        ({"name": "zzz"}, "unknown_tool", "There is no tool 'zzz'. Find one with find_tools."),
        ({"name": CALL, "arguments": {"name": "get_item"}}, "unknown_tool", "There is no tool 'call_tool'."),
        ({"arguments": {"id": 1}}, "invalid_arguments", "`name` is missing"),
        ({"name": "get_item", "arguments": "{"}, "invalid_arguments", "`arguments`"),
        ({"name": "get_item", "arguments": [1]}, "invalid_arguments", "`arguments`"),
    ],
)
def test_a_call_that_leads_nowhere_says_why(home: Home, client: Client, arguments: dict[str, Any], code: str, words: str) -> None:
    result = client.call(CALL, arguments)
    assert result["isError"]
    assert words in result["content"][0]["text"]
    assert (home.calls()[-1]["tool"], home.calls()[-1]["error"]) == (CALL, code)


def test_the_private_socket_tells_how_the_tools_are_listed_and_what_it_costs(start: Callable[..., GuardProcess]) -> None:
    seen = [ask(start(Home(spec(ITEM, ADD, tool_list=way))).private, method="GET", target="/health").json for way in ("all", "search")]
    assert [(each["tools"], each["tool_list"]) for each in seen] == [(2, "all"), (2, "search")]
    assert seen[0]["tokens"] == seen[1]["tokens"]
    assert 50 < seen[0]["tokens"]["all"] < seen[0]["tokens"]["search"] < 500


def test_nobody_waits_while_the_cost_is_counted(start: Callable[..., GuardProcess]) -> None:
    many = [http_tool(f"t{number}", description="Counts words and other things. " * 600) for number in range(1000)]
    guard = start(Home(spec(*many, tool_list="search")))
    with contextlib.closing(UnixHTTP(guard.private)) as counting:
        counting.request("GET", "/health")
        answered_meanwhile = 0
        while not select.select([counting.sock], [], [], 0)[0]:
            assert ask(guard.private, {"jsonrpc": "2.0", "id": 1, "method": "ping"}).status == 200
            answered_meanwhile += 1
        # Were it counted where others are answered, only what came in before it began would be.
        assert answered_meanwhile > 3
        assert json.decode(counting.getresponse().read())["tools"] == 1000


def test_automatic_is_search_where_the_list_is_long_or_heavy() -> None:
    few, many = [http_tool(f"t{number}") for number in range(MAX_LISTED)], [http_tool(f"t{number}") for number in range(MAX_LISTED + 1)]
    heavy = http_tool("heavy", description="word " * (MAX_TOKENS + 100))
    assert [listing(spec(*tools)).search for tools in (few, many, [heavy])] == [False, True, True]
    assert not listing(spec(*many, tool_list="all")).search
    assert listing(spec(ITEM, tool_list="search")).search
    assert not listing(structs.replace(spec(tool_list="search"), tools=())).search


def test_a_name_that_is_taken_gives_all_three_a_number() -> None:
    own = http_tool("find_tools", description="Find tools in a garage.")
    served = spec(own, http_tool("call_tool_2"), tool_list="search")
    assert [tool.name for tool in search_tools(served)] == ["find_tools_3", "describe_tools_3", "call_tool_3"]
    search = ToolSearch(served)
    assert list(search.tools) == ["find_tools_3", "describe_tools_3", "call_tool_3"]
    assert answered(search, "find_tools_3", {"query": "garage"})["tools"][0]["name"] == "find_tools"
    assert "find_tools_3" in listing(served).advice


def test_a_call_changes_nothing_where_no_tool_does() -> None:
    assert search_tools(spec(ITEM, ORDER))[2].annotations == Annotations(read_only=True, destructive=False)
    assert search_tools(spec(ITEM, ADD))[2].annotations == Annotations(read_only=False, destructive=True)


def test_names_come_apart_at_every_kind_of_seam() -> None:
    assert list(words("listOpenOrders get-HTTPStatus_v2 boxes cities address")) == [
        *("list", "open", "order", "get", "http", "status", "v", "2", "box", "city", "address"),
    ]


def test_sentences_end_where_they_end() -> None:
    assert first_sentence("Gets v1.2 of it. Then more.\nAnd more.") == "Gets v1.2 of it."
    assert first_sentence("No end\nhere") == "No end"
    assert len(first_sentence("x" * 999)) == MAX_SENTENCE


def test_an_exact_name_comes_first_and_a_shorter_title_before_a_longer() -> None:
    tools = [
        http_tool("pulls_list_files", description="List pull requests files."),
        http_tool("pulls_list", description="List pull requests."),
    ]
    assert [tool.name for tool in Index(tools).ranked("list pull requests")] == ["pulls_list", "pulls_list_files"]
    assert Index(tools).ranked("pulls_list_files")[0].name == "pulls_list_files"


def test_a_thousand_tools_are_searched_in_a_moment() -> None:
    verbs, things = ("create", "list", "get", "delete", "update"), [f"thing{number} of a very large garden" for number in range(200)]
    tools: list[HttpTool] = [
        http_tool(f"{verb}_{number}", description=f"{verb} {things[number]}") for number in range(200) for verb in verbs
    ]
    index = Index(tools)
    query = "delete thing77 in the garden"
    assert index.ranked(query)[0].name == "delete_77"
    at_best(lambda: processor_seconds(lambda: index.ranked(query)), within=QUICK, tries=20)
