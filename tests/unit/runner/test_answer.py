"""What a model reads for each kind of upstream answer."""

from base64 import b64decode, b64encode
from time import thread_time
from typing import Any

import msgspec
import pytest

from runner.contract import Answer, BasicCredential, BearerCredential, Parameter
from runner.tools.answer import PLAIN, Reading, answer, reading
from runner.tools.connection import MAX_BODY
from runner.tools.result import ToolAnswer, timed_out, too_large, unreachable
from tests.unit.runner.guarded import http_tool

URL = "https://h.test/v1/x"
NOW = 1_800_000_000.0


def read(status: int, body: bytes = b"", kind: str = "application/json", how: Reading = PLAIN, **headers: str) -> ToolAnswer:
    named = {"content-type": kind} | {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return answer(status, {name: value for name, value in named.items() if value}, body, method="GET", url_shown=URL, read=how, now=NOW)


def told(value: Any, **rules: Any) -> ToolAnswer:
    return read(200, msgspec.json.encode(value), how=reading(http_tool(answer=Answer(**rules)), {}))


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b'{"a": [1, 2.0]}', "application/json; charset=utf-8", ToolAnswer(text='{"a":[1,2.0]}', structured={"a": [1, 2.0]})),
        (b" [1, 2] ", "application/problem+json", ToolAnswer(text="[1,2]", structured=[1, 2])),
        (b'{"a":1}', "", ToolAnswer(text='{"a":1}', structured={"a": 1})),
        (b"plain, not JSON", "", ToolAnswer(text="plain, not JSON")),
        ("grün".encode("latin-1"), "text/plain; charset=iso-8859-1", ToolAnswer(text="grün")),
        (b"<a/>", "application/xml", ToolAnswer(text="<a/>")),
        (b"a,b\n1,2", "text/csv", ToolAnswer(text="a,b\n1,2")),
        (b"", "application/json", ToolAnswer(text="Done (200, empty answer).")),
        (b"\xef\xbb\xbf{}", "application/json", ToolAnswer(text="{}", structured={})),
        ('{"a":"ü"}'.encode("utf-16"), "application/json; charset=utf-16", ToolAnswer(text='{"a":"ü"}', structured={"a": "ü"})),
        ('{"a":"ü"}'.encode("latin-1"), "application/json; charset=latin-1", ToolAnswer(text='{"a":"ü"}', structured={"a": "ü"})),
        (b'{"a":NaN}', "application/json", ToolAnswer(text='{"a":null}', structured={"a": None})),
        (b'{"a":1}\n{"a":2}\n', "application/x-ndjson", ToolAnswer(text='{"a":1}\n{"a":2}\n')),
        (b'{"a":1}\n{"a":2}\n', "application/stream+json", ToolAnswer(text='{"a":1}\n{"a":2}\n')),
        (b"data: 1\n\n", "text/event-stream", ToolAnswer(text="data: 1\n\n")),
        (b"null", "application/json", ToolAnswer(text="null")),
    ],
)
def test_a_success_is_text_and_an_object_is_structured(body: bytes, kind: str, expected: ToolAnswer) -> None:
    assert read(200, body, kind) == expected


def test_no_content_says_so() -> None:
    assert read(204) == ToolAnswer(text="Done (204, no content).")


def test_a_page_is_an_error_with_its_words() -> None:
    page = b"<!doctype html><html><head><style>p{}</style></head><body><script>evil()</script><p>Please <b>sign in</b> &amp; wait</p>"
    said = read(200, page, "text/html")
    assert (said.is_error, said.error_code) == (True, "upstream_html")
    assert said.words.endswith(": Please sign in & wait")
    assert len(read(200, page * 1000, "text/html").words) < 700


def test_what_is_called_json_and_is_not_is_an_error() -> None:
    said = read(200, b"oops")
    assert (said.error_code, said.text) == ("upstream_not_json", "The API said JSON and sent something else (4 bytes): oops")


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://elsewhere.test/login?token=1", "redirects (302) to elsewhere.test, and the hosts"),
        ("/v2/x", "redirects (302) to /v2/x on the same host"),
        ("", "names no address"),
        ("http://[", "names no address"),
    ],
)
def test_a_redirect_is_an_error_that_names_the_host(location: str, words: str) -> None:
    said = read(302, location=location)
    assert said.is_error
    assert said.error_code == "upstream_redirect"
    assert words in said.words
    assert "token" not in said.words


@pytest.mark.parametrize(
    ("status", "headers", "code", "advice"),
    [
        (400, {}, "upstream_rejected", "correct them"),
        (401, {}, "upstream_unauthorized", "this tool has none: the owner of this server must add one"),
        (403, {}, "upstream_forbidden", "the owner of this server must check what it may do"),
        (404, {}, "upstream_not_found", "does not exist"),
        (409, {}, "upstream_conflict", "the state things are in"),
        (422, {}, "upstream_rejected", "correct them"),
        (429, {"Retry_After": "7"}, "upstream_rate_limited", "Try again after 7 seconds"),
        (429, {}, "upstream_rate_limited", "Try again after a minute"),
        (429, {"Retry_After": "Fri, 15 Jan 2027 08:02:00 GMT"}, "upstream_rate_limited", "Try again after 2 minutes"),
        (429, {"Retry_After": "tomorrow"}, "upstream_rate_limited", "Try again after a minute"),
        (
            403,
            {"X_RateLimit_Limit": "60", "X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1800000035"},
            "upstream_rate_limited",
            "Try again after 35 seconds. (60 requests allowed, 0 left, more in 35 seconds.)",
        ),
        (429, {"RateLimit": '"default";r=0;t=9'}, "upstream_rate_limited", "Try again after 9 seconds"),
        (503, {"Retry_After": "3600"}, "upstream_failed", "Try again after 60 minutes"),
        (415, {}, "upstream_wrong_method", "the owner of this server must correct the tool"),
        (500, {}, "upstream_failed", "Try again later"),
        (599, {}, "upstream_failed", "Try again later"),
    ],
)
def test_a_refusal_says_what_to_try(status: int, headers: dict[str, str], code: str, advice: str) -> None:
    said = read(status, b'{"error": "because"}', how=PLAIN, **headers)
    assert (said.is_error, said.error_code) == (True, code)
    assert said.words.startswith(f"GET {URL} was answered with {status}")
    assert advice in said.words
    assert said.words.endswith("The API said: because")


def test_a_long_refusal_is_cut() -> None:
    assert 2000 < len(read(500, b"x" * 100_000, "text/plain").words) < 2300


def test_a_secret_the_upstream_repeats_is_blotted_out() -> None:
    body = b'{"headers": {"X-Api-Key": "s3cr\\"et99"}, "other": "1"}'
    said = read(200, body, how=reading(http_tool(), {"KEY": 's3cr"et99', "SHORT": "1"}))
    assert said.structured == {"headers": {"X-Api-Key": "[secret]"}, "other": "1"}
    assert "s3cr" not in said.words


def test_the_owner_is_told_which_secret_was_not_accepted() -> None:
    tool = http_tool(auth=((BearerCredential(secret="TOKEN"),), (BasicCredential(username="USER", password="PASS"),)))
    assert "must check its secret TOKEN." in read(401, how=reading(tool, {"TOKEN": "x"})).words
    assert "must check its secrets USER and PASS." in read(401, how=reading(tool, {"USER": "x", "PASS": "y"})).words
    assert "(secret TOKEN): the owner" in read(403, how=reading(tool, {"TOKEN": "x"})).words


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"type": "about:blank", "title": "Not good", "detail": "Stock is out", "status": 400}, "Not good: Stock is out"),
        (
            {"message": "Validation Failed", "errors": [{"resource": "Issue", "field": "title", "code": "missing_field"}]},
            "Validation Failed\n- title: missing_field",
        ),
        ({"detail": [{"loc": ["body", "name"], "msg": "field required", "type": "missing"}]}, "- body.name: field required"),
        ({"message": "Invalid.", "errors": {"email": ["is taken", "is short"]}}, "Invalid.\n- email: is taken\n- email: is short"),
        ({"errors": [{"title": "Bad", "detail": "too long", "source": {"pointer": "/data/name"}}]}, "- /data/name: Bad: too long"),
        (
            {"error": {"message": "No such customer", "param": "customer", "type": "invalid_request"}},
            "invalid_request\n- customer: No such customer",
        ),
        (
            {"error": {"code": 400, "message": "Bad", "details": [{"fieldViolations": [{"field": "q", "description": "needed"}]}]}},
            "Bad\n- q: needed",
        ),
        ({"title": "Wrong", "invalid-params": [{"name": "age", "reason": "must be positive"}]}, "Wrong\n- age: must be positive"),
        ({"error": "invalid_grant", "error_description": "It is too old"}, "It is too old: invalid_grant"),
        ({"errors": ["first", "second"]}, "- first\n- second"),
        ("just words", "just words"),
        ({"odd": 1}, '{"odd":1}'),
    ],
)
def test_the_api_is_quoted_in_its_own_words(document: Any, words: str) -> None:
    assert read(422, msgspec.json.encode(document), "application/problem+json").words.endswith(f"The API said: {words}")


def test_many_faults_are_counted_and_deep_ones_are_not_followed() -> None:
    many = read(400, msgspec.json.encode({"errors": [f"wrong {number}" for number in range(500)]})).words
    assert many.endswith("- wrong 19\n- and 480 more")
    deep: Any = "x"
    for _ in range(300):
        deep = {"errors": [deep]}
    assert len(read(400, msgspec.json.encode(deep)).words) < 2300


ITEMS = {"items": [{"id": number, "name": f"n{number}", "note": "x" * 50} for number in range(1000)], "total": 1000, "a/b": {"c": None}}


@pytest.mark.parametrize(
    ("pick", "expected"),
    [
        (("/total",), {"total": 1000}),
        (("/items/*/name", "/total"), {"items": [{"name": f"n{number}"} for number in range(1000)], "total": 1000}),
        (("/items/3",), {"items": [ITEMS["items"][3]]}),  # type: ignore[index]
        (("/a~1b/c", "/missing/*/x"), {"a/b": {"c": None}}),
        (("/*/c",), {"a/b": {"c": None}}),
        (("/a~1b", "/a~1b/c"), {"a/b": {"c": None}}),
        (("",), ITEMS),
    ],
)
def test_only_the_fields_that_were_picked_are_shown(pick: tuple[str, ...], expected: Any) -> None:
    said = told(ITEMS, pick=pick)
    assert said.structured == expected
    assert msgspec.json.decode(said.words) == expected


def test_an_answer_without_the_picked_fields_says_so_and_shows_nothing_else() -> None:
    said = told(ITEMS, pick=("/other",))
    assert (said.text, said.structured, said.is_error) == ("{}", {}, False)
    assert said.note == "The answer has none of the fields that this tool shows."
    assert told([{"a": 1}, {}], pick=("/*/b",)).structured == [{}]


@pytest.mark.parametrize("limit", [1000, 5000, 50_000])
def test_a_long_list_loses_its_end_and_says_how_much(limit: int) -> None:
    said = told(ITEMS, max_bytes=limit)
    assert len(said.words.encode()) <= limit
    assert msgspec.json.decode(said.words) == said.structured
    kept = said.structured["items"]
    assert kept == ITEMS["items"][: len(kept)]  # type: ignore[index]
    assert said.structured["total"] == 1000
    assert said.note is not None
    assert f"longer than {limit} bytes: {1000 - len(kept)} of 1000 items of /items. To get the rest, narrow" in said.note
    assert len(said.words) > limit * 0.9


@pytest.mark.parametrize(
    "value",
    [
        {"text": 'ü\U0001f600"\n' * 5000, "id": 7},
        ["\x01" * 9000] * 3,
        {f"member{number}": number for number in range(1000)},
        {"a": {"b": {"c": ["z" * 3000] * 10}}, "d": ["y"] * 5000, "e": "w" * 9000},
        "only words " * 1000,
        [[[[["deep" * 1000]]]]],
        [1234567890] * 5000,
    ],
)
def test_what_was_cut_is_still_json_and_the_same_in_both_forms(value: Any) -> None:
    said = told(value, max_bytes=1000)
    assert len(said.words.encode()) <= 1000
    assert msgspec.json.decode(said.words) == said.structured
    assert said.note is not None
    assert "Left out because the whole is longer than 1000 bytes: " in said.note


def test_a_bottomless_answer_is_cut_as_text() -> None:
    body = b'{"a":' * 400 + b'"' + b"x" * 200_000 + b'"' + b"}" * 400
    said = read(200, body, how=reading(http_tool(answer=Answer(max_bytes=1000)), {}))
    assert len(said.words.encode()) <= 1000
    assert not said.is_error


def test_what_can_make_an_answer_smaller_is_named() -> None:
    properties = {"per_page": {"type": "integer"}, "fields": {"type": "string"}, "id": {"type": "string"}}
    tool = http_tool(
        input_schema={"type": "object", "properties": properties}, parameters=(Parameter(name="id", place="path", argument="id"),)
    )
    said = read(200, b'["' + b"x" * 200_000 + b'"]', how=reading(tool, {}))
    assert said.note is not None
    assert said.note.endswith("ask for less at once (per_page, fields) or narrow the other arguments.")


def test_long_text_is_cut_between_lines_and_between_characters() -> None:
    how = reading(http_tool(answer=Answer(max_bytes=1000)), {})
    said = read(200, b"number,name\n" * 500, "text/csv", how)
    assert said.text == "number,name\n" * 83
    assert said.note is not None
    assert said.note.startswith("This is the beginning, 996 of 6000 bytes.")
    assert read(200, "\U0001f600".encode() * 500, "text/plain", how).text == "\U0001f600" * 250


PNG = b"\x89PNG\r\n\x1a\n\x00\x01"


@pytest.mark.parametrize(
    ("body", "kind", "block"),
    [
        (PNG, "image/png", {"type": "image", "mimeType": "image/png"}),
        (PNG, "application/octet-stream", {"type": "image", "mimeType": "image/png"}),
        (b"\x89not a picture", "image/png", {"type": "resource", "mimeType": "image/png"}),
        (b"\x00\x01\xff", "audio/mpeg", {"type": "audio", "mimeType": "audio/mpeg"}),
        (b"%PDF\xff\x00", "application/pdf", {"type": "resource", "mimeType": "application/pdf"}),
        (b"\xff\x00", 'evil"; x', {"type": "resource", "mimeType": "application/octet-stream"}),
    ],
)
def test_a_file_is_passed_on_as_what_it_is(body: bytes, kind: str, block: dict[str, str]) -> None:
    said = read(200, body, kind)
    assert said.words.startswith("The answer is a file of type ")
    assert said.words.endswith(f" with {len(body)} bytes.")
    (found,) = said.blocks
    assert found["type"] == block["type"]
    inside = found["resource"] if block["type"] == "resource" else found
    assert inside["mimeType"] == block["mimeType"]
    assert b64decode(inside["blob" if block["type"] == "resource" else "data"]) == body
    assert inside.get("uri", URL) == URL


def test_a_large_file_is_named_and_not_passed_on() -> None:
    said = read(200, b"\x00" * (1024 * 1024 + 1), "application/zip")
    assert said.blocks == ()
    assert "1048577 bytes, too large to be passed on" in said.words
    assert b64encode(b"\x00\x00").decode() not in said.words


def test_an_empty_answer_tells_where_the_new_thing_is() -> None:
    assert read(201, location="/v1/x/9").text == "Done (201, empty answer). Location: /v1/x/9."
    told_by_head = answer(200, {"content-length": "5", "etag": "x"}, b"", method="HEAD", url_shown=URL)
    assert told_by_head.text == "Done (200, empty answer). Content-Length: 5. Etag: x."


def test_hostile_bodies_are_read_in_bounded_time() -> None:
    start = thread_time()
    for body in (b"<script" * 400_000, b"<!--" * 500_000, b"<" * 2_000_000, b"&#" * 1_000_000):
        read(500, body, "text/html")
    read(200, b"[" * 1_000_000)
    assert thread_time() - start < 5


def test_the_ways_no_answer_comes() -> None:
    assert [each.error_code for each in (too_large(MAX_BODY), timed_out(30), unreachable("h:1", "refused"))] == [
        "upstream_too_large",
        "upstream_timeout",
        "upstream_unreachable",
    ]
    assert "10 MiB" in too_large(MAX_BODY).words
    assert "30 seconds" in timed_out(30).words
