"""A document's URL: which addresses are dialled, and what is said."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bmm.egress.classify import refusal
from bmm.errors import BadInput
from bmm.sources.fetch import Reach, fetch


class Answering(BaseHTTPRequestHandler):
    """`/to?URL` redirects there; anything else is a document that repeats the Host header."""

    def do_GET(self) -> None:
        path, _, target = self.path.partition("?")
        body = b"" if path == "/to" else self.headers["Host"].encode() * (1000 if path == "/long" else 1)
        self.send_response(302 if path == "/to" else 200)
        if path == "/to":
            self.send_header("Location", target)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def got(url: str, *, limit: int = 1000, **reach: object) -> tuple[bytes, str, list[str]]:
    said: list[str] = []
    body, final = fetch(url, limit=limit, say=said.append, reach=Reach(**{"refusal": refusal, "typed": True} | reach))  # type: ignore[arg-type]
    return body, final, said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_typed_loopback_address_is_dialled(port: int, host: str) -> None:
    url = f"http://{host}:{port}/a"
    assert got(url) == (f"{host}:{port}".encode(), url, [f"fetched {url} ({len(host) + 6} bytes, no type)"])


def test_a_name_is_dialled_where_the_operator_says(port: int) -> None:
    name = f"shop.test:{port}"
    assert got(f"http://{name}/a", exceptions={name: "127.0.0.1"})[0] == name.encode()


def test_redirects_stay_within_the_rules(port: int) -> None:
    here = f"http://127.0.0.1:{port}"
    assert got(f"{here}/to?/b")[1] == f"{here}/b"
    for target in (
        "http://127.0.0.1:1/x",
        "http://127.0.0.2/x",
        "http://10.0.0.1/x",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
    ):
        with pytest.raises(BadInput):
            got(f"{here}/to?{target}")


def test_a_redirect_from_a_name_to_loopback_is_refused(port: int) -> None:
    name = f"shop.test:{port}"
    with pytest.raises(BadInput, match=r"127\.0\.0\.1, which is not public \(loopback\); pass --allow-private"):
        got(f"http://{name}/to?http://127.0.0.1:{port}/b", exceptions={name: "127.0.0.1"})
    assert got(f"http://{name}/to?http://127.0.0.1:{port}/b", exceptions={name: "127.0.0.1"}, allow_private=True)[1].endswith("/b")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://10.1.2.3/x", "which is not public (private); pass --allow-private"),
        ("http://192.168.0.1/x", "(private)"),
        ("http://169.254.169.254/latest", "(link-local)."),
        ("http://[fe80::1]/x", "link-local"),
        ("http://[::ffff:127.0.0.1]/x", "(IPv4-mapped)"),
        ("http://0.0.0.0/x", "(unspecified)"),
        ("http://user:pw@api.test/x", "a user name or a password"),
        ("ftp://api.test/x", "not an http or https URL"),
        ("http:///x", "not an http or https URL"),
    ],
)
def test_what_is_not_fetched_is_told_with_the_reason(url: str, words: str) -> None:
    with pytest.raises(BadInput) as refused:
        got(url)
    assert words in refused.value.user_message
    assert "pw" not in refused.value.user_message


def test_who_does_not_answer_is_told_in_words(port: int) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        for url, words in ((f"https://127.0.0.1:{port}/x", "no TLS is spoken there"), (f"http://127.0.0.1:{deaf.getsockname()[1]}/x", "nobody answers there")):
            with pytest.raises(BadInput, match=f"^{url} cannot be fetched: {words}"):
                got(url)


@pytest.mark.parametrize("url", ["http://169.254.169.254/x", "http://0.0.0.0/x", "http://224.0.0.1/x"])
def test_metadata_addresses_stay_refused_with_the_flag(url: str) -> None:
    with pytest.raises(BadInput, match="not public"):
        got(url, allow_private=True)


def test_a_document_over_the_limit_is_not_read_on(port: int) -> None:
    with pytest.raises(BadInput, match="larger than 1,000 bytes, the limit for documents; --max-size"):
        got(f"http://127.0.0.1:{port}/long")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_loopback_address_that_nobody_typed_here_is_not_dialled(port: int, host: str) -> None:
    with pytest.raises(BadInput, match=r"not public \(loopback\); compile it at the command line, or allow it with egress_exceptions"):
        got(f"http://{host}:{port}/a", typed=False)
    assert got(f"http://{host}:{port}/a", typed=False, exceptions={f"{host}:{port}": "127.0.0.1"})[0] == f"{host}:{port}".encode()
