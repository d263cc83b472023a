"""A gateway and upstream servers for a test, and certificates for them."""

import contextlib
import shutil
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bmm.servers import detached
from tests.unit.egress.gateways import Gateway, Upstream


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
