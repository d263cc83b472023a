"""The guard's own HTTP client: what it sends, what it takes, and that no response leaves anything for the next."""

import asyncio
import gzip
import zlib
from typing import Any

import pytest

from runner.contract import BearerCredential, Body, HttpTool
from runner.tools.connection import MAX_BODY, Unsendable, encoded
from runner.tools.decoding import Garbled, decoded
from runner.tools.request import HttpRequest
from tests.unit.runner.guarded import http_tool
from tests.unit.runner.scripted import Cut, Last, Pieces, answers, behind, said

OK = said({"ok": True})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("response", "kept"),
    [
        pytest.param(HEAD + b"Content-Length: 7\r\n\r\n" + b'{"a":1}', True, id="a length"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b'3;x=y\r\n{"a\r\n4\r\n":1}\r\n0\r\nTrailer: x\r\n\r\n', True, id="chunks"
        ),
        pytest.param(HEAD + b"Content-Length: 7\r\nConnection: close\r\n\r\n" + b'{"a":1}', False, id="asks to close"),
        pytest.param(b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + HEAD + b"Content-Length: 7\r\n\r\n" + b'{"a":1}', True, id="interim"),
        pytest.param(HEAD.replace(b"1.1", b"1.0") + b"Content-Length: 7\r\n\r\n" + b'{"a":1}', False, id="HTTP/1.0"),
        pytest.param(HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 7\n\n" + b'{"a":1}', True, id="lines without CR"),
        pytest.param(HEAD + b"Content-Length: 7\r\n\r\n" + b'{"a":1}' + b"more", False, id="bytes after it"),
        pytest.param(HEAD + b"Content-Length: 7\r\n\r\n" + b'{"a":1}' + OK, False, id="a second response"),
        pytest.param(HEAD + b"Content-Length: 7\r\n\r\n" + b'{"a":1}' + OK[:30], False, id="a part of a second response"),
        pytest.param(
            HEAD + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n" + b'7\r\n{"a":1}\r\n0\r\n\r\n', False, id="two lengths"
        ),
    ],
)
def test_a_response_is_taken_and_its_connection_kept_only_when_nothing_is_left(response: bytes, kept: bool) -> None:
    (first, second), upstream = answers(http_tool(), [response, OK], {"id": 1}, {"id": 2})
    assert (first.structured, second.structured) == ({"a": 1}, {"ok": True})
    assert upstream.connections == (1 if kept else 2)


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(HEAD + b"Content-Length: 7\r\nContent-Length: 8\r\n\r\n" + b'{"a":1}', id="two lengths"),
        pytest.param(HEAD + b"Content-Length: -7\r\n\r\n" + b'{"a":1}', id="a negative length"),
        pytest.param(HEAD + b"Transfer-Encoding: gzip\r\n\r\n", id="an unknown transfer coding"),
        pytest.param(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="two transfer codings"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", id="a chunk without a size"),
        pytest.param(HEAD + b"X : y\r\n\r\n", id="a blank in a name"),
        pytest.param(HEAD + b"X: \x00\r\n\r\n", id="a null byte"),
        pytest.param(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="an upgrade"),
        pytest.param(b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", id="another version"),
        pytest.param(b"HTTP/1.1 99 OK\r\nContent-Length: 0\r\n\r\n", id="no status"),
        pytest.param(HEAD + b"X: " + b"y" * 70_000 + b"\r\n\r\n", id="a large header"),
        pytest.param(HEAD + b"X: y\r\n" * 20_000 + b"\r\n", id="many headers"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 5000, id="interim responses without end"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"y" * 2_000_000, id="a trailer without end"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", id="another protocol"),
    ],
)
def test_what_is_not_http_ends_the_connection(response: bytes) -> None:
    (answer,), upstream = answers(http_tool(method="POST"), [response, OK])
    assert answer.error_code == "upstream_closed"
    assert upstream.connections == 1


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    (first, second), upstream = answers(http_tool(), [Last(HEAD + b"\r\n" + b'{"a":1}'), OK], {"id": 1}, {"id": 2})
    assert (first.structured, second.structured) == ({"a": 1}, {"ok": True})
    assert upstream.connections == 2


@pytest.mark.parametrize("status", [200, 404])
def test_the_answer_to_head_has_no_body_whatever_its_length_says(status: int) -> None:
    script: Any = [f"HTTP/1.1 {status} X\r\nContent-Length: 500\r\n\r\n".encode()]
    (first, second), upstream = answers(http_tool(method="HEAD"), script, {"id": 1}, {"id": 1})
    assert first == second
    assert first.is_error is (status == 404)
    assert upstream.connections == 2


def test_a_stream_without_end_is_answered_with_its_beginning() -> None:
    stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
    (answer,), _ = answers(http_tool(timeout=0.5), [stream])
    assert (answer.text, answer.is_error) == ("data: 1\n\n", False)
    assert answer.note == "The stream had not ended; this is its beginning."


@pytest.mark.parametrize(
    ("request_", "sent"),
    [
        (
            HttpRequest(method="GET", url="http://h.test/a%2F?b=c"),
            b"GET /a%2F?b=c HTTP/1.1\r\nHost: h.test\r\nAccept-Encoding: gzip, deflate\r\n\r\n",
        ),
        (
            HttpRequest(method="POST", url="http://h.test", headers=(("A", "gr\xfcn"), ("accept-encoding", "br"))),
            b"POST / HTTP/1.1\r\nHost: h.test\r\nA: gr\xfcn\r\naccept-encoding: br\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            HttpRequest(method="PUT", url="http://h.test?x", headers=(("Accept-Encoding", "x"),), body=b"hi"),
            b"PUT /?x HTTP/1.1\r\nHost: h.test\r\nAccept-Encoding: x\r\nContent-Length: 2\r\n\r\nhi",
        ),
    ],
)
def test_a_request_is_sent_as_it_was_built(request_: HttpRequest, sent: bytes) -> None:
    assert encoded(request_, "h.test") == sent


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("http://h.test/", ("A", "b\r\nEvil: 1")),
        ("http://h.test/", ("A", "b\nEvil: 1")),
        ("http://h.test/", ("A", "\x00")),
        ("http://h.test/", ("A: b\r\nEvil", "1")),
        ("http://h.test/", ("", "1")),
        ("http://h.test/", ("A", "\u0161")),
        ("http://h.test/ HTTP/1.1\r\nEvil: 1", ("A", "b")),
        ("http://h.test/\u0161", ("A", "b")),
    ],
)
def test_nothing_can_be_smuggled_into_a_request(url: str, header: tuple[str, str]) -> None:
    with pytest.raises(Unsendable):
        encoded(HttpRequest(method="GET", url=url, headers=(header,)), "h.test")


def test_compressed_bodies_are_unpacked_under_a_limit() -> None:
    text = b"words " * 1000
    raw = zlib.compressobj(wbits=-15)
    bare = raw.compress(text) + raw.flush()
    cases = [(gzip.compress(text), "gzip"), (zlib.compress(text), "deflate"), (bare, "Deflate"), (text, "identity")]
    cases += [(gzip.compress(text[:50]) + gzip.compress(text[50:]), "x-gzip"), (gzip.compress(zlib.compress(text)), "deflate, gzip")]
    for body, coding in cases:
        assert decoded(body, coding, limit=MAX_BODY) == text
        assert decoded(body, coding, limit=len(text)) == text
    assert decoded(gzip.compress(b"0" * 30_000_000), "gzip", limit=MAX_BODY) is None
    assert decoded(gzip.compress(gzip.compress(b"0" * 30_000_000)), "gzip, gzip", limit=MAX_BODY) is None


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(b"x" * 100, mtime=0)[:-9], "gzip"),
        (b"not packed", "gzip"),
        (b"x", "br"),
        (gzip.compress(b"x", mtime=0), "gzip, gzip, gzip, gzip"),
        (gzip.compress(b"", mtime=0) * 5000, "gzip"),
    ],
)
def test_what_cannot_be_unpacked_is_refused(body: bytes, coding: str) -> None:
    with pytest.raises(Garbled):
        decoded(body, coding, limit=MAX_BODY)


def test_a_response_cut_anywhere_never_passes_for_a_whole_one() -> None:
    whole = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b'3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'
    script: list[bytes | type[Cut]] = [Last(whole[:length]) for length in range(len(whole))]
    answered, _ = answers(http_tool(method="POST"), [*script, whole], *[{"id": 1}] * (len(whole) + 1))
    assert {answer.error_code for answer in answered[:-1]} == {"upstream_closed"}
    assert answered[-1].structured == {"a": 1}


def test_a_response_in_pieces_is_the_same_as_in_one() -> None:
    whole = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b'3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'

    async def go() -> list[Any]:
        async with behind(http_tool(), Pieces(whole)) as (runner, upstream):
            found = [(await runner.run({"id": 1})).structured for _ in range(3)]
            assert upstream.connections == 1
            return found

    assert asyncio.run(go()) == [{"a": 1}] * 3


FILE = HttpTool(
    name="put_file",
    description="",
    input_schema={"type": "object", "properties": {"file": {"type": "string"}}},
    method="POST",
    server="http://shop.test:8081",
    path="/files",
    body=Body(media_type="application/pdf", argument="file", binary=True),
    auth=((BearerCredential(secret="KEY"),),),
)


def test_a_file_named_by_its_url_is_fetched_without_the_credential_and_sent() -> None:
    document = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: 4\r\n\r\n%PDF"
    (answer,), upstream = answers(FILE, [document, OK], {"file": "http://shop.test:8081/a b.pdf?x=1#top"}, secrets={"KEY": "s3cret"})
    assert answer.structured == {"ok": True}
    assert upstream.targets == ["/a%20b.pdf?x=1", "/files"]
    assert "s3cret" not in upstream.heads[0]
    assert "Bearer s3cret" in upstream.heads[1]
    assert "Content-Type: application/pdf\r\n" in upstream.heads[1]
    assert "Content-Length: 4\r\n" in upstream.heads[1]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://elsewhere.test/a", "may not reach elsewhere.test"),
        ("https://shop.test/a", "may not reach shop.test"),
        ("http://169.254.169.254/a", "may not reach 169.254.169.254"),
        ("http://user:pass@shop.test:8081/a", "is not a URL that can be fetched"),
        ("http://[/a", "is not a URL that can be fetched"),
        ("http://shop.test:8081/a", "the answer was 302"),
    ],
)
def test_a_file_that_cannot_be_fetched_is_told_and_nothing_is_sent(url: str, words: str) -> None:
    (answer,), upstream = answers(FILE, [said(status=302, Location="http://elsewhere.test/")], {"file": url}, secrets={"KEY": "s3cret"})
    assert answer.error_code == "invalid_arguments"
    assert words in answer.words
    assert "/files" not in upstream.targets
