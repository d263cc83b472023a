"""The whole request value for each way OpenAPI can place an argument."""

from typing import Any

import httpx2
import pytest

from runner.contract import BasicCredential, BearerCredential, Body, Credential, HttpTool, KeyCredential, Parameter
from runner.tools.request import ACCEPT, USER_AGENT, ArgumentError, HttpRequest, MissingSecret, UnusableSecret, build_request, prepare

ALWAYS = (("Accept", ACCEPT), ("User-Agent", USER_AGENT))
LIST: list[object] = ["a b", "c,d"]
OBJECT: dict[str, object] = {"R": 100, "G": "x/y"}


def a_tool(path: str = "/x", method: Any = "GET", **more: Any) -> HttpTool:
    return HttpTool(name="t", description="", input_schema={"type": "object"}, method=method, server="https://h.test/v1", path=path, **more)


def with_one(place: Any, **more: Any) -> HttpTool:
    return a_tool("/x/{c}/y" if place == "path" else "/x", parameters=(Parameter(name="c", place=place, argument="c", **more),))


@pytest.mark.parametrize(
    ("style", "explode", "value", "segment"),
    [
        (None, None, "blue", "blue"),
        (None, None, "a/b?c#d..", "a%2Fb%3Fc%23d.."),
        (None, None, "../admin", "..%2Fadmin"),
        (None, None, "%2e%2e", "%252e%252e"),
        (None, None, "ü€~_.-", "%C3%BC%E2%82%AC~_.-"),
        (None, None, True, "true"),
        (None, None, 1.0, "1.0"),
        (None, None, 12345678901234567890123, "12345678901234567890123"),
        ("simple", None, LIST, "a%20b,c%2Cd"),
        ("simple", False, OBJECT, "R,100,G,x%2Fy"),
        ("simple", True, OBJECT, "R=100,G=x%2Fy"),
        ("label", None, "blue", ".blue"),
        ("label", False, LIST, ".a%20b,c%2Cd"),
        ("label", True, LIST, ".a%20b.c%2Cd"),
        ("label", False, OBJECT, ".R,100,G,x%2Fy"),
        ("label", True, OBJECT, ".R=100.G=x%2Fy"),
        ("matrix", None, "blue", ";c=blue"),
        ("matrix", None, "", ";c"),
        ("matrix", False, LIST, ";c=a%20b,c%2Cd"),
        ("matrix", True, LIST, ";c=a%20b;c=c%2Cd"),
        ("matrix", False, OBJECT, ";c=R,100,G,x%2Fy"),
        ("matrix", True, OBJECT, ";R=100;G=x%2Fy"),
    ],
)
def test_a_path_parameter_stays_in_its_segment(style: Any, explode: bool | None, value: object, segment: str) -> None:
    tool = with_one("path", style=style, explode=explode)
    assert build_request(tool, {"c": value}, {}) == HttpRequest(method="GET", url=f"https://h.test/v1/x/{segment}/y", headers=ALWAYS)


@pytest.mark.parametrize(
    ("more", "value", "query"),
    [
        ({}, "a b&c=d+e", "?c=a%20b%26c%3Dd%2Be"),
        ({}, "", "?c="),
        ({}, False, "?c=false"),
        ({}, 0.1, "?c=0.1"),
        ({}, None, ""),
        ({}, [], ""),
        ({}, LIST, "?c=a%20b&c=c%2Cd"),
        ({}, [1, None, {"a": 1}], "?c=1&c=%7B%22a%22%3A1%7D"),
        ({"explode": False}, LIST, "?c=a%20b,c%2Cd"),
        ({}, OBJECT, "?R=100&G=x%2Fy"),
        ({"explode": False}, OBJECT, "?c=R,100,G,x%2Fy"),
        ({"style": "spaceDelimited"}, LIST, "?c=a%20b%20c%2Cd"),
        ({"style": "pipeDelimited"}, LIST, "?c=a%20b%7Cc%2Cd"),
        ({"style": "pipeDelimited", "explode": True}, LIST, "?c=a%20b&c=c%2Cd"),
        ({"style": "deepObject"}, {"R": 1, "in": {"deep": [True]}, "no": None}, "?c%5BR%5D=1&c%5Bin%5D%5Bdeep%5D%5B0%5D=true"),
        ({"allow_reserved": True}, "a/b?c:d@e&f#g+h%20i%", "?c=a/b?c:d@e%26f%23g%2Bh%20i%25"),
        ({"content": "application/json"}, {"a": [1, "é"]}, "?c=%7B%22a%22%3A%5B1%2C%22%C3%A9%22%5D%7D"),
    ],
)  # fmt: skip
def test_a_query_parameter_in_each_style(more: dict[str, Any], value: object, query: str) -> None:
    assert build_request(with_one("query", **more), {"c": value}, {}) == HttpRequest(
        method="GET", url=f"https://h.test/v1/x{query}", headers=ALWAYS
    )


def test_names_are_encoded_too() -> None:
    tool = a_tool(
        parameters=(Parameter(name="filter[a&b]", place="query", argument="f"), Parameter(name="$top", place="query", argument="t"))
    )
    assert build_request(tool, {"f": 1, "t": 2}, {}).url == "https://h.test/v1/x?filter%5Ba%26b%5D=1&$top=2"


def test_a_header_and_a_cookie() -> None:
    parameters = (
        Parameter(name="X-Ids", place="header", argument="ids"),
        Parameter(name="X-Map", place="header", argument="map", explode=True),
        Parameter(name="X-Json", place="header", argument="json", content="application/json"),
        Parameter(name="sid", place="cookie", argument="sid"),
        Parameter(name="tags", place="cookie", argument="tags"),
        Parameter(name="X-Version", place="header", value="2026-01-01"),
        Parameter(name="fixed", place="query", value=[1, 2]),
    )
    arguments = {"ids": [1, 2], "map": {"a": "b c"}, "json": {"a": 1}, "sid": "x;y", "tags": ["p", "q"]}
    assert build_request(a_tool(parameters=parameters), arguments, {}) == HttpRequest(
        method="GET",
        url="https://h.test/v1/x?fixed=1&fixed=2",
        headers=(
            *ALWAYS,
            ("X-Version", "2026-01-01"),
            ("X-Ids", "1,2"),
            ("X-Map", "a=b c"),
            ("X-Json", '{"a":1}'),
            ("Cookie", "sid=x%3By; tags=p; tags=q"),
        ),
    )


def test_a_body_of_fields_and_one_of_a_single_argument() -> None:
    fields = a_tool(method="POST", body=Body(media_type="application/json", fields={"n": "name", "note": "note", "x": "x"}))
    json = ("Content-Type", "application/json")
    url = "https://h.test/v1/x"
    assert build_request(fields, {"n": "ü", "note": None}, {}) == HttpRequest(
        method="POST", url=url, headers=(*ALWAYS, json), body='{"name":"ü","note":null}'.encode()
    )
    assert build_request(fields, {}, {}) == HttpRequest(method="POST", url=url, headers=ALWAYS)
    needed = a_tool(method="POST", body=Body(media_type="application/json", fields={"n": "name"}, required=True))
    assert build_request(needed, {}, {}).body == b"{}"
    whole = a_tool(method="POST", body=Body(media_type="application/merge-patch+json", argument="body"))
    assert build_request(whole, {"body": [1.0, None]}, {}) == HttpRequest(
        method="POST", url=url, headers=(*ALWAYS, ("Content-Type", "application/merge-patch+json")), body=b"[1.0,null]"
    )
    assert build_request(whole, {}, {}).body is None
    with pytest.raises(ArgumentError, match="body is needed"):
        build_request(a_tool(method="POST", body=Body(media_type="application/json", argument="body", required=True)), {}, {})


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        (with_one("path"), {"c": ".."}, r"must not make the path segment '\.\.'"),
        (with_one("path"), {"c": "."}, r"must not make the path segment '\.'"),
        (with_one("path"), {"c": ""}, "must not be empty"),
        (with_one("path"), {"c": []}, "must not be empty"),
        (with_one("path"), {}, "is needed"),
        (with_one("path"), {"c": None}, "is needed"),
        (with_one("path"), {"c": "\ud800"}, "not valid"),
        (with_one("header"), {"c": "a\r\nX-Evil: 1"}, "no line breaks"),
        (with_one("header"), {"c": "a\x00b"}, "no line breaks"),
        (with_one("header"), {"c": "日本"}, "only Latin"),
        (with_one("query"), {"c": float("nan")}, "not valid"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_argument_s_name(tool: HttpTool, arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence) as refused:
        build_request(tool, arguments, {})
    assert refused.value.argument == "c"


def test_dots_put_together_from_two_arguments_are_refused() -> None:
    parameters = (Parameter(name="a", place="path", argument="a"), Parameter(name="b", place="path", argument="b"))
    with pytest.raises(ArgumentError):
        build_request(a_tool("/x/{a}{b}", parameters=parameters), {"a": ".", "b": "."}, {})


def test_a_query_in_the_template_and_text_around_a_parameter() -> None:
    parameters = (Parameter(name="id", place="path", argument="id"), Parameter(name="q", place="query", argument="q"))
    tool = a_tool("/ä x/{id}.json?v={id}&fixed", parameters=parameters)
    assert build_request(tool, {"id": "a&b", "q": 1}, {}).url == "https://h.test/v1/%C3%A4%20x/a%26b.json?v=a%26b&fixed&q=1"


KEY = KeyCredential(place="header", name="X-Key", secret="KEY")
IN_QUERY = KeyCredential(place="query", name="api key", secret="QUERY")
COOKIE = KeyCredential(place="cookie", name="sid", secret="COOKIE")
BEARER = BearerCredential(secret="TOKEN")
OTHER = BearerCredential(secret="TOKEN", scheme="Token")
BASIC = BasicCredential(username="NAME", password="PASSWORD")


@pytest.mark.parametrize(
    ("auth", "secrets", "query", "headers"),
    [
        (((KEY,),), {"KEY": "k"}, "", (("X-Key", "k"),)),
        (((IN_QUERY,),), {"QUERY": "k&k"}, "?api%20key=k%26k", ()),
        (((COOKIE,),), {"COOKIE": "a=b+/="}, "", (("Cookie", "sid=a=b+/="),)),
        (((BEARER,),), {"TOKEN": "t"}, "", (("Authorization", "Bearer t"),)),
        (((OTHER,),), {"TOKEN": "t"}, "", (("Authorization", "Token t"),)),
        (((OTHER,),), {"TOKEN": "token t"}, "", (("Authorization", "token t"),)),
        (((BASIC,),), {"NAME": "ü", "PASSWORD": "p:w"}, "", (("Authorization", "Basic w7w6cDp3"),)),
        (((KEY, BEARER),), {"KEY": "k", "TOKEN": "t"}, "", (("X-Key", "k"), ("Authorization", "Bearer t"))),
        (((KEY, BEARER), (IN_QUERY,)), {"KEY": "k", "QUERY": "q"}, "?api%20key=q", ()),
        (((), (KEY,)), {"KEY": "k"}, "", (("X-Key", "k"),)),
        (((), (KEY,)), {}, "", ()),
        ((), {"KEY": "k"}, "", ()),
    ],
)
def test_the_first_complete_way_to_sign_in_is_used(
    auth: tuple[tuple[Credential, ...], ...], secrets: dict[str, str], query: str, headers: tuple[tuple[str, str], ...]
) -> None:
    assert build_request(a_tool(auth=auth), {}, secrets) == HttpRequest(
        method="GET", url=f"https://h.test/v1/x{query}", headers=(*ALWAYS, *headers)
    )


def test_without_a_complete_way_to_sign_in_the_missing_keys_are_named() -> None:
    with pytest.raises(MissingSecret) as missing:
        build_request(a_tool(auth=((KEY, BASIC), (BEARER,))), {}, {"KEY": "k", "NAME": "n", "PASSWORD": ""})
    assert missing.value.keys == ("PASSWORD",)


@pytest.mark.parametrize("credential", [KEY, BEARER, COOKIE])
def test_a_secret_with_a_line_break_is_refused_without_showing_it(credential: Credential) -> None:
    with pytest.raises(UnusableSecret) as refused:
        build_request(a_tool(auth=((credential,),)), {}, dict.fromkeys(("KEY", "TOKEN", "COOKIE"), "hunter2\r\nX: 1"))
    assert "hunter2" not in str(refused.value)


def test_an_argument_never_replaces_a_credential_or_frames_the_message() -> None:
    parameters = tuple(
        Parameter(name=name, place="header", argument=name)
        for name in ("x-key", "Authorization", "Host", "Content-Length", "Cookie", "Accept")
    )
    tool = a_tool(parameters=(*parameters, Parameter(name="o", place="query", argument="o")), auth=((KEY, IN_QUERY),))
    arguments: dict[str, object] = {each.name: "evil" for each in parameters}
    secrets = {"KEY": "k", "QUERY": "q"}
    assert build_request(tool, arguments, secrets) == HttpRequest(
        method="GET", url="https://h.test/v1/x?api%20key=q", headers=(*ALWAYS, ("X-Key", "k"))
    )
    with pytest.raises(ArgumentError, match="the server's own credential"):
        build_request(tool, {"o": {"api key": "evil"}}, secrets)


def test_the_library_sends_the_url_as_it_is() -> None:
    parameters = (Parameter(name="id", place="path", argument="id"), Parameter(name="q", place="query", argument="q", allow_reserved=True))
    request = build_request(a_tool("/a/{id}", parameters=parameters), {"id": "../ü/%2e'(x)*", "q": "a'b/c?d;e,f!$(*)%41"}, {})
    sent = httpx2.URL(request.url)
    assert f"https://h.test{sent.raw_path.decode()}" == request.url
    assert sent.raw_path.count(b"/") == 3 + 1  # the last one is in the query, where it is allowed


def test_a_prepared_tool_gives_the_same_request() -> None:
    tool = a_tool("/x/{id}", parameters=(Parameter(name="id", place="path", argument="id"),), auth=((KEY,),))
    assert build_request(prepare(tool), {"id": 1}, {"KEY": "k"}) == build_request(tool, {"id": 1}, {"KEY": "k"})


def test_headers_go_out_as_latin_1() -> None:
    request = build_request(with_one("header"), {"c": "é"}, {})
    assert request.raw_headers[-1] == (b"c", b"\xe9")
