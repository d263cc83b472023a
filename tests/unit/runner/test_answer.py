"""What a model reads for each kind of upstream answer."""

from time import perf_counter

import pytest

from runner.tools.answer import ToolAnswer, answer, timed_out, too_large, unreachable

URL = "https://h.test/v1/x"


def read(status: int, body: bytes = b"", kind: str = "application/json", **headers: str) -> ToolAnswer:
    named = {"Content-Type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(status, {name: value for name, value in named.items() if value}, body, method="GET", url_shown=URL)


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b'{"a": [1, 2.0]}', "application/json; charset=utf-8", ToolAnswer(text='{"a":[1,2.0]}', structured={"a": [1, 2.0]})),
        (b" [1, 2] ", "application/problem+json", ToolAnswer(text="[1,2]")),
        (b'{"a":1}', "", ToolAnswer(text='{"a":1}', structured={"a": 1})),
        (b"plain, not JSON", "", ToolAnswer(text="plain, not JSON")),
        ("grün".encode("latin-1"), "text/plain; charset=iso-8859-1", ToolAnswer(text="grün")),
        (b"<a/>", "application/xml", ToolAnswer(text="<a/>")),
        (b"a,b\n1,2", "text/csv", ToolAnswer(text="a,b\n1,2")),
        (b"", "application/json", ToolAnswer(text="Done (200, empty answer).")),
        (
            b"\x89PNG\x00",
            "image/png",
            ToolAnswer(text="The answer is a file of type image/png with 5 bytes, which cannot be shown as text."),
        ),
        (
            b"%PDF",
            "application/pdf",
            ToolAnswer(text="The answer is a file of type application/pdf with 4 bytes, which cannot be shown as text."),
        ),
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
    assert said.text.endswith(": Please sign in & wait")
    assert len(read(200, page * 1000, "text/html").text) < 700


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
    assert words in said.text
    assert "token" not in said.text


@pytest.mark.parametrize(
    ("status", "headers", "code", "advice"),
    [
        (400, {}, "upstream_rejected", "correct them"),
        (401, {}, "upstream_unauthorized", "the owner of this server must check its secret"),
        (403, {}, "upstream_forbidden", "the owner of this server must check what it may do"),
        (404, {}, "upstream_not_found", "does not exist"),
        (409, {}, "upstream_rejected", "correct them"),
        (422, {}, "upstream_rejected", "correct them"),
        (429, {"Retry_After": "7"}, "upstream_rate_limited", "Try again after 7 seconds"),
        (429, {}, "upstream_rate_limited", "Try again after a minute"),
        (500, {}, "upstream_failed", "Try again later"),
        (599, {}, "upstream_failed", "Try again later"),
    ],
)
def test_a_refusal_says_what_to_try(status: int, headers: dict[str, str], code: str, advice: str) -> None:
    said = read(status, b'{"error": "because"}', **headers)
    assert (said.is_error, said.error_code) == (True, code)
    assert said.text.startswith(f"GET {URL} was answered with {status}")
    assert advice in said.text
    assert said.text.endswith('The API said: {"error": "because"}')


def test_a_long_refusal_is_cut() -> None:
    assert 2000 < len(read(500, b"x" * 100_000, "text/plain").text) < 2300


def test_a_secret_the_upstream_repeats_is_blotted_out() -> None:
    body = b'{"headers": {"X-Api-Key": "s3cr\\"et99"}, "other": "1"}'
    said = answer(200, {"content-type": "application/json"}, body, method="GET", url_shown=URL, secrets=['s3cr"et99', "1"])
    assert said.structured == {"headers": {"X-Api-Key": "[secret]"}, "other": "1"}
    assert "s3cr" not in said.text


def test_hostile_bodies_are_read_in_bounded_time() -> None:
    start = perf_counter()
    for body in (b"<script" * 400_000, b"<!--" * 500_000, b"<" * 2_000_000, b"&#" * 1_000_000):
        read(500, body, "text/html")
    read(200, b"[" * 1_000_000)
    assert perf_counter() - start < 5


def test_the_ways_no_answer_comes() -> None:
    assert [each.error_code for each in (too_large(), timed_out(30), unreachable("h:1", "refused"))] == [
        "upstream_too_large",
        "upstream_timeout",
        "upstream_unreachable",
    ]
    assert "10 MiB" in too_large().text
    assert "30 seconds" in timed_out(30).text
