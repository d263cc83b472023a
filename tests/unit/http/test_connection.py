"""The connections of the public socket, which Caddy shares among strangers."""

import asyncio
import socket
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from bmm.http import connection
from bmm.http.connection import PublicConnection

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"


async def answers(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "web.sock"))
        listening.listen(16)
        server = uvicorn.Server(uvicorn.Config(answers, http=PublicConnection, lifespan="off", log_config=None, ws="none"))
        thread = threading.Thread(target=asyncio.run, args=(server.serve([listening]),))
        thread.start()
        yield tmp_path / "web.sock"
        server.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive()


def dial(path: Path) -> socket.socket:
    connected = socket.socket(socket.AF_UNIX)
    connected.settimeout(10)
    connected.connect(str(path))
    return connected


def test_a_connection_is_kept_from_request_to_request(path: Path) -> None:
    with dial(path) as client:
        for _ in range(2):
            client.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("head", [HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"CONNECT / HTTP/1.1\r\nHost: a\r\n"])
def test_the_body_of_a_request_for_another_protocol_is_never_read_as_the_next_request(path: Path, head: bytes) -> None:
    with dial(path) as client:
        client.sendall(head + b"Content-Length: 40\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 400 ")
        assert client.recv(65536) == b""


@pytest.mark.parametrize("sent", [b"POST / HT", HEAD, HEAD + b"Content-Length: 10\r\n\r\n", HEAD + b"Content-Length: 10\r\n\r\n12345"])
def test_a_request_that_does_not_arrive_in_time_ends_its_connection(path: Path, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.3)
    with dial(path) as client, suppress(BrokenPipeError, ConnectionResetError):  # as soon as it has dialled, its time runs
        client.sendall(sent)
        assert client.recv(65536) == b""
