"""The gateway as a process: what gets through, what does not and how the client learns it, limits, changes and crashes."""

import contextlib
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest

from bmm.egress.rules import EgressEntry, EgressRules, write_rules
from tests.unit.egress.gateways import Gateway, Upstream
from tests.waiting import at_best, eventually, well_before_midnight

Start = Callable[..., Upstream]


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def http_ok(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


def read_all(client: socket.socket) -> bytes:
    with client:
        received = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while data := client.recv(65536):
                received += data
        return bytes(received)


def read_some(client: socket.socket) -> bytes:
    try:
        return client.recv(65536)
    except ConnectionResetError:
        return b""


def request(host: str) -> bytes:
    return f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


def shop(port: int, *, plain: bool = False, address: str | None = "127.0.0.1", index: int = 0, name: str = "shop.test") -> EgressEntry:
    return EgressEntry(index=index, name=name, port=port, plain=plain, address=address)


def handshake_refusal(gateway: Gateway, context: ssl.SSLContext, name: str | None, index: int = 0) -> str | None:
    with pytest.raises(ssl.SSLError) as refused, gateway.dial(index) as client:
        context.wrap_socket(client, server_hostname=name)
    return refused.value.reason


def test_a_plain_request_reaches_the_host_the_operator_made_an_exception_for(gateway: Gateway, upstream: Start) -> None:
    port = upstream(http_ok).port
    gateway.allow(shop(port, plain=True))
    for host in (f"shop.test:{port}", "SHOP.test"):
        with gateway.dial() as client:
            client.sendall(request(host))
            assert read_all(client).endswith(b"\r\n\r\nok")
    eventually(lambda: len(gateway.log("close")) == 2)
    opened, closed = gateway.log("open")[0], gateway.log("close")[0]
    assert (opened["server"], opened["entry"], opened["address"]) == ("srv_1", f"shop.test:{port}", "127.0.0.1")
    assert (closed["up"], closed["down"], closed["why"]) == (len(request(f"shop.test:{port}")), 59, "closed")
    usage = gateway.control.status().servers["srv_1"]
    assert (usage.open, usage.refused) == (0, 0)


def test_tls_goes_through_end_to_end(gateway: Gateway, upstream: Start, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    gateway.allow(shop(upstream(echo, server_tls).port))
    piece = bytes(range(256)) * 128
    with gateway.dial() as client, client_tls.wrap_socket(client, server_hostname="shop.test") as tls:
        for _ in range(150):
            tls.sendall(piece)
            received = bytearray()
            while len(received) < len(piece):
                received += tls.recv(65536)
            assert received == piece


def test_megabytes_go_both_ways_at_once(gateway: Gateway, upstream: Start) -> None:
    gateway.allow(shop(upstream(echo).port, plain=True))
    sent = bytes(range(256)) * 20_000
    with open_tunnel(gateway) as client:
        writer = threading.Thread(target=client.sendall, args=(sent,))
        writer.start()
        received = bytearray()
        while len(received) < len(sent):
            received += client.recv(65536)
        writer.join()
    assert received == sent


@pytest.mark.parametrize("name", ["other.test", "evil.shop.test", "shop.test.evil", None])
def test_a_hello_for_another_name_or_none_is_refused(
    name: str | None, gateway: Gateway, upstream: Start, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    gateway.allow(shop(upstream(echo, server_tls).port))
    client_tls.check_hostname = False
    assert handshake_refusal(gateway, client_tls, name) == "TLSV1_UNRECOGNIZED_NAME"
    assert gateway.log("refused")[0]["reason"] == "wrong_name"
    assert gateway.log("open") == []


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n", b"SSH-2.0-x\r\n", bytes(100)])
def test_what_is_not_tls_is_refused_where_tls_is_required(first: bytes, gateway: Gateway, upstream: Start) -> None:
    gateway.allow(shop(upstream(echo).port))
    with gateway.dial() as client:
        client.sendall(first)
        assert b"X-Bmm-Egress: not_allowed\r\n" in read_all(client)
    assert gateway.log("open") == []


@pytest.mark.parametrize(("host", "reason"), [("evil.test", "wrong_name"), ("shop.test:1", "wrong_name"), ("shop.test.", "wrong_name")])
def test_a_plain_request_for_another_host_is_refused(host: str, reason: str, gateway: Gateway, upstream: Start) -> None:
    gateway.allow(shop(upstream(http_ok).port, plain=True))
    with gateway.dial() as client:
        client.sendall(request(host))
        assert f"X-Bmm-Egress: {reason}\r\n".encode() in read_all(client)


def test_without_an_exception_a_name_that_leads_to_this_machine_is_refused(
    gateway: Gateway, upstream: Start, client_tls: ssl.SSLContext
) -> None:
    port = upstream(http_ok).port
    gateway.allow(
        shop(port, plain=True, address=None, name="localhost"), shop(port, address=None, index=1, name="localhost"),
        shop(port, plain=True, index=2, name="localhost"),
    )  # fmt: skip
    with gateway.dial() as client:
        client.sendall(request("localhost"))
        assert read_all(client).startswith(b"HTTP/1.1 403 Forbidden\r\nX-Bmm-Egress: forbidden_address\r\n")
    assert handshake_refusal(gateway, client_tls, "localhost", 1) == "TLSV1_ALERT_ACCESS_DENIED"
    with gateway.dial(2) as client:
        client.sendall(request("localhost"))
        assert read_all(client).endswith(b"ok")


def test_a_host_that_does_not_exist_or_does_not_accept_is_told_apart(gateway: Gateway, client_tls: ssl.SSLContext) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        gateway.allow(
            shop(443, plain=True, address=None, name="nothing.invalid"), shop(443, address=None, index=1, name="nothing.invalid"),
            shop(port, plain=True, index=2), shop(port, index=3),
        )  # fmt: skip
        for index, host, reason in ((0, "nothing.invalid", "unresolvable"), (2, "shop.test", "unreachable")):
            with gateway.dial(index) as client:
                client.sendall(request(host))
                assert f"HTTP/1.1 502 Bad Gateway\r\nX-Bmm-Egress: {reason}\r\n".encode() in read_all(client)
        assert handshake_refusal(gateway, client_tls, "nothing.invalid", 1) == "TLSV1_CERTIFICATE_UNOBTAINABLE"
        assert handshake_refusal(gateway, client_tls, "shop.test", 3) == "TLSV1_ALERT_INTERNAL_ERROR"


def test_a_client_may_finish_sending_and_still_read_the_answer(gateway: Gateway, upstream: Start) -> None:
    def answers_at_the_end(connection: socket.socket) -> None:
        received = 0
        while data := connection.recv(65536):
            received += len(data)
        connection.sendall(str(received).encode())

    gateway.allow(shop(upstream(answers_at_the_end).port, plain=True))
    sent = request("shop.test") + bytes(1_000_000)
    with gateway.dial() as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == str(len(sent)).encode()


def test_a_host_may_finish_sending_and_still_read_on(gateway: Gateway, upstream: Start) -> None:
    got: list[bytes] = []

    def ends_first(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        got.append(connection.recv(65536))

    gateway.allow(shop(upstream(ends_first).port, plain=True))
    with gateway.dial() as client:
        client.sendall(request("shop.test"))
        assert client.recv(10) == b"bye"
        assert client.recv(10) == b""
        client.sendall(b"last word")
        eventually(lambda: got == [b"last word"])


def test_a_slow_reader_holds_the_sender_back_and_costs_the_gateway_no_memory(gateway: Gateway, upstream: Start) -> None:
    sent = [0]

    def floods(connection: socket.socket) -> None:
        connection.recv(65536)
        for _ in range(640):
            connection.sendall(bytes(100_000))
            sent[0] += 100_000

    gateway.allow(shop(upstream(floods).port, plain=True))
    with gateway.dial() as client:
        client.sendall(request("shop.test"))
        before = -1
        while before != sent[0]:  # until nothing moves for a while
            before = sent[0]
            time.sleep(0.3)
        assert sent[0] < 30_000_000
        assert len(read_all(client)) == 64_000_000


def test_a_host_that_breaks_the_connection_breaks_it_for_the_client(gateway: Gateway, upstream: Start) -> None:
    def resets(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.close()

    gateway.allow(shop(upstream(resets).port, plain=True))
    with gateway.dial() as client:
        client.sendall(request("shop.test"))
        assert client.recv(10) == b""
    eventually(lambda: [line["why"].partition(":")[0] for line in gateway.log("close")] == ["broken"])


def test_a_client_that_leaves_frees_its_place_although_the_host_says_nothing(gateway: Gateway, upstream: Start) -> None:
    ended = threading.Event()

    def waits(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass
        ended.wait(15)

    gateway.allow(shop(upstream(waits).port, plain=True))
    with gateway.dial() as client:
        client.sendall(request("shop.test"))
        eventually(lambda: len(gateway.log("open")) == 1)
    eventually(lambda: [line["why"] for line in gateway.log("close")] == ["the client is gone"])
    ended.set()


def open_tunnel(gateway: Gateway, index: int = 0, *, key: str = "srv_1") -> socket.socket:
    client = gateway.dial(index, key=key)
    client.sendall(request("shop.test"))
    assert client.recv(65536) == request("shop.test")
    return client


def test_removing_rules_cuts_their_tunnels_within_five_seconds_and_no_others(gateway: Gateway, upstream: Start) -> None:
    port = upstream(echo).port
    gateway.allow(shop(port, plain=True), shop(port, plain=True, index=1))
    gateway.allow(shop(port, plain=True), key="srv_2")
    with open_tunnel(gateway) as removed, open_tunnel(gateway, 1) as kept:
        gateway.allow(shop(port, plain=True, index=1))
        assert removed.recv(1) == b""
        kept.sendall(b"on")
        assert kept.recv(9) == b"on"
        assert not (gateway.run / "out/srv_1/0.sock").exists()
        gateway.forbid()  # and nobody tells the gateway
        assert kept.recv(1) == b""
    eventually(lambda: not (gateway.run / "out/srv_1").exists())
    eventually(lambda: [line["why"] for line in gateway.log("close")] == ["no longer allowed"] * 2)

    def took() -> float:
        gateway.allow(shop(port, plain=True))
        with open_tunnel(gateway) as cut:
            gateway.forbid()
            began = time.monotonic()
            assert cut.recv(1) == b""
            return time.monotonic() - began

    at_best(took, within=5)
    open_tunnel(gateway, key="srv_2").close()


def test_a_missed_reload_heals_and_wrong_rules_close_what_was_open(gateway: Gateway, upstream: Start) -> None:
    port = upstream(echo).port
    write_rules(gateway.data, EgressRules(server_id="srv_1", entries=(shop(port, plain=True),)))
    eventually(lambda: (gateway.run / "out/srv_1/0.sock").exists())
    with open_tunnel(gateway) as client:
        (gateway.data / "egress/srv_1.json").write_text("{")
        assert client.recv(1) == b""
    assert set(gateway.control.status().wrong) == {"srv_1.json"}
    assert gateway.control.status().listening == 0


def test_an_entry_that_changes_its_destination_keeps_its_folder_and_cuts_what_led_elsewhere(gateway: Gateway, upstream: Start) -> None:
    first, second = upstream(echo).port, upstream(http_ok).port
    gateway.allow(shop(first, plain=True))
    folder = (gateway.run / "out/srv_1").stat()
    with open_tunnel(gateway) as client:
        gateway.allow(shop(second, plain=True))
        assert client.recv(1) == b""
    assert (gateway.run / "out/srv_1").stat().st_ino == folder.st_ino
    with gateway.dial() as client:
        client.sendall(request("shop.test"))
        assert read_all(client).endswith(b"ok")


def test_a_gateway_that_was_killed_listens_again_after_its_restart_without_bmm_serve(gateway: Gateway, upstream: Start) -> None:
    port = upstream(echo).port
    gateway.allow(shop(port, plain=True))
    gateway.allow(shop(port, plain=True), key="srv_2")
    folder = (gateway.run / "out/srv_1").stat().st_ino
    with open_tunnel(gateway) as client:
        gateway.kill()
        assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        gateway.dial()
    gateway.forbid("srv_2")
    gateway.start()
    open_tunnel(gateway).close()
    assert (gateway.run / "out/srv_1").stat().st_ino == folder
    assert not (gateway.run / "out/srv_2/0.sock").exists()


def test_of_200_connections_at_once_only_the_allowed_number_is_carried(gateway: Gateway, upstream: Start) -> None:
    gateway.allow(shop(upstream(echo).port, plain=True), max_connections=64, burst=200, new_per_second=1000)
    gateway.allow(shop(upstream(echo).port, plain=True), key="srv_2")
    clients = [gateway.dial() for _ in range(200)]
    for client in clients:
        with contextlib.suppress(BrokenPipeError):
            client.sendall(request("shop.test"))
    answers = [read_some(client) for client in clients]
    carried = [answer for answer in answers if answer == request("shop.test")]
    assert len(carried) == 64
    told = [answer for answer in answers if b"X-Bmm-Egress: over_limit\r\n" in answer]
    assert told
    assert len(told) + answers.count(b"") == 136
    other = gateway.dial(key="srv_2")
    other.sendall(request("shop.test"))
    assert other.recv(65536) == request("shop.test")
    for client in (*clients, other):
        client.close()
    eventually(lambda: all(one.open == 0 for one in gateway.control.status().servers.values()))
    open_tunnel(gateway).close()


def test_too_many_new_connections_are_told_so_over_tls(
    gateway: Gateway, upstream: Start, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    gateway.allow(shop(upstream(echo, server_tls).port), burst=1, new_per_second=0.01)
    with gateway.dial() as client, client_tls.wrap_socket(client, server_hostname="shop.test"):
        assert handshake_refusal(gateway, client_tls, "shop.test") == "TLSV1_ALERT_INSUFFICIENT_SECURITY"


def test_the_bytes_of_a_day_are_a_limit(gateway: Gateway, upstream: Start) -> None:
    well_before_midnight()
    gateway.allow(shop(upstream(echo).port, plain=True), max_bytes_per_day=100_000)
    with open_tunnel(gateway) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(bytes(1_000_000))
        assert len(read_all(client)) < 1_000_000
    with gateway.dial() as client:
        client.sendall(request("shop.test"))
        assert b"X-Bmm-Egress: over_limit\r\n" in read_all(client)
    eventually(lambda: [line["why"] for line in gateway.log("close")] == ["over the bytes of this day"])


def test_a_client_that_dribbles_its_hello_is_cut_off_in_time_and_others_do_not_wait(gateway: Gateway, upstream: Start) -> None:
    gateway.allow(shop(1), opening_seconds=4.0, max_connections=10)
    gateway.allow(shop(upstream(echo).port, plain=True), key="srv_2")
    hello = bytes.fromhex("16 0301 0200 01 0001fc 0303") + bytes(290)
    with gateway.dial() as slow, gateway.dial() as silent:
        dribbled = 0
        while not select.select([slow], [], [], 0.05)[0] and dribbled < len(hello):
            slow.sendall(hello[dribbled : dribbled + 1])
            dribbled += 1
            if dribbled == 1:
                open_tunnel(gateway, key="srv_2").close()
                assert not select.select([slow, silent], [], [], 0)[0], "another waited until they were cut off"
        assert dribbled < len(hello), "each byte gave it more time"
        assert slow.recv(100)[0] == 21  # a TLS alert
        assert silent.recv(100)[0] == 21
    eventually(lambda: [line["reason"] for line in gateway.log("refused")] == ["not_allowed"] * 2)


def test_an_idle_tunnel_is_ended(gateway: Gateway, upstream: Start) -> None:
    gateway.allow(shop(upstream(echo).port, plain=True), idle_seconds=2)
    with open_tunnel(gateway) as client:
        assert client.recv(1) == b""
    eventually(lambda: [line["why"] for line in gateway.log("close")] == ["idle"])


def test_descriptors_sent_along_are_dropped(gateway: Gateway, upstream: Start) -> None:
    gateway.allow(shop(upstream(echo).port, plain=True))
    before = len(os.listdir(f"/proc/{gateway.pid}/fd"))
    with gateway.dial() as client:
        for _ in range(20):
            socket.send_fds(client, [b"G"], [0] * 40)  # an ordinary user may have as many on the way as it may have open
        client.sendall(b"\r\n\r\n")
        client.recv(65536)
        assert len(os.listdir(f"/proc/{gateway.pid}/fd")) < before + 10
