"""Client certificates on real TLS: who is shown where, that no connection serves two of them, and what is said of those that cannot be used."""

import asyncio
import ssl
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from runner.contract import BearerCredential, CertificateCredential, Entry, HttpTool
from runner.tools.connection import Connection, Cut
from runner.tools.fetch import fetched
from runner.tools.http import HttpRunner, Upstreams, trusted
from runner.tools.identity import UnusableIdentity, presenting
from runner.tools.outgoing import Outgoing
from runner.tools.result import ToolAnswer
from tests.mutual_server import asking, mutual_server
from tests.real.authority import Authority
from tests.unit.runner.guarded import http_tool
from tests.waiting import PATIENCE

SAFE = Entry(index=1, name="safe.test", port=443)
ANN = CertificateCredential(certificate="ANN_CERTIFICATE", key="ANN_KEY")
BOB = CertificateCredential(certificate="BOB_BOTH")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def secrets(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Ann has two files, Bob has one; Eve's certificate is from an authority nobody knows."""
    folder = tmp_path_factory.mktemp("people")
    ann, bob, eve = (
        [path.read_text() for path in issuer.issue(folder, name)] for name, issuer in (("ann", authority), ("bob", authority), ("eve", Authority("Elsewhere")))
    )
    return {"ANN_CERTIFICATE": ann[0], "ANN_KEY": ann[1], "BOB_BOTH": bob[1] + bob[0], "EVE_BOTH": eve[0] + eve[1], "TOKEN": "t-0123"}


def tool(*auth: Any, **changes: Any) -> HttpTool:
    return http_tool(server="https://safe.test", auth=(auth,) if auth else (), **changes)


def run(authority: Authority, monkeypatch: pytest.MonkeyPatch, go: Any, **how: Any) -> tuple[Any, list[dict[str, Any]]]:
    """What `go(upstreams)` gives in front of a host that asks for certificates, and the requests it got."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "trust.pem").write_text(authority.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / "trust.pem"))

        async def within() -> Any:
            upstreams = Upstreams((SAFE,), egress=folder)
            try:
                return await go(upstreams)
            finally:
                await upstreams.close()

        with mutual_server(asking(folder, authority, "safe.test", **how), folder / "1.sock") as host:
            return asyncio.run(within()), host.seen


def test_each_tool_is_who_its_certificate_says_and_connections_are_never_shared(
    authority: Authority, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go(upstreams: Upstreams) -> list[ToolAnswer]:
        runners = [HttpRunner(tool(*auth), upstreams, secrets) for auth in ((ANN,), (BOB,), (BearerCredential(secret="TOKEN"), ANN), ())]
        order = [0, 1, 0, 3, 2, 1, 3, 0]
        one_by_one = [await runners[number].run({"id": 1}) for number in order]
        return [*one_by_one, *await asyncio.gather(*(runners[number].run({"id": 1}) for number in order))]

    answers, seen = run(authority, monkeypatch, go, required=False)
    names = ["ann", "bob", "ann", None, "ann", "bob", None, "ann"]
    assert [each.structured["peer"] for each in answers] == names * 2
    by_connection: dict[int, set[str | None]] = {}
    for each in seen:
        by_connection.setdefault(each["connection"], set()).add(each["peer"])
    assert all(len(peers) == 1 for peers in by_connection.values())
    assert {each["headers"].get("Authorization") for each in seen if each["peer"] == "ann"} == {None, "Bearer t-0123"}


def test_a_host_that_asks_behind_the_handshake_is_answered(authority: Authority, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def go(upstreams: Upstreams) -> ToolAnswer:
        return await HttpRunner(tool(ANN), upstreams, secrets).run({"id": 1})

    answer, _ = run(authority, monkeypatch, go, late=True)
    assert answer.structured == {"peer": "ann"}


def test_what_a_model_or_code_asks_for_shows_no_certificate(authority: Authority, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def go(upstreams: Upstreams) -> None:
        await HttpRunner(tool(ANN), upstreams, secrets).run({"id": 1})
        await Outgoing(upstreams).send("GET", "https://safe.test/x", (), None)
        await fetched(["https://safe.test/file"], upstreams.allowed)

    _, seen = run(authority, monkeypatch, go, required=False)
    assert [each["peer"] for each in seen] == ["ann", None, None]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_host_that_refuses_the_certificate_says_so(
    authority: Authority, secrets: dict[str, str], monkeypatch: pytest.MonkeyPatch, version: ssl.TLSVersion, method: str
) -> None:
    eve = CertificateCredential(certificate="EVE_BOTH")

    async def go(upstreams: Upstreams) -> list[ToolAnswer]:
        return [await HttpRunner(tool(*auth, method=method), upstreams, secrets).run({"id": 1}) for auth in ((eve,), ())]

    (unknown, nobody), seen = run(authority, monkeypatch, go, newest=version)
    assert (unknown.error_code, nobody.error_code) == ("upstream_unauthorized", "upstream_unauthorized")
    assert "from an authority that it does not know" in unknown.words
    assert "check its secret EVE_BOTH" in unknown.words
    assert "wants a client certificate" in nobody.words
    assert "add a client certificate to this tool" in nobody.words
    assert seen == []


class Watched(Connection):
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.over.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.over = asyncio.Event()


def test_a_refusal_that_comes_before_the_request_is_written_is_not_lost(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    async def go(upstreams: Upstreams) -> BaseException | None:
        way = upstreams.way("safe.test", 443)
        _, connection = await asyncio.get_running_loop().create_unix_connection(Watched, way, ssl=trusted(), server_hostname="safe.test")
        await asyncio.wait_for(connection.over.wait(), PATIENCE)
        with pytest.raises(Cut) as cut:
            await connection.exchange(b"GET / HTTP/1.1\r\n\r\n")
        return cut.value.__cause__

    cause, _ = run(authority, monkeypatch, go, newest=ssl.TLSVersion.TLSv1_3)
    assert isinstance(cause, ssl.SSLError)
    assert cause.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


def test_in_a_trial_nothing_of_a_certificate_is_read() -> None:
    recorded = msgspec.structs.replace(SAFE, recorded=True)
    upstreams = Upstreams((recorded,), egress=Path("/nowhere"))
    HttpRunner(tool(ANN), upstreams, {"ANN_CERTIFICATE": "trial-ANN_CERTIFICATE", "ANN_KEY": "trial-ANN_KEY"})
    assert upstreams.warm() == []


def test_a_certificate_that_cannot_be_used_is_told_at_the_start_and_with_each_call(secrets: dict[str, str]) -> None:
    broken = secrets | {"ANN_KEY": "s3cr3t-but-no-key"}

    async def go() -> tuple[list[str], ToolAnswer]:
        upstreams = Upstreams((SAFE,), egress=Path("/nowhere"))
        runner = HttpRunner(tool(ANN), upstreams, broken)
        return await asyncio.to_thread(upstreams.warm), await runner.run({"id": 1})

    problems, answer = asyncio.run(go())
    assert problems == [answer.text]
    assert answer.error_code == "secret_unusable"
    assert "ANN_KEY holds no private key" in answer.words
    assert "s3cr3t" not in answer.words


def key_pem(key: Any, how: Any = PrivateFormat.PKCS8, lock: Any = None) -> str:
    text = key.private_bytes(Encoding.PEM, how, lock or NoEncryption())
    assert isinstance(text, bytes)
    return text.decode()


OTHER = ec.generate_private_key(ec.SECP256R1())
LOCKED = BestAvailableEncryption(b"open")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ANN_CERTIFICATE": "s3cr3t"}, "ANN_CERTIFICATE holds no certificate in PEM form"),
        ({"ANN_CERTIFICATE": "-----BEGIN CERTIFICATE-----\ns3cr3t\n"}, "ANN_CERTIFICATE holds no certificate in PEM form"),
        ({"ANN_CERTIFICATE": "-----BEGIN CERTIFICATE-----\ns3cr3t\n-----END CERTIFICATE-----"}, "ANN_CERTIFICATE or ANN_KEY holds a certificate or a key that"),
        ({"ANN_KEY": "-----BEGIN PRIVATE KEY-----\ns3cr3t\n-----END PRIVATE KEY-----\n"}, "ANN_CERTIFICATE or ANN_KEY holds a certificate or a key that"),
        ({"ANN_KEY": "-----BEGIN " * 3000}, "ANN_KEY holds no private key"),
        ({"ANN_KEY": key_pem(OTHER)}, "ANN_KEY holds a private key that does not belong to the first certificate in ANN_CERTIFICATE"),
        ({"ANN_KEY": key_pem(rsa.generate_private_key(65537, 2048))}, "ANN_KEY holds a private key that does not belong"),
        ({"ANN_KEY": key_pem(OTHER, lock=LOCKED)}, "ANN_KEY holds a private key that is encrypted"),
        ({"ANN_KEY": key_pem(OTHER, PrivateFormat.TraditionalOpenSSL, LOCKED)}, "ANN_KEY holds a private key that is encrypted"),
    ],
)
def test_what_cannot_be_shown_is_named_and_not_told(secrets: dict[str, str], changes: dict[str, str], words: str) -> None:
    with pytest.raises(UnusableIdentity) as refused:
        presenting(ANN, secrets | changes, trusted)
    assert refused.value.message.startswith(f"The secret {words}")
    assert "s3cr3t" not in str(refused.value)


def test_forms_in_which_people_keep_their_keys(secrets: dict[str, str]) -> None:
    together = f"Bag Attributes\n  friendlyName: ann\n{secrets['ANN_CERTIFICATE']}{secrets['ANN_KEY']}"
    old = subprocess.run(("openssl", "ec"), input=secrets["ANN_KEY"].encode(), capture_output=True, check=True).stdout.decode()
    forms = [
        {"ANN_CERTIFICATE": together, "ANN_KEY": together},
        {"ANN_CERTIFICATE": secrets["ANN_CERTIFICATE"].replace("\n", "\r\n"), "ANN_KEY": secrets["ANN_KEY"].replace("\n", "\\n")},
        {"ANN_KEY": old},
    ]
    for form in forms:
        presenting(ANN, secrets | form, trusted)
