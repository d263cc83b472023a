"""The holder as a process: addresses that outlive everyone, moved names, hand-over to a newer holder, and what a crash leaves behind."""

import contextlib
import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bmm.errors import BadInput, Conflict, NotFound, NotReachable
from bmm.servers.sockets import HeldSocket, Sockets
from tests.unit.servers.holding import ROOT, Running, dial, identity, listener
from tests.waiting import PATIENCE, at_best, eventually


def test_a_socket_is_made_once_parked_and_private(holder: Running) -> None:
    with holder.sockets.open("shop") as first, holder.sockets.open("shop") as second, holder.sockets.get("shop") as third:
        assert identity(first) == identity(second) == identity(third)
        assert not first.getblocking()
        assert first.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    assert holder.sockets.list() == (HeldSocket("shop", False),)
    assert stat.S_IMODE(holder.parked("shop").stat().st_mode) == 0o600
    assert stat.S_IMODE((holder.run / "hold.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE((holder.run / "in").stat().st_mode) == 0o700


def test_a_connection_waits_in_the_backlog_until_somebody_serves(holder: Running) -> None:
    holder.sockets.open("shop").close()
    holder.sockets.publish("shop")
    with dial(holder.public("shop")) as client:
        client.sendall(b"hello")
        with holder.sockets.get("shop") as listening:
            accepted, _ = listening.accept()
        with accepted:
            assert accepted.recv(10) == b"hello"


def test_publishing_and_parking_move_the_name_and_nothing_else(holder: Running) -> None:
    holder.sockets.open("shop").close()
    inode = holder.parked("shop").stat().st_ino
    for _ in range(2):
        holder.sockets.publish("shop")
        assert holder.public("shop").stat().st_ino == inode
        assert not holder.parked("shop").exists()
        assert holder.sockets.published() == {"shop"}
    for _ in range(2):
        holder.sockets.park("shop")
        assert holder.parked("shop").stat().st_ino == inode
        assert holder.sockets.published() == frozenset()
        assert holder.sockets.held() == {"shop"}
    with pytest.raises(FileNotFoundError):
        dial(holder.public("shop"))


def test_what_cannot_be_done_is_said(holder: Running) -> None:
    for slug in ("../x", "", "A", "a" * 64, "-a", "a.b", "a/b", "a\n"):
        with pytest.raises(BadInput):
            holder.sockets.open(slug)
    for ask in (holder.sockets.get, holder.sockets.publish, holder.sockets.park, holder.sockets.drain):
        with pytest.raises(NotFound):
            ask("nobody")
    holder.sockets.forget("nobody")
    holder.sockets.open("shop").close()
    holder.sockets.publish("shop")
    with pytest.raises(Conflict, match="park it first"):
        holder.sockets.drain("shop")


def test_garbage_costs_one_answer_and_not_the_holder(holder: Running) -> None:
    for garbage in (b"{", b"[]", b'{"do":1}', b'{"do":"open","slug":5}', b'{"do":"fly","slug":"shop"}', bytes(4096), b"[" * 4000):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(20)
            client.connect(str(holder.run / "hold.sock"))
            client.send(garbage)
            assert "error" in json.loads(client.recv(65536))
    assert holder.sockets.list() == ()


def test_without_a_holder_the_client_says_so_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(NotReachable):
        Sockets(tmp_path, timeout=600).open("shop")
    assert time.monotonic() - began < 60


def test_a_holder_that_hangs_is_given_up_after_the_deadline(holder: Running) -> None:
    pid = listener(holder.run / "hold.sock")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)

    def took() -> float:
        began = time.monotonic()
        with pytest.raises(NotReachable):
            Sockets(holder.run, timeout=0.3).list()
        return time.monotonic() - began

    at_best(took, within=2)
    assert took() >= 0.3
    os.kill(pid, signal.SIGCONT)
    assert holder.sockets.list() == ()


def test_many_sockets_are_listed_and_handed_over(holder: Running) -> None:
    slugs = [f"s{number:04}" for number in range(450)]
    for slug in slugs:
        holder.sockets.open(slug).close()
    holder.sockets.publish("s0007")
    holder.start()
    assert [one.slug for one in holder.sockets.list()] == slugs
    assert holder.sockets.published() == {"s0007"}


def test_waiting_connections_are_told_to_come_back(holder: Running) -> None:
    holder.sockets.open("shop").close()
    holder.sockets.publish("shop")
    clients = [dial(holder.public("shop")) for _ in range(50)]
    for client in clients[1:]:
        client.sendall(b"POST /mcp HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000))
    holder.sockets.park("shop")
    assert holder.sockets.drain("shop") == 50
    for client in clients:
        with client, client.makefile("rb") as answer:
            head, _, body = answer.read(460).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"\r\nRetry-After: 10\r\n" in head
            assert b"\r\nConnection: close\r\n" in head
            assert json.loads(body)["error"]["code"] == -32000
    assert holder.sockets.drain("shop") == 0


def test_forgetting_answers_who_waits_and_leaves_nothing(holder: Running) -> None:
    holder.sockets.open("shop").close()
    holder.sockets.publish("shop")
    with dial(holder.public("shop")) as client:
        holder.sockets.forget("shop")
        assert client.recv(12) == b"HTTP/1.1 503"
    assert holder.sockets.list() == ()
    assert not holder.public("shop").exists()
    assert not holder.parked("shop").exists()


def test_killing_the_process_that_asked_changes_nothing(holder: Running) -> None:
    code = (
        "import sys,time,pathlib; from bmm.servers.sockets import Sockets; s=Sockets(pathlib.Path(sys.argv[1]));"
        "kept=s.open('shop'); s.publish('shop'); print(1, flush=True); time.sleep(60)"
    )
    client = subprocess.Popen([sys.executable, "-c", code, str(holder.run)], env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
    assert client.stdout is not None
    assert client.stdout.readline() == b"1\n"
    client.kill()
    client.wait(PATIENCE)
    client.stdout.close()
    dial(holder.public("shop")).close()
    assert holder.sockets.published() == {"shop"}


def test_a_newer_holder_takes_over_while_clients_connect_and_none_is_refused(holder: Running) -> None:
    holder.sockets.open("asleep").close()  # Nobody but the holder keeps this one.
    holder.sockets.publish("asleep")
    inode, refused, connected, stop = holder.public("asleep").stat().st_ino, [], [0], threading.Event()

    def connect() -> None:
        while not stop.is_set():
            try:
                dial(holder.public("asleep")).close()
                connected[0] += 1
            except BlockingIOError:  # The backlog is full of connections nobody fetched: fetch them, as a waking server would.
                with holder.sockets.get("asleep") as listening, contextlib.suppress(BlockingIOError):
                    while True:
                        listening.accept()[0].close()
            except OSError as error:
                refused.append(error)

    client = threading.Thread(target=connect)
    client.start()
    older = listener(holder.run / "hold.sock")
    for _ in range(5):
        before = connected[0]
        newer = holder.start()
        assert newer.pid != older
        older = newer.pid
        while connected[0] < before + 200:
            time.sleep(0.002)
    stop.set()
    client.join(PATIENCE)
    assert refused == []
    assert connected[0] >= 1000
    assert holder.public("asleep").stat().st_ino == inode
    assert holder.sockets.published() == {"asleep"}


def test_requests_to_the_holder_survive_the_hand_over_too(holder: Running) -> None:
    failures, stop = [], threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                holder.sockets.open("shop").close()
            except Exception as error:
                failures.append(error)

    client = threading.Thread(target=ask)
    client.start()
    for _ in range(3):
        holder.start()
    stop.set()
    client.join(PATIENCE)
    assert failures == []


def test_the_older_holder_ends_after_the_hand_over_and_keeps_serving_if_the_newer_dies(holder: Running) -> None:
    holder.sockets.open("shop").close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as newer:  # asks for everything, then dies
        newer.settimeout(20)
        newer.connect(str(holder.run / "hold.sock"))
        newer.send(b'{"do":"take"}')
        socket.recv_fds(newer, 65536, 10)
    assert holder.sockets.held() == {"shop"}
    older = listener(holder.run / "hold.sock")
    assert older is not None
    descriptor = os.pidfd_open(older)
    holder.start()
    assert select.select([descriptor], [], [], PATIENCE)[0]
    os.close(descriptor)
    assert holder.sockets.held() == {"shop"}


def test_moving_the_name_under_load_loses_no_connection_that_was_made(holder: Running) -> None:
    listening = holder.sockets.open("shop")
    holder.sockets.publish("shop")
    stop, quiet, served, failed, absent = threading.Event(), threading.Event(), [0], [], [0]

    def serve() -> None:
        while not quiet.is_set():
            if select.select([listening], [], [], 0.05)[0]:
                accepted, _ = listening.accept()
                with accepted:
                    accepted.sendall(b"x")
                    served[0] += 1

    def connect() -> None:
        while not stop.is_set():
            try:
                dialled = dial(holder.public("shop"))
            except FileNotFoundError:
                absent[0] += 1
                continue
            with dialled:
                if dialled.recv(1) != b"x":
                    failed.append(1)

    server, client = threading.Thread(target=serve), threading.Thread(target=connect)
    server.start()
    client.start()
    def moved_long_enough() -> bool:
        holder.sockets.park("shop")
        holder.sockets.publish("shop")
        return served[0] >= 100 and absent[0] > 0

    for _ in range(200):
        moved_long_enough()
    eventually(moved_long_enough)
    stop.set()
    client.join(PATIENCE)
    quiet.set()
    server.join(PATIENCE)
    listening.close()
    assert failed == []
    assert absent[0] > 0


def test_it_imports_nothing_but_the_standard_library() -> None:
    code = "import sys, bmm.servers.holder; print([name for name in sys.modules if name.split('.')[0] in ('msgspec','litestar','asyncio')])"
    loaded = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=True, timeout=60)
    assert loaded.stdout == b"[]\n"
