"""A real gateway process in a folder with a short name, real upstream servers on loopback, and a client as a container would be one."""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import socketserver
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bmm.egress.control import EgressControl
from bmm.egress.rules import EgressEntry, EgressRules, remove_rules, write_rules
from bmm.servers import detached


class Gateway:
    """The process under test and what a test does with it."""

    def __init__(self, folder: Path) -> None:
        self.run, self.data, self.log_file = folder / "run", folder / "data", folder / "log"
        self.program = detached.egress(run=self.run, data=self.data, log=self.log_file)
        self.control = EgressControl(self.run)
        self.pid = 0

    def start(self) -> None:
        self.pid = detached.ensure(self.program, run=self.run)

    def kill(self) -> None:
        descriptor = os.pidfd_open(self.pid)
        os.kill(self.pid, signal.SIGKILL)
        assert select.select([descriptor], [], [], 5)[0]
        os.close(descriptor)

    def allow(self, *entries: EgressEntry, key: str = "srv_1", **limits: float) -> None:
        write_rules(self.data, EgressRules(server_id=key, entries=entries, **limits))  # type: ignore[arg-type]
        assert self.control.reload().wrong == {}

    def forbid(self, key: str = "srv_1") -> None:
        remove_rules(self.data, key)

    def dial(self, index: int = 0, *, key: str = "srv_1") -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(15)
        try:
            client.connect(str(self.run / "out" / key / f"{index}.sock"))
        except OSError:
            client.close()
            raise
        return client

    def log(self, event: str) -> list[dict[str, Any]]:
        lines = [line for line in self.log_file.read_text().splitlines() if line.startswith("{")]
        return [line for line in map(json.loads, lines) if line["event"] == event]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    folder = Path(tempfile.mkdtemp(prefix="bmm-"))
    one = Gateway(folder)
    try:
        one.start()
        yield one
        output = one.log_file.read_text()
        assert "Traceback" not in output, output
    finally:
        detached.end(one.program, run=one.run)
        shutil.rmtree(folder)


class Upstream:
    """A server on loopback whose conversation is a function of the connection."""

    def __init__(self, talk: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.settimeout(15)
                with contextlib.suppress(OSError):
                    if context is None:
                        talk(self.request)
                        return
                    with context.wrap_socket(self.request, server_side=True) as tls:
                        talk(tls)

        class Server(socketserver.ThreadingTCPServer):
            request_queue_size = 256
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def upstream() -> Iterator[Callable[..., Upstream]]:
    with contextlib.ExitStack() as stack:

        def start(talk: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Upstream:
            one = Upstream(talk, context)
            stack.callback(one.close)
            return one

        yield start


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for shop.test, with its key in the same file, and the file that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.test"), x509.DNSName("other.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tls")
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "both.pem").write_bytes(private + public)
    (folder / "trust.pem").write_bytes(public)
    return folder / "both.pem", folder / "trust.pem"


@pytest.fixture
def server_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[0])
    return context


@pytest.fixture
def client_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[1]))
