"""A connection of the guard on real sockets: how much it writes at once, and whom it gives up on."""

import asyncio
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop

from runner.guard import connection, server
from runner.guard.connection import Application
from runner.guard.request import Request
from runner.guard.server import Server
from tests.unit.runner.guarded import GuardProcess, unix_listener
from tests.waiting import PATIENCE, eventually

ASK = b"POST /mcp HTTP/1.1\r\nHost: guard\r\nContent-Length: 2\r\n\r\n{}"
LARGE = b"x" * (2 * 1024 * 1024)


def whole(body: bytes, *headers: tuple[bytes, bytes]) -> Application:
    async def answer(request: Request) -> None:
        request.answer(200, headers, body)

    return answer


async def stream(request: Request) -> None:
    request.begin(200, ((b"content-type", b"text/event-stream"),))
    request.say(b"data: 1\n\n")
    await asyncio.sleep(0.01)
    request.end(b"data: 2\n\n")


@contextmanager
def serving(application: Application, folder: Path) -> Iterator[tuple[Path, Callable[[], int]]]:
    """The socket of a server in a thread of its own, and how many writes the kernel has counted there."""
    listener, path = unix_listener(folder / "in.sock"), folder / "in.sock"
    begun, loop = threading.Event(), uvloop.new_event_loop()
    asked = asyncio.Event()
    account: list[Path] = []

    async def serve() -> None:
        account.append(Path(f"/proc/self/task/{threading.get_native_id()}/io"))
        served = Server(grace=2, on_cut=lambda: None)
        await served.listen(listener, application)
        begun.set()
        await asked.wait()
        await served.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert begun.wait(PATIENCE)
    try:
        yield path, lambda: int(next(line for line in account[0].read_text().splitlines() if line.startswith("syscw")).split()[1])
    finally:
        loop.call_soon_threadsafe(asked.set)
        thread.join(PATIENCE)
        loop.close()


def dialled(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(20)
    made.connect(str(path))
    return made


def read(client: socket.socket, end: bytes) -> bytes:
    """What comes until it ends like this, or the connection does."""
    got = b""
    while not got.endswith(end) and (more := client.recv(65536)):
        got += more
    return got


def test_the_head_and_the_body_of_an_answer_leave_in_one_write(tmp_path: Path) -> None:
    with serving(whole(b"{}"), tmp_path) as (path, writes), dialled(path) as client:
        before = writes()
        for _ in range(20):
            client.sendall(ASK)
            assert read(client, b"{}").startswith(b"HTTP/1.1 200 OK\r\n")
        assert writes() - before == 20


def test_the_head_of_a_stream_leaves_with_its_first_event(tmp_path: Path) -> None:
    with serving(stream, tmp_path) as (path, writes), dialled(path) as client:
        before = writes()
        client.sendall(ASK)
        assert read(client, b"0\r\n\r\n").partition(b"\r\n\r\n")[2] == b"9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n"
        assert writes() - before == 2


def test_an_answer_whose_header_holds_a_line_break_is_never_sent(tmp_path: Path) -> None:
    with serving(whole(b"{}", (b"x", b"a\r\nset-cookie: b")), tmp_path) as (path, _), dialled(path) as client:
        client.sendall(ASK)
        answer = read(client, b"never")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in answer


def test_a_body_that_breaks_off_is_400_at_once(tmp_path: Path) -> None:
    async def waits(request: Request) -> None:
        while await request.piece() is not None:
            pass

    with serving(waits, tmp_path) as (path, _), dialled(path) as client:
        client.sendall(b"POST /mcp HTTP/1.1\r\nHost: guard\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nno number\r\n")
        assert read(client, b"never").startswith(b"HTTP/1.1 400 ")


def test_nobody_is_answered_while_too_much_waits_to_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_UNREAD_BYTES", 2 * len(LARGE))
    with serving(whole(LARGE), tmp_path) as (path, _), dialled(path) as first, dialled(path) as second, dialled(path) as third:
        for client in (first, second, third):
            client.sendall(ASK)
            assert client.recv(1) == b"H"  # its answer is on the way, and stays there
        with dialled(path) as late:
            late.sendall(ASK)
            refused = read(late, b"never")
        for client in (first, second, third):
            got = b""
            while len(got.partition(b"\r\n\r\n")[2]) < len(LARGE):
                got += client.recv(1 << 20)
        with dialled(path) as later:
            later.sendall(ASK)
            assert later.recv(12) == b"HTTP/1.1 200"
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 2\r\n" in refused


@pytest.mark.parametrize(("setting", "sent"), [("UNREAD_SECONDS", ASK), ("KEEP_ALIVE", b""), ("KEEP_ALIVE", b"POST /mcp HTT")])
def test_a_client_that_does_not_read_or_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, sent: bytes) -> None:
    monkeypatch.setattr(connection, setting, 0.2)
    monkeypatch.setattr(server, "LOOK_EVERY", 0.05)
    with serving(whole(LARGE), tmp_path) as (path, _), dialled(path) as client:
        client.sendall(sent)
        given_up = select.poll()
        given_up.register(client, select.POLLHUP)
        assert given_up.poll(20_000)
        got = b""
        try:
            while more := client.recv(1 << 20):
                got += more
        except ConnectionResetError:
            pass
    assert len(got) < len(LARGE)


def test_a_guard_that_waits_takes_less_than_45_megabytes(guard: GuardProcess) -> None:
    eventually(lambda: guard.resident() < 45_000_000)
