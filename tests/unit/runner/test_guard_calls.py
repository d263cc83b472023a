"""What a model reads when a call goes well, and when it does not."""

import asyncio
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bmm.egress.refused import Reason, alert, response
from runner.contract import BearerCredential, Body, HttpTool, KeyCredential, SecretNeed
from tests.unit.runner.guarded import Client, GuardProcess, Home, ask, http_tool, modern_request, spec, token
from tests.unit.runner.upstream import upstream

OPEN = {"type": "object", "properties": {"x": {"type": "string"}}}
LONG = "w" * 30_000
BEHAVIOURS = ("error", "elsewhere", "html", "huge", "bomb", "gzipped", "garbled", "cut", "half", "noise", "fickle", "wait", "ok")


def to(name: str, **changes: Any) -> HttpTool:
    return http_tool(name.strip("/"), **({"path": name, "parameters": (), "input_schema": OPEN} | changes))


TOOLS = (
    http_tool(),
    *(to(f"/{name}") for name in BEHAVIOURS if name != "wait"),
    to("/wait", timeout=0.3),
    to("/post_cut", path="/cut", method="POST"),
    to("/post", method="POST", body=Body(media_type="application/json", fields={"x": "x"})),
    to("/keyed", auth=((KeyCredential(place="query", name="key", secret="KEY"),),)),
    to("/bearer", auth=((BearerCredential(secret="UNSET"),),)),
    to("/shaped", output_schema={"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}}),
    to("/misshaped", output_schema={"type": "object", "required": ["gone"]}),
    to("/safe", server="https://safe.test"),
    to("/unsafe", server="https://shop.test:8081"),
    to("/odd", input_schema={"type": "object", "properties": {"x": {"$ref": "http://127.0.0.1:9/schema"}}}),
    to("/wordy", input_schema={"type": "object", "required": [LONG], "properties": {"p": {"pattern": LONG}, "e": {"const": LONG}}}),
    to("/nested", input_schema={"type": "object", "properties": {"list": {"type": "array", "items": {"enum": ["a", "b"]}}}}),
)
KEY_VALUE = "s3cret-value-9"


@pytest.fixture(scope="module")
def served() -> Iterator[GuardProcess]:
    home = Home(spec(*TOOLS, secrets=(SecretNeed(key="KEY"), SecretNeed(key="UNSET"))))
    certificate = authority(home.folder)
    running = GuardProcess(home, secrets={"KEY": KEY_VALUE}, env={"SSL_CERT_FILE": str(certificate)})
    with upstream(home.egress(0)):
        yield running
    status, errors = running.stop(), running.errors.read_text().splitlines()
    home.close()
    assert status == 0
    assert all(line.startswith("error: the schema of tool odd cannot be used: ") for line in errors), errors


@pytest.fixture
def caller(served: GuardProcess) -> Client:
    return Client(served.home.socket)


def text(result: dict[str, Any]) -> str:
    assert [block["type"] for block in result["content"]] == ["text"]
    return str(result["content"][0]["text"])


def failure(client: Client, tool: str, arguments: dict[str, Any] | None = None) -> str:
    result = client.call(tool, arguments)
    assert result["isError"]
    assert "structuredContent" not in result
    assert "Traceback" not in text(result)
    return text(result)


def test_a_call_sends_the_declared_request_and_returns_its_answer(served: GuardProcess, caller: Client) -> None:
    result = caller.call("get_item", {"id": 5, "q": "a b&c=ü"})
    assert not result["isError"]
    assert result["structuredContent"] == {"target": "/items/5?q=a%20b%26c%3D%C3%BC", "ok": True}
    assert text(result) == '{"target":"/items/5?q=a%20b%26c%3D%C3%BC","ok":true}'
    assert served.home.calls()[-1] | {"id": "", "at": "", "ms": 0} == {
        "type": "call",
        "id": "",
        "at": "",
        "tool": "get_item",
        "ok": True,
        "ms": 0,
        "version": 3,
        "error": None,
        "subject": "usr_1",
        "client": "cli_1",
        "grant": "grt_1",
    }


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        pytest.param("get_item", {}, "`id` is missing; it is required", id="missing"),
        pytest.param("get_item", {"id": 0}, "`id`: 0 is less than the minimum of 1", id="too small"),
        pytest.param("get_item", {"id": "5"}, '`id`: "5" is not of type "integer"', id="wrong type"),
        pytest.param("get_item", {"id": 1, "color": 2}, "`color`: there is no such argument", id="unknown"),
        pytest.param("nested", {"list": ["a", "c"]}, '`list[1]`: "c" is not one of', id="inside a list"),
    ],
)
def test_arguments_that_do_not_fit_are_explained_to_the_model(caller: Client, tool: str, arguments: dict[str, Any], sentence: str) -> None:
    assert sentence in failure(caller, tool, arguments)


def test_all_problems_are_named_at_once_and_long_values_are_cut(caller: Client) -> None:
    said = failure(caller, "get_item", {"id": "x" * 1_000_000, "q": 5, "other": 1})
    assert len(said) < 2000
    assert all(part in said for part in ("`id`", "`q`", "`other`", 'is not of type "integer"'))


@pytest.mark.parametrize(("kind", "count", "status"), [("{}", 49_990, 200), ("{}", 50_001, 400), ('"aa"', 100_001, 400)])
def test_a_message_holds_at_most_a_hundred_thousand_values(caller: Client, kind: str, count: int, status: int) -> None:
    headers, body = modern_request("tools/call", {"name": "nested", "arguments": {"list": 0}})
    document = json.dumps(body).replace('"list": 0', f'"list": [{",".join([kind] * count)}]').encode()
    assert ask(caller.path, document, headers=caller.headers + headers).status == status


def test_a_text_may_have_commas_and_brackets_without_end(caller: Client) -> None:
    assert "ok" in caller.call("ok", {"x": ",[{" * 500_000})["structuredContent"]


def test_what_a_schema_says_at_length_is_cut(caller: Client) -> None:
    said = failure(caller, "wordy", {"p": "x", "e": "x"})
    assert said.count("\n- ") == 3
    assert len(said) < 1000


@pytest.mark.parametrize(("levels", "status"), [(61, 200), (62, 400), (400, 400)])
def test_a_message_has_at_most_64_levels(caller: Client, levels: int, status: int) -> None:
    deep: Any = "[{" * 100
    for _ in range(levels):
        deep = {"a": deep}
    answer = caller.modern("tools/call", {"name": "ok", "arguments": {"deep": deep, "side": [[]] * 100}})
    assert (answer.status, answer.json.get("error", {}).get("code")) == (status, None if status == 200 else -32600)


def test_a_schema_that_points_elsewhere_is_not_fetched(caller: Client) -> None:
    assert "schema" in failure(caller, "odd", {"x": "y"})


@pytest.mark.parametrize(
    ("tool", "code", "sentence"),
    [
        pytest.param("error", "upstream_failed", "500", id="500"),
        pytest.param("elsewhere", "upstream_redirect", "metadata.test", id="redirect"),
        pytest.param("html", "upstream_html", "Please sign in", id="a web page"),
        pytest.param("huge", "upstream_too_large", "10 MiB", id="200 MB"),
        pytest.param("bomb", "upstream_too_large", "10 MiB", id="a compressed bomb"),
        pytest.param("garbled", "upstream_garbled", "compression", id="broken compression"),
        pytest.param("cut", "upstream_closed", "without a complete answer", id="closed at once"),
        pytest.param("post_cut", "upstream_closed", "may have acted", id="closed at once after a POST"),
        pytest.param("half", "upstream_closed", "without a complete answer", id="half an answer"),
        pytest.param("noise", "upstream_closed", "without a complete answer", id="not HTTP"),
        pytest.param("wait", "upstream_timeout", "0.3 seconds", id="slow"),
        pytest.param("bearer", "secret_missing", "UNSET", id="a secret nobody set"),
        pytest.param("safe", "upstream_unreachable", "safe.test:443", id="nothing behind the entry"),
        pytest.param("unsafe", "upstream_unreachable", "TLS", id="TLS to a plain port"),
    ],
)
def test_an_upstream_that_fails_is_an_answer_a_model_can_act_on(served: GuardProcess, caller: Client, tool: str, code: str, sentence: str) -> None:
    assert sentence in failure(caller, tool)
    assert served.home.calls()[-1]["error"] == code


def test_a_compressed_answer_is_read(caller: Client) -> None:
    assert caller.call("gzipped")["structuredContent"] == {"ok": True}


def test_a_connection_the_upstream_drops_between_calls_costs_no_call(caller: Client) -> None:
    assert [caller.call("fickle")["isError"] for _ in range(10)] == [False] * 10


def test_a_post_is_never_sent_twice() -> None:
    home = Home(spec(to("/cut", method="POST"), to("/get", path="/cut")))
    running = GuardProcess(home)
    try:
        with upstream(home.egress(0)) as api:
            failure(Client(home.socket), "cut")
            assert len(api.seen) == 1
            failure(Client(home.socket), "get")
            assert len(api.seen) == 3
    finally:
        running.stop()
        home.close()


def test_an_output_that_keeps_its_promise_is_passed_on(caller: Client) -> None:
    assert caller.call("shaped")["structuredContent"]["ok"] is True


@pytest.mark.parametrize("tool", ["shaped", "misshaped"])
def test_what_an_api_answers_fits_the_schema_that_is_published_even_where_its_document_lies(caller: Client, tool: str) -> None:
    listed = {each["name"]: each for each in caller.modern("tools/list").json["result"]["tools"]}
    published = listed[tool]["outputSchema"]
    assert published["type"] == "object"
    declared = next(each.output_schema for each in TOOLS if each.name == tool)
    assert published["anyOf"][0] == declared
    for result in (caller.call(tool), caller.legacy("tools/call", {"name": tool, "arguments": {}}).json["result"]):
        assert not result["isError"]
        assert jsonschema_rs.is_valid(published, result["structuredContent"])
        assert json.loads(text(result)) == result["structuredContent"]


def test_the_official_client_takes_an_answer_that_breaks_the_documents_schema(served: GuardProcess) -> None:
    assert asyncio.run(official_call(served, "misshaped"))["ok"] is True


async def official_call(served: GuardProcess, tool: str) -> dict[str, Any]:
    import httpx2
    from mcp.client.session import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    transport = httpx2.AsyncHTTPTransport(uds=str(served.home.socket))
    async with (
        asyncio.timeout(20),
        httpx2.AsyncClient(transport=transport, headers={"Authorization": f"Bearer {token()}"}, timeout=90) as client,
        streamable_http_client("http://guard/mcp", http_client=client) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        await session.list_tools()
        result = await session.call_tool(tool, {})
        return dict(result.structured_content)


def test_secrets_are_sent_and_never_shown(served: GuardProcess, caller: Client) -> None:
    result = caller.call("keyed")
    assert result["structuredContent"]["target"] == "/keyed?key=[secret]"
    assert KEY_VALUE not in served.home.event_file.read_text()


def test_tls_is_checked_against_the_name_of_the_entry(served: GuardProcess, caller: Client) -> None:
    folder = served.home.folder
    for name, sentence in (("safe.test", None), ("other.test", "certificate is not accepted")):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(folder, name))
        with upstream(served.home.egress(1), context=context) as api:
            if sentence is None:
                assert not caller.call("safe")["isError"]
                assert api.seen[0]["headers"]["Host"] == "safe.test"
            else:
                assert sentence in failure(caller, "safe")
                assert api.seen == []


class Refuser(socketserver.ThreadingUnixStreamServer):
    """Answers the first bytes of every connection with the same refusal, as the gateway does."""

    daemon_threads = True
    _said = b""

    def says(self, document: bytes) -> None:
        self._said = document

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.recv(65536)
        request.sendall(self._said)
        request.shutdown(socket.SHUT_WR)
        request.recv(65536)


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize(("tool", "index"), [("ok", 0), ("safe", 1)])
def test_a_refusal_of_the_egress_gateway_is_explained(caller_of_refused: tuple[Client, Refuser], reason: Reason, tool: str, index: int) -> None:
    caller, refuser = caller_of_refused
    refuser.says(alert(reason) if index else response(reason))
    said = failure(caller, tool)
    final = reason in (Reason.FORBIDDEN_ADDRESS, Reason.WRONG_NAME, Reason.NOT_ALLOWED)
    assert ("Repeating the call does not help" in said) is final
    assert ("Try again later" in said) is not final
    assert caller.call(tool)["content"][0]["text"] == said


@pytest.fixture(scope="module")
def caller_of_refused() -> Iterator[tuple[Client, Refuser]]:
    home = Home(spec(to("/ok"), to("/safe", server="https://safe.test")))
    running = GuardProcess(home)
    home.egress(1).symlink_to(home.egress(0))
    with Refuser(str(home.egress(0)), socketserver.BaseRequestHandler) as refuser:
        thread = threading.Thread(target=refuser.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Client(home.socket), refuser
        refuser.shutdown()
        thread.join(10)
    running.stop()
    home.close()


def test_a_destination_outside_the_manifest_is_denied(start: Callable[..., GuardProcess]) -> None:
    home = Home(spec(), entries=())
    start(home)
    assert "not allowed to reach shop.test:8081" in failure(Client(home.socket), "get_item", {"id": 1})


_AUTHORITY_KEY = ec.generate_private_key(ec.SECP256R1())


def authority(folder: Path) -> Path:
    built = _certificate("Test CA", _AUTHORITY_KEY.public_key(), x509.BasicConstraints(ca=True, path_length=None))
    path = folder / "ca.pem"
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    return path


def certificate(folder: Path, name: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    built = _certificate(name, key.public_key(), x509.SubjectAlternativeName([x509.DNSName(name)]))
    path = folder / f"{name}.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return path


def _certificate(name: str, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension, critical=True)
        .sign(_AUTHORITY_KEY, hashes.SHA256())
    )
