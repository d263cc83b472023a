"""An API behind an egress socket, whose path says how it behaves."""

import gzip
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128
    context: ssl.SSLContext | None = None
    seen: list[dict[str, Any]]
    opened: list[socket.socket]
    released: threading.Event
    arrived: threading.Semaphore

    def get_request(self) -> tuple[Any, Any]:
        connection, _ = super().get_request()
        self.opened.append(connection.dup())
        return connection, ("upstream", 0)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.context is None:
            return super().finish_request(request, client_address)
        with suppress(OSError), self.context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)
        return None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.server.seen.append({"method": self.command, "target": self.path, "headers": dict(self.headers), "body": body})
        behaviour = self.path.partition("?")[0].rsplit("/", 1)[-1]
        getattr(self, f"_{behaviour}", self._data)()

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name is given
        pass

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _data(self) -> None:
        self._answer(200, json.dumps({"target": self.path, "ok": True}).encode(), Content_Type="application/json")

    def _wait(self) -> None:
        self.server.arrived.release()
        self.server.released.wait(4 * PATIENCE)
        self._data()

    def _error(self) -> None:
        self._answer(500, b"boom", Content_Type="text/plain")

    def _elsewhere(self) -> None:
        self._answer(302, b"", Location="http://metadata.test/secret")

    def _html(self) -> None:
        self._answer(200, b"<html><body>Please sign in</body></html>", Content_Type="text/html")

    def _huge(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(200 * 1024 * 1024))
        self.end_headers()
        for _ in range(200):
            self.wfile.write(b"x" * 1024 * 1024)

    def _bomb(self) -> None:
        self._answer(200, gzip.compress(b"0" * 30_000_000), Content_Type="application/json", Content_Encoding="gzip")

    def _gzipped(self) -> None:
        self._answer(200, gzip.compress(b'{"ok":true}'), Content_Type="application/json", Content_Encoding="gzip")

    def _garbled(self) -> None:
        self._answer(200, b"this is not gzip", Content_Type="application/json", Content_Encoding="gzip")

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _half(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"{")
        self._cut()

    def _noise(self) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        self.close_connection = True

    def _fickle(self) -> None:
        """Answers, promises to keep the connection, and closes it."""
        self._data()
        self.wfile.flush()
        self._cut()


@contextmanager
def upstream(path: Path, *, context: ssl.SSLContext | None = None) -> Iterator[_Server]:
    """Serve at a Unix socket until the block ends. `seen` lists the requests; `/wait` answers once `released` is set."""
    server = _Server(str(path), _Handler)
    server.context, server.seen, server.opened = context, [], []
    server.released, server.arrived = threading.Event(), threading.Semaphore(0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join(10)
        for connection in server.opened:
            with suppress(OSError), connection:
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()
        path.unlink()
