"""Requests that are not what a tool declares, each with one thing wrong, and the sentence that says so."""

from typing import Any

import msgspec
import pytest

from bmm.builds.contract.promised import differences
from bmm.builds.contract.recorder import Received
from runner.contract import BearerCredential, Body, DigestCredential, HttpTool, KeyCredential, Parameter

TOOL = HttpTool(
    name="change", description="Change", input_schema={"type": "object"}, method="POST", server="https://api.test/v1",
    path="/items/{id}/tags",
    parameters=(
        Parameter(name="id", place="path", argument="id"),
        Parameter(name="limit", place="query", argument="limit"),
        Parameter(name="tag", place="query", argument="tags"),
        Parameter(name="filter", place="query", argument="filter", style="deepObject"),
        Parameter(name="v", place="query", value="2"),
        Parameter(name="X-Trace", place="header", argument="trace"),
        Parameter(name="lang", place="cookie", argument="lang"),
    ),
    body=Body(media_type="application/json", fields={"note": "note"}),
    auth=((BearerCredential(secret="TOKEN"),),),
)  # fmt: skip
ARGUMENTS = {"id": "a/b", "limit": 5, "tags": ["x", "y"], "filter": {"on": True}, "trace": "t", "lang": "de", "note": "hello"}
SECRETS = {"TOKEN": "trial-TOKEN", "OTHER": "trial-OTHER"}
TARGET = "/v1/items/a%2Fb/tags?limit=5&tag=x&tag=y&filter%5Bon%5D=true&v=2"
HEADERS = (
    ("host", "api.test"), ("x-trace", "t"), ("cookie", "lang=de"), ("content-type", "application/json"),
    ("authorization", "Bearer trial-TOKEN"),
)  # fmt: skip
GOOD = Received(host="api.test", port=443, method="POST", target=TARGET, headers=HEADERS, body=b'{"note":"hello"}')


def sent(**changes: Any) -> Received:
    return msgspec.structs.replace(GOOD, **changes)


def headers(name: str, value: str | None) -> Received:
    kept = tuple(each for each in HEADERS if each[0] != name)
    return sent(headers=kept if value is None else (*kept, (name, value)))


def test_what_is_declared_has_no_difference() -> None:
    assert differences(TOOL, ARGUMENTS, SECRETS, GOOD) == []


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (sent(method="PUT"), "its method is PUT"),
        (sent(host="other.test"), "it went to other.test:443"),
        (headers("host", "other.test"), "it names the host 'other.test'"),
        (sent(target=TARGET.replace("/tags", "")), "its path is"),
        (sent(target=TARGET.replace("a%2Fb", "c")), "{id} of its path is c"),
        (sent(target=TARGET.replace("limit=5&", "")), "its query lacks limit"),
        (sent(target=TARGET.replace("limit=5", "limit=6")), "its query has '6' for limit"),
        (sent(target=TARGET.replace("tag=x&tag=y&", "")), "its query lacks tag"),
        (sent(target=TARGET.replace("filter%5Bon%5D=true&", "")), "its query lacks filter"),
        (sent(target=TARGET.replace("&v=2", "")), "its query lacks v"),
        (sent(target=TARGET + "&debug=1"), "its query has 'debug'"),
        (headers("x-trace", None), "it lacks the header X-Trace"),
        (headers("x-trace", "u"), "its header X-Trace is 'u'"),
        (headers("cookie", None), "it lacks the cookie lang"),
        (headers("authorization", None), "the header Authorization does not hold TOKEN"),
        (headers("x-trace", "trial-OTHER"), "it holds the secret OTHER"),
        (headers("content-type", "text/plain"), "its content is text/plain"),
        (sent(body=b'{"note":"bye"}'), "its JSON body is not what the arguments say"),
        (sent(body=b""), "its JSON body is not what the arguments say"),
    ],
)
def test_one_thing_wrong_is_named(request_: Received, sentence: str) -> None:
    found = differences(TOOL, ARGUMENTS, SECRETS, request_)
    assert any(each.startswith(sentence) for each in found), found


@pytest.mark.parametrize(
    ("media_type", "good", "bad", "sentence"),
    [
        ("application/x-www-form-urlencoded", b"note=hello", b"note=bye", "its form lacks note"),
        ("multipart/form-data", b'; name="note"\r\n\r\nhello', b'; name="other"', "its multipart body lacks the part note"),
        ("application/xml", b"<note>hello</note>", b"", "its body is empty"),
    ],
)
def test_other_bodies_are_looked_into_as_far_as_they_can(media_type: str, good: bytes, bad: bytes, sentence: str) -> None:
    tool = msgspec.structs.replace(TOOL, body=Body(media_type=media_type, fields={"note": "note"}))
    given = headers("content-type", f"{media_type}; boundary=b")
    assert differences(tool, ARGUMENTS, SECRETS, msgspec.structs.replace(given, body=good)) == []
    assert differences(tool, ARGUMENTS, SECRETS, msgspec.structs.replace(given, body=bad))[0].startswith(sentence)


def test_a_tool_without_body_or_credentials_sends_neither() -> None:
    tool = HttpTool(
        name="get", description="", input_schema={"type": "object"}, method="POST", server="https://api.test/v1", path="/items/1/tags"
    )
    found = differences(tool, {}, SECRETS, sent(target="/v1/items/1/tags"))
    assert found == ["it holds the secret TOKEN, which this tool does not declare", "it has a body, and the tool declares none"]


def test_a_key_is_looked_for_where_it_belongs() -> None:
    tool = msgspec.structs.replace(TOOL, auth=((KeyCredential(place="query", name="key", secret="TOKEN"),),))
    given = headers("authorization", None)
    assert differences(tool, ARGUMENTS, SECRETS, msgspec.structs.replace(given, target=f"{TARGET}&key=trial-TOKEN")) == []
    assert differences(tool, ARGUMENTS, SECRETS, given) == ["the query key does not hold TOKEN"]


def test_digest_says_nothing_before_it_is_asked() -> None:
    tool = msgspec.structs.replace(TOOL, auth=((DigestCredential(username="TOKEN", password="OTHER"),),))
    assert differences(tool, ARGUMENTS, SECRETS, headers("authorization", None)) == []
    assert differences(tool, ARGUMENTS, SECRETS, GOOD) == [
        "its header Authorization is there before the host has asked for HTTP Digest",
        "it holds the secret TOKEN, which this tool does not declare",
    ]
