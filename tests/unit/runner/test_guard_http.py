"""The HTTP around the messages: paths, methods, origins, sizes and the private socket."""

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from runner.contract import Parameter
from tests.unit.runner.guarded import Answer, Client, GuardProcess, Home, UnixHTTP, ask, http_tool, modern_request, spec, token
from tests.unit.runner.upstream import upstream
from tests.waiting import PATIENCE


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"])
def test_only_post_is_allowed(client: Client, method: str) -> None:
    answer = ask(client.path, method=method, headers=client.headers)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("target", ["/", "/mcp/", "/health", "/other", "/%6dcp/", "//mcp"])
def test_other_paths_do_not_exist(client: Client, target: str) -> None:
    assert ask(client.path, {}, target=target, headers=client.headers).status == 404


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "https://app.test.evil.test", "http://app.test", "https://app.test, https://evil.test"])
def test_a_foreign_origin_is_refused_before_the_token(client: Client, origin: str) -> None:
    answer = ask(client.path, {}, headers=[*client.headers, ("Origin", origin)])
    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers


def test_a_listed_origin_is_answered_by_name(client: Client) -> None:
    headers, body = modern_request("tools/list")
    answer = ask(client.path, body, headers=[*client.headers, *headers, ("Origin", "https://app.test")])
    assert (answer.status, answer.headers["access-control-allow-origin"], answer.headers["vary"]) == (200, "https://app.test", "origin")
    assert ask(client.path, body, headers=[("Origin", "https://app.test")]).headers["access-control-expose-headers"].startswith("www-auth")


@pytest.mark.parametrize(("kind", "status"), [("application/json; charset=utf-8", 200), ("Application/JSON", 200), ("text/plain", 415)])
def test_a_body_must_say_it_is_json(client: Client, kind: str, status: int) -> None:
    headers, body = modern_request("tools/list")
    connection = UnixHTTP(client.path)
    try:
        connection.request("POST", "/mcp", json.dumps(body), dict([*client.headers, *headers, ("Content-Type", kind)]))
        assert connection.getresponse().status == status
    finally:
        connection.close()


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/event-stream", "text/html"])
def test_what_a_client_accepts_does_not_matter(client: Client, accept: str) -> None:
    headers, body = modern_request("tools/list")
    assert ask(client.path, body, headers=[*client.headers, *headers, ("Accept", accept)]).status == 200


@pytest.mark.parametrize(("size", "status"), [(4 * 1024**2, 200), (4 * 1024**2 + 1, 413), (20 * 1024**2, 413)])
def test_a_body_of_more_than_four_megabytes_is_refused(client: Client, size: int, status: int) -> None:
    headers, body = modern_request("tools/list")
    document = json.dumps(body).encode()
    assert ask(client.path, document + b" " * (size - len(document)), headers=client.headers + headers).status == status


def test_a_body_that_announces_gigabytes_is_refused_at_once(client: Client) -> None:
    answer = _raw(client, "Content-Length: 99999999999\r\n", b"")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_request_that_has_its_answer_gets_no_second_one(client: Client, method: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(client.path))
        token_line = "".join(f"{name}: {value}\r\n" for name, value in client.headers)
        connection.sendall(f"{method} /mcp HTTP/1.1\r\nHost: guard\r\n{token_line}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n".encode())
        received = connection.recv(65536)
        connection.sendall(b"no chunk\r\n")
        while more := connection.recv(65536):
            received += more
    assert received.startswith(b"HTTP/1.1 405 ")
    assert received.count(b"HTTP/1.1 ") == 1


def test_a_chunked_body_is_read(client: Client) -> None:
    headers, body = modern_request("tools/list")
    document = json.dumps(body).encode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    chunks = b"5\r\n" + document[:5] + b"\r\n" + b"%x\r\n" % len(document[5:]) + document[5:] + b"\r\n0\r\n\r\n"
    assert _raw(client, lines + "Transfer-Encoding: chunked\r\nConnection: close\r\n", chunks).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", id="a version nobody speaks"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", id="a TLS hello"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"POST /mcp HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="two lengths"),
        pytest.param(b"POST /mcp HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", id="two content lengths"),
        pytest.param(b"POST /mcp HTTP/1.1\r\nContent-Length: -5\r\n\r\nhello", id="a negative length"),
        pytest.param(b"POST /mcp HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", id="a long header"),
        pytest.param(b"POST /mcp HTTP/1.1\r\n" + b"A: b\r\n" * 40_000 + b"\r\n", id="many headers"),
        pytest.param(b"POST /" + b"a" * 200_000 + b" HTTP/1.1\r\n", id="a long path"),
        pytest.param("POST /ü HTTP/1.1\r\n\r\n".encode(), id="a path that is not ASCII"),
    ],
)
def test_what_is_not_a_request_is_400_and_the_end_of_the_connection(client: Client, document: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(client.path))
        try:
            connection.sendall(document)
            received = _all(connection)
        except (BrokenPipeError, ConnectionResetError):
            received = b""  # closed while it was still being sent
    assert received == b"" or received.startswith(b"HTTP/1.1 400 ")
    assert client.modern("tools/list").status == 200


@pytest.mark.parametrize("head", [b"POST /mcp HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n", b"CONNECT /mcp HTTP/1.1\r\nHost: a\r\n"])
def test_the_body_of_a_request_for_another_protocol_is_never_read_as_the_next_request(client: Client, head: bytes) -> None:
    inner = b"PUT /stolen HTTP/1.1\r\nHost: a\r\nX-Swallow: "
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(client.path))
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(inner))
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert connection.recv(65536) == b""


def test_requests_sent_at_once_are_answered_in_order(client: Client) -> None:
    requests = b"".join(_request(client, request_id) for request_id in range(5))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(client.path))
        connection.sendall(requests + _request(client, 5, "Connection: close\r\n"))
        received = _all(connection)
    assert [received.count(b'"id":%d,' % request_id) for request_id in range(6)] == [1] * 6


def test_the_private_socket_needs_no_token_counts_nothing_and_tells_how_it_is(guard: GuardProcess) -> None:
    before = len(guard.home.calls())
    client = Client(guard.private, anonymous=True)
    assert client.modern("server/discover").status == 200
    assert client.legacy("initialize", {"protocolVersion": "2025-11-25"}).status == 200
    with upstream(guard.home.egress(0)):
        assert not client.call("admin_tool", {"id": 1})["isError"]
    assert client.call("get_item", {"id": "x"})["isError"]
    assert len(guard.home.calls()) == before
    health = ask(guard.private, method="GET", target="/health").json
    assert set(health.pop("tokens")) == {"all", "search"}
    assert health == {
        "status": "ok",
        "server_id": "srv_1",
        "slug": "shop",
        "version": 3,
        "bundle": "b" * 64,
        "tools": 2,
        "tool_list": "all",
        "running": 0,
        "events_waiting": 0,
    }
    assert ask(guard.private, method="GET").status == 405
    assert ask(guard.private, {}, target="/other").status == 404


def test_more_than_64_calls_at_once_are_told_to_come_back(start: Callable[..., GuardProcess]) -> None:
    home = Home(spec(http_tool(path="/wait", parameters=(Parameter(name="id", place="query", argument="id"),))))
    start(home)
    client = Client(home.socket, bearer=token(gid="grt_last", sub="usr_last"))
    grants = [Client(home.socket, bearer=token(gid=f"grt_{number}", sub=f"usr_{number % 2}")) for number in range(4)]
    with upstream(home.egress(0)) as api, ThreadPoolExecutor(64) as pool:
        waiting = [pool.submit(grants[n % 4].modern, "tools/call", {"name": "get_item", "arguments": {"id": 1}}) for n in range(64)]
        for _ in range(64):
            assert api.arrived.acquire(timeout=PATIENCE)
        refused = client.modern("tools/call", {"name": "get_item", "arguments": {"id": 1}})
        api.released.set()
        answers: list[Answer] = [each.result(PATIENCE) for each in waiting]
    assert (refused.status, refused.headers["retry-after"], refused.json["error"]["code"]) == (503, "1", -32603)
    assert [answer.json["result"]["isError"] for answer in answers] == [False] * 64
    assert sorted(str(call["error"]) for call in home.calls()) == ["None"] * 64 + ["busy"]


def _request(client: Client, request_id: int, more: str = "") -> bytes:
    headers, body = modern_request("tools/list")
    document = json.dumps(body | {"id": request_id})
    lines = "".join(f"{name}: {value}\r\n" for name, value in [*client.headers, *headers])
    return f"POST /mcp HTTP/1.1\r\nHost: guard\r\n{lines}{more}Content-Length: {len(document)}\r\n\r\n{document}".encode()


def _raw(client: Client, lines: str, body: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(client.path))
        connection.sendall(f"POST /mcp HTTP/1.1\r\nHost: guard\r\nAuthorization: Bearer {token()}\r\n{lines}\r\n".encode() + body)
        return _all(connection)


def _all(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received
