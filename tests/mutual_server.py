"""An API over TLS that tells apart who its clients are by their certificates."""

import json
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.real.authority import Authority


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.context.post_handshake_auth and not self.connection.getpeercert():
            self._ask()
        shown = self.connection.getpeercert() or {}
        peer = next((value for part in shown.get("subject", ()) for name, value in part if name == "commonName"), None)
        self.server.seen.append({"peer": peer, "connection": id(self), "headers": dict(self.headers)})
        content = json.dumps({"peer": peer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _ask(self) -> None:
        self.connection.verify_client_post_handshake()
        # The question goes out with what is written next, and the answer is read like data, of which there is none.
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.connection.setblocking(False)
        while not self.connection.getpeercert():
            select.select([self.connection], [], [])
            with suppress(ssl.SSLWantReadError):
                if not self.connection.recv(1):
                    break
        self.connection.setblocking(True)

    do_POST = do_PUT = do_DELETE = do_GET

    def address_string(self) -> str:
        return "client"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name is given
        pass


class _Serving(socketserver.ThreadingMixIn):
    daemon_threads = True
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        secured = self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        try:
            secured.do_handshake()
        except ssl.SSLError:
            # A close before everything is read would reset the connection, and the alert might never be seen.
            with suppress(OSError), socket.socket(fileno=secured.detach()) as plain:
                while plain.recv(4096):
                    pass
            return
        with suppress(OSError), secured:
            _Handler(secured, client_address, self)  # type: ignore[arg-type]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class _Tcp(_Serving, socketserver.TCPServer):
    allow_reuse_address = True


class _Unix(_Serving, socketserver.UnixStreamServer):
    request_queue_size = 64


def asking(
    folder: Path,
    authority: Authority,
    host: str,
    *,
    required: bool = True,
    late: bool = False,
    newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
) -> ssl.SSLContext:
    """A server's context that asks for certificates of the authority it has its own from; `late`: once it has a request (TLS 1.3)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(folder, host))
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=authority.pem)
    context.maximum_version = newest
    context.post_handshake_auth = late
    return context


@contextmanager
def mutual_server(context: ssl.SSLContext, path: Path | None = None) -> Iterator[Any]:
    """Serve on a Unix socket, or on a port of loopback (`server_address`). `seen` lists the requests with the name of who made them."""
    server: Any = _Unix(str(path), _Handler) if path else _Tcp(("127.0.0.1", 0), _Handler)
    server.context, server.seen = context, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
