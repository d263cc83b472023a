"""The real Caddy with the real guard behind it: what one client sends must never become part of another's request."""

import http.client
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bmm.config import Config
from bmm.edge import plan
from tests.real.appliance import free_port
from tests.unit.runner.guarded import GuardProcess, Home, eventually, token, unix_listener


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    assert shutil.which("caddy"), "caddy is missing: run `packaging/setup.sh`"
    port = free_port()
    config = Config(public_url=f"http://localhost:{port}", listen=f"127.0.0.1:{port}", run_dir=str(tmp_path), data_dir=str(tmp_path))
    (tmp_path / "in").mkdir()
    (tmp_path / "Caddyfile").write_text(plan.caddyfile(config, ("127.0.0.1",), plan.TEMPLATE.read_text()))
    home = Home(listener=unix_listener(tmp_path / "in/shop.sock"))
    guard = GuardProcess(home)
    command = ("caddy", "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile")
    environ = os.environ | {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environ) as caddy:
        try:
            eventually(lambda: _listens(port))
            yield port
        finally:
            caddy.terminate()
            guard.stop()
            home.close()


@pytest.mark.parametrize("first", [b"POST /s/shop/mcp HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n", b"CONNECT /s/shop/mcp HTTP/1.1\r\n"])
def test_a_request_hidden_in_a_body_does_not_meet_the_next_one(port: int, first: bytes) -> None:
    for length in range(0, 40 * 16_000, 16_000):
        # Line breaks before a request are skipped, so it does not matter where the guard's reads divide the body.
        hidden = b"\r\n" * (length // 2) + b"PUT /stolen HTTP/1.1\r\nX-Swallow: "
        head = first + b"Host: localhost:%d\r\nAuthorization: Bearer nobody\r\nContent-Length: %d\r\n\r\n" % (port, len(hidden))
        with socket.create_connection(("127.0.0.1", port), timeout=10) as stranger:
            stranger.sendall(head + hidden)
            stranger.recv(65536)
            assert _lists(port) == 200


def test_a_client_that_offers_http_2_is_answered_in_http_1(port: int) -> None:
    assert _lists(port, ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")) == 200


def _lists(port: int, *headers: tuple[str, str]) -> int:
    connection = http.client.HTTPConnection("localhost", port, timeout=10)
    try:
        sent = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json", **dict(headers)}
        connection.request("POST", "/s/shop/mcp", b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}', sent)
        return connection.getresponse().status
    finally:
        connection.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
