"""The real Caddy with the real guard behind it: what one client sends must never become part of another's request."""

import http.client
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.real.fronted import fronted
from tests.unit.runner.guarded import token
from tests.waiting import PATIENCE


class Edge(NamedTuple):
    port: int
    caddy: int
    """Its process id."""


@pytest.fixture
def port(edge: Edge) -> int:
    return edge.port


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    with fronted(tmp_path) as (port, caddy, _):
        yield Edge(port, caddy)


@pytest.mark.parametrize("first", [b"POST /s/shop/mcp HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n", b"CONNECT /s/shop/mcp HTTP/1.1\r\n"])
def test_a_request_hidden_in_a_body_does_not_meet_the_next_one(port: int, first: bytes) -> None:
    for length in range(0, 40 * 16_000, 16_000):
        # Line breaks before a request are skipped, so it does not matter where the guard's reads divide the body.
        hidden = b"\r\n" * (length // 2) + b"PUT /stolen HTTP/1.1\r\nX-Swallow: "
        head = first + b"Host: localhost:%d\r\nAuthorization: Bearer nobody\r\nContent-Length: %d\r\n\r\n" % (port, len(hidden))
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as stranger:
            stranger.sendall(head + hidden)
            stranger.recv(65536)
            assert _lists(port) == 200


def test_a_client_that_offers_http_2_is_answered_in_http_1(port: int) -> None:
    assert _lists(port, ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")) == 200


def test_bodies_that_strangers_never_finish_cost_the_edge_little_memory(edge: Edge) -> None:
    before, most = _memory(edge.caddy), 9_000_000
    head = b"POST /s/shop/mcp HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer nobody\r\n" % edge.port
    with ExitStack() as strangers:
        for _ in range(10):
            stranger = strangers.enter_context(socket.create_connection(("127.0.0.1", edge.port), timeout=PATIENCE))
            with suppress(OSError):  # Answered and closed before it had sent everything.
                stranger.sendall(head + b"Content-Length: %d\r\n\r\n" % (most + 1) + b"a" * most)
        assert _lists(edge.port) == 200
        assert _memory(edge.caddy) - before < 40_000_000


def _memory(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _lists(port: int, *headers: tuple[str, str]) -> int:
    connection = http.client.HTTPConnection("localhost", port, timeout=PATIENCE)
    try:
        sent = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json", **dict(headers)}
        connection.request("POST", "/s/shop/mcp", b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}', sent)
        return connection.getresponse().status
    finally:
        connection.close()
