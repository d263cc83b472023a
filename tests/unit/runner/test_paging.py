"""How a model learns of the next page, and that what it passes leads nowhere else."""

from typing import Any

import msgspec
import pytest

from runner.contract import Answer, HttpTool, KeyCredential, Paging, Parameter
from runner.tools.links import related
from tests.unit.runner.guarded import http_tool
from tests.unit.runner.scripted import answers, said


def listing(*, paging: Paging, properties: dict[str, Any] | None = None, query: tuple[str, ...] = (), **changes: Any) -> HttpTool:
    shown = {"q": {"type": "string"}, paging.argument: {"type": "string"}} | (properties or {})
    parameters = (*(Parameter(name=name, place="query", argument=name) for name in ("q", *query)), *changes.pop("more", ()))
    made = {"path": "/items", "parameters": parameters, "input_schema": {"type": "object", "properties": shown}}
    return http_tool("list_items", answer=Answer(paging=paging, max_bytes=changes.pop("max_bytes", 100_000)), **(made | changes))


def following(tool: HttpTool, response: bytes, arguments: dict[str, Any] | None = None) -> tuple[Any, str | None]:
    (answer,), _ = answers(tool, [response], arguments or {})
    assert not answer.is_error, answer.text
    return answer.following, answer.note


PAGE = listing(paging=Paging(kind="page", argument="page", items="/items"), properties={"page": {"type": "integer"}}, query=("page",))
OFFSET = listing(paging=Paging(kind="offset", argument="skip", items="/items"), properties={"skip": {"type": "integer"}}, query=("skip",))
CURSOR = listing(paging=Paging(kind="cursor", argument="after", next="/meta/next"), query=("after",))
AFTER = listing(paging=Paging(kind="cursor", argument="starting_after", items="/data"), query=("starting_after",))
LINK = listing(paging=Paging(kind="link", argument="page"), properties={"page": {"type": "integer"}}, query=("page",))
MARK = listing(paging=Paging(kind="link", argument="next"))


@pytest.mark.parametrize(
    ("tool", "arguments", "value", "expected"),
    [
        (PAGE, {}, {"items": [1, 2]}, {"page": 2}),
        (PAGE, {"page": 7}, {"items": [1, 2]}, {"page": 8}),
        (PAGE, {"page": 7}, {"items": []}, None),
        (PAGE, {"page": 7}, {"items": [1], "total_pages": 7}, None),
        (PAGE, {"page": 6}, {"items": [1], "meta": {"last_page": 7}}, {"page": 7}),
        (PAGE, {}, {"items": [1], "has_more": False}, None),
        (PAGE, {}, {"other": 1}, None),
        (OFFSET, {}, {"items": [1, 2, 3]}, {"skip": 3}),
        (OFFSET, {"skip": 10}, {"items": [1, 2, 3]}, {"skip": 13}),
        (OFFSET, {"skip": 10}, {"items": []}, None),
        (CURSOR, {}, {"items": [], "meta": {"next": "abc"}}, {"after": "abc"}),
        (CURSOR, {}, {"meta": {"next": 17}}, {"after": "17"}),
        (CURSOR, {}, {"meta": {"next": "https://x.test/items?q=1&after=a%2Fb"}}, {"after": "a/b"}),
        (CURSOR, {}, {"meta": {"next": {"href": "/items?after=9"}}}, {"after": "9"}),
        (CURSOR, {}, {"meta": {"next": ""}}, None),
        (CURSOR, {}, {"meta": {"next": None}}, None),
        (CURSOR, {}, {"meta": []}, None),
        (AFTER, {}, {"url": "/v1/things", "data": [{"id": "a"}, {"id": "b"}], "has_more": True}, {"starting_after": "b"}),
        (AFTER, {}, {"url": "/v1/things", "data": [{"id": "a"}], "has_more": False}, None),
        (AFTER, {}, {"data": [{"id": "a"}]}, None),
    ],
)
def test_the_next_page_is_named(tool: HttpTool, arguments: dict[str, Any], value: Any, expected: Any) -> None:
    found, note = following(tool, said(value), arguments)
    assert found == expected
    if expected is None:
        assert note is None
    else:
        ((name, shown),) = expected.items()
        assert note is not None
        assert note.endswith(f"more: call again with the same arguments and {name}={msgspec.json.encode(shown).decode()}.")


def test_a_page_that_starts_at_zero_stays_so() -> None:
    tool = listing(paging=Paging(kind="page", argument="page"), properties={"page": {"type": "integer", "default": 0}}, query=("page",))
    assert following(tool, said([1]))[0] == {"page": 1}


def test_items_that_were_left_out_come_with_the_next_offset() -> None:
    tool = msgspec.structs.replace(OFFSET, answer=msgspec.structs.replace(OFFSET.answer, max_bytes=1000))
    (answer,), _ = answers(tool, [said({"items": ["x" * 90] * 50})], {"skip": 5})
    kept = len(answer.structured["items"])
    assert 5 < kept < 50
    assert answer.following == {"skip": 5 + kept}
    assert answer.note is not None
    assert "There is more: call again" in answer.note


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ('<http://shop.test:8081/items?page=4>; rel="next", </items?page=9>; rel="last"', {"page": 4}),
        ("</numbered/1/items?page=4>; rel=next", {"page": 4}),
        ("</items?page=1>; rel=prev", None),
        ("</items?page=4>; rel=next; anchor=/other", None),
    ],
)
def test_a_link_gives_the_value_of_the_parameter(link: str, expected: Any) -> None:
    assert following(LINK, said([1], Link=link))[0] == expected


@pytest.mark.parametrize("link", ["<http://evil.test/items?page=4>; rel=next", "</items?page=four>; rel=next", "<http://[>; rel=next"])
def test_a_link_that_cannot_be_followed_is_told_and_not_offered(link: str) -> None:
    found, note = following(LINK, said([1], Link=link))
    assert found is None
    assert note == "The API says that there is more, but not in a way this tool can ask for."


def test_a_mark_leads_to_the_linked_query_on_the_same_path() -> None:
    script: Any = [said([1], Link='<http://shop.test:8081/elsewhere/7?q=changed&cursor=a%2Fb%20c&n=1>; rel="next"'), said([2])]

    (first,), _ = answers(MARK, script[:1], {"q": "x"}, secrets={"KEY": "long-enough"})
    assert first.following is not None
    mark = first.following["next"]
    (_, again), upstream = answers(MARK, script, {"q": "x"}, {"q": "x", "next": mark}, secrets={"KEY": "long-enough"})
    assert upstream.targets == ["/items?q=x", "/items?q=changed&cursor=a%2Fb%20c&n=1"]
    assert again.structured == [2]


@pytest.mark.parametrize(
    "change", [lambda mark: mark + "&sudo=root", lambda mark: "sudo=root", lambda mark: mark[1:], lambda _: "", lambda _: "\ud800."]
)
def test_a_mark_that_was_not_given_is_refused(change: Any) -> None:
    linked = said([1], Link="</items?cursor=5>; rel=next")
    (first,), _ = answers(MARK, [linked], {}, secrets={"KEY": "long-enough"})
    assert first.following is not None
    (forged,), upstream = answers(MARK, [linked], {"next": change(first.following["next"])}, secrets={"KEY": "long-enough"})
    assert forged.error_code == "invalid_arguments"
    assert "what an earlier answer of this tool gave" in forged.words
    assert upstream.targets == []


def test_a_mark_of_another_tool_or_server_is_refused() -> None:
    linked = said([1], Link="</items?cursor=5>; rel=next")
    (first,), _ = answers(MARK, [linked], {}, secrets={"KEY": "long-enough"})
    assert first.following is not None
    other = msgspec.structs.replace(MARK, name="list_others")
    for tool, secrets in ((other, {"KEY": "long-enough"}), (MARK, {"KEY": "another-one"}), (MARK, {})):
        (answer,), _ = answers(tool, [linked], first.following, secrets=secrets)
        assert answer.error_code == "invalid_arguments"


def test_what_the_owner_fixed_and_the_credential_stay_as_they_are() -> None:
    tool = listing(
        paging=Paging(kind="link", argument="next"),
        more=(Parameter(name="account", place="query", value="a1"),),
        auth=((KeyCredential(place="query", name="api_key", secret="KEY"),),),
    )
    linked = said([1], Link="</items?account=other&api_key=stolen-key&cursor=5&q=2>; rel=next")
    (first,), _ = answers(tool, [linked], {}, secrets={"KEY": "the-real-key"})
    assert first.following is not None
    assert "key" not in first.following["next"]
    _, upstream = answers(tool, [linked], {"q": "1", **first.following}, secrets={"KEY": "the-real-key"})
    assert upstream.targets == ["/items?account=a1&api_key=the-real-key&cursor=5&q=2"]


def test_a_link_that_repeats_a_secret_is_not_shown() -> None:
    found, note = following_with_secret(said([1], Link="</items?echo=the-real-key>; rel=next"))
    assert found is None
    assert note is not None
    assert "the-real-key" not in note


def following_with_secret(response: bytes) -> tuple[Any, str | None]:
    (answer,), _ = answers(MARK, [response], {}, secrets={"KEY": "the-real-key"})
    return answer.following, answer.note


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('<a>; rel="next"', "a"),
        ("<a>;rel=next", "a"),
        ('<a>; rel="prev next"', "a"),
        ('<a>; REL="NEXT"', "a"),
        ('<a>; title="x, <b>; rel=next"; rel=prev, <c>; rel="next"', "c"),
        ('<a>; title="quote \\" here"; rel=next', "a"),
        ("<a>; rel=first; rel=next", None),
        ('<a>; rel="next"; anchor="#x"', None),
        ("<a>; rel=nextish", None),
        ("", None),
        ("nonsense; rel=next", None),
        ("< a >; rel=next", "a"),
    ],
)
def test_links_are_read_as_the_standard_writes_them(header: str, expected: str | None) -> None:
    assert related(header, "next") == expected


def test_a_hostile_link_header_is_read_in_bounded_time() -> None:
    for header in ("<a>" + ";x" * 20_000, '<a>; t="' + "\\" * 60_000, "<" * 60_000, "<a>;" + " " * 60_000 + "<"):
        assert related(header, "next") is None
