"""What `make fuzz` found, and the lines of the attack list it stands for: each with the least that shows it."""

import socket

import pytest

from tests.unit.runner.guarded import Client, token

BODY = b'{"jsonrpc":"2.0","id":"mine","method":"ping"}'
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


def stream(client: Client, *lines: bytes, body: bytes) -> bytes:
    """Everything that is answered to a request with these lines in its head and to an honest one right behind it."""
    head = b"POST /mcp HTTP/1.1\r\nHost: guard\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n" % token().encode()
    hidden = b'{"jsonrpc":"2.0","id":"hidden","method":"ping"}'
    second = head + b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(hidden), hidden)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(client.path))
        connection.sendall(head + b"\r\n".join([*lines, b"", body]) + second)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        # Found by the fuzzer: the last coding alone counted, and what was said to be packed was read as it is.
        pytest.param([b"Transfer-Encoding: gzip, chunked"], CHUNKED, id="a coding before chunked"),
        pytest.param([b"Transfer-Encoding: x", b"Transfer-Encoding: chunked"], CHUNKED, id="a coding in a line of its own"),
        # Attack list, 71: two readers, two ends of the body.
        pytest.param([b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(BODY)], CHUNKED, id="a coding and a length"),
        pytest.param([b"Content-Length: %d" % len(CHUNKED), b"Transfer-Encoding: chunked"], CHUNKED, id="a length and a coding"),
        pytest.param([b"Transfer-Encoding: chunked, identity"], CHUNKED, id="chunked is not the last"),
        pytest.param([b"Transfer-Encoding: xchunked"], CHUNKED, id="almost chunked"),
        pytest.param([b"Transfer-Encoding : chunked"], CHUNKED, id="a space before the colon"),
        pytest.param([b"Transfer-Encoding:\x0bchunked"], CHUNKED, id="white space that is none"),
        pytest.param([b"X: a", b" Transfer-Encoding: chunked"], CHUNKED, id="a folded line"),
        pytest.param([b"X: a\nTransfer-Encoding: chunked"], CHUNKED, id="a bare line feed"),
        pytest.param([b"X: a\rTransfer-Encoding: chunked"], CHUNKED, id="a bare carriage return"),
        pytest.param([b"Content-Length: %d" % len(BODY), b"Content-Length: 0"], BODY, id="two lengths"),
        pytest.param([b"Content-Length: %d, 0" % len(BODY)], BODY, id="two lengths in a line"),
        pytest.param([b"Content-Length: +%d" % len(BODY)], BODY, id="a length with a sign"),
        pytest.param([b"Content-Length: 0x2d"], BODY, id="a hexadecimal length"),
        pytest.param([b"Transfer-Encoding: chunked"], b"0x2d\r\n%b\r\n0\r\n\r\n" % BODY, id="a chunk size with a prefix"),
        pytest.param([b"Transfer-Encoding: chunked"], b"2d\n%b\r\n0\r\n\r\n" % BODY, id="a line feed after a chunk size"),
        pytest.param([b"Transfer-Encoding: chunked"], b"2d;a\nb\r\n%b\r\n0\r\n\r\n" % BODY, id="a line feed in a chunk extension"),
        pytest.param([b"Transfer-Encoding: chunked"], b"2d\r\n%bXX0\r\n\r\n" % BODY, id="no end of a chunk"),
        pytest.param([b"Transfer-Encoding: chunked"], b"1000000000000002d\r\n%b\r\n0\r\n\r\n" % BODY, id="a chunk size that overflows"),
    ],
)
def test_where_the_end_of_a_body_is_in_doubt_nothing_behind_it_is_read(client: Client, lines: list[bytes], body: bytes) -> None:
    received = stream(client, *lines, body=body)
    assert received.count(b"HTTP/1.1 ") == 1, received
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"hidden" not in received
    assert b"mine" not in received


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        pytest.param([b"Transfer-Encoding: Chunked"], CHUNKED, id="chunked in capitals"),
        pytest.param(
            [b"Transfer-Encoding: chunked"], b"2d;x=y\r\n%b\r\n0;z\r\nX: trailer\r\n\r\n" % BODY, id="chunk extensions and a trailer"
        ),
        pytest.param([b"Content-Length: %d" % len(BODY)], BODY, id="a length"),
    ],
)
def test_where_it_is_not_both_are_answered(client: Client, lines: list[bytes], body: bytes) -> None:
    received = stream(client, *lines, body=body)
    assert received.count(b"HTTP/1.1 200 ") == 2, received
    assert b'"mine"' in received
    assert b'"hidden"' in received


@pytest.mark.parametrize("name", [b"Authorization", b"MCP-Protocol-Version", b"Mcp-Method", b"Mcp-Name"])
def test_of_two_different_routing_headers_neither_counts(client: Client, name: bytes) -> None:
    body = (
        b'{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{"name":"get_item","arguments":{"id":1},"_meta":'
        b'{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}'
    )
    sound = [b"MCP-Protocol-Version: 2026-07-28", b"Mcp-Method: tools/call", b"Mcp-Name: get_item", b"Content-Length: %d" % len(body)]
    refused = stream(client, *sound, name + b": other", body=body)
    assert refused.startswith(b"HTTP/1.1 401 " if name == b"Authorization" else b"HTTP/1.1 400 "), refused
    assert b'"result"' not in refused.partition(b"hidden")[0].partition(b"\r\n\r\n")[2].partition(b"HTTP/1.1")[0]
    assert stream(client, *sound, body=body).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("trailer", "opens"),
    [
        (b"Origin: https://evil.test", True),
        (b"MCP-Protocol-Version: 2099-01-01", True),
        (b"Content-Type: text/plain", True),
        (b"Authorization: Bearer %b" % token().encode(), False),
    ],
)
def test_what_comes_in_a_trailer_is_no_header(client: Client, trailer: bytes, opens: bool) -> None:
    head = b"POST /mcp HTTP/1.1\r\nHost: guard\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(client.path))
        credentials = b"Authorization: Bearer %b\r\n" % token().encode() if opens else b""
        connection.sendall(head + credentials + b"\r\n%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(BODY), BODY, trailer))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200 " if opens else b"HTTP/1.1 401 "), received


@pytest.mark.parametrize("version", [b"0.9", b"1.0", b"2.0"])
def test_only_connections_of_http_1_1_are_kept(client: Client, version: bytes) -> None:
    # Found by the fuzzer: of other versions the parser reads `close` where it stands alone.
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(client.path))
        connection.sendall(b"POST /mcp HTTP/%b\r\nConnection: keep-alive, close\r\nContent-Length: 2\r\n\r\n{}" % version)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nconnection: close\r\n" in received
