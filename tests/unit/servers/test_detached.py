"""Detached processes: they outlive a kill -9 of their parent and its whole process group, are found again, and end when asked."""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bmm.errors import NotReachable
from bmm.servers import detached
from bmm.servers.sockets import Sockets
from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[3]
PARENT = """
import pathlib, sys, time
from bmm.servers import detached
run = pathlib.Path(sys.argv[1])
print(detached.ensure(detached.holder(run=run, log=run / "log"), run=run), flush=True)
time.sleep(60)
"""


@pytest.fixture
def run() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bmm-"))
    yield folder
    detached.end(detached.holder(run=folder, log=folder / "log"), run=folder, timeout=5)
    shutil.rmtree(folder)


@pytest.fixture
def program(run: Path) -> detached.Program:
    return detached.holder(run=run, log=run / "log")


def start_parent(run: Path) -> tuple["subprocess.Popen[bytes]", int]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(run)],
        env={"PYTHONPATH": str(ROOT), "SECRET_OF_THE_PARENT": "x"},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert parent.stdout is not None
    with parent.stdout:
        return parent, int(parent.stdout.readline())


def test_it_survives_a_kill_of_its_parents_process_group_and_is_found_again(run: Path, program: detached.Program) -> None:
    parent, pid = start_parent(run)
    Sockets(run).open("shop").close()
    os.killpg(parent.pid, signal.SIGKILL)
    parent.wait(PATIENCE)
    assert detached.find(program, run=run) == pid
    assert detached.ensure(program, run=run) == pid
    assert Sockets(run).held() == {"shop"}
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    assert os.readlink(f"/proc/{pid}/fd/2") == str(run / "log")
    assert b"SECRET" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_it_is_found_by_its_socket_when_the_pid_file_is_gone(run: Path, program: detached.Program) -> None:
    pid = detached.ensure(program, run=run)
    (run / "hold.pid").unlink()
    assert detached.find(program, run=run) == pid
    assert (run / "hold.pid").exists()


def test_a_pid_that_now_means_another_process_is_neither_found_nor_killed(run: Path, program: detached.Program) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (run / "hold.pid").write_text(f"{bystander.pid} 1\n")
        assert detached.find(program, run=run) is None
        assert not detached.end(program, run=run)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait(PATIENCE)


def test_ending_it_ends_it_and_a_second_time_there_is_nothing_to_end(run: Path, program: detached.Program) -> None:
    pid = detached.ensure(program, run=run)
    descriptor = os.pidfd_open(pid)
    assert detached.end(program, run=run)
    assert select.select([descriptor], [], [], 0)[0]
    os.close(descriptor)
    assert not detached.end(program, run=run)
    assert detached.find(program, run=run) is None


def test_one_that_ignores_the_request_is_killed(run: Path) -> None:
    code = "import signal,socket,sys,time; signal.signal(15, signal.SIG_IGN); s=socket.socket(1); s.bind(sys.argv[1]); s.listen(); time.sleep(60)"
    deaf = detached.Program(name="deaf", command=(sys.executable, "-c", code, str(run / "d.sock")), socket=run / "d.sock", log=run / "log")
    pid = detached.ensure(deaf, run=run)
    began = time.monotonic()
    assert detached.end(deaf, run=run, timeout=0.2)
    assert time.monotonic() - began < 8  # without a timeout it would be ten seconds
    assert not Path(f"/proc/{pid}").exists()


def test_a_killed_one_is_started_anew(run: Path, program: detached.Program) -> None:
    pid = detached.ensure(program, run=run)
    os.kill(pid, signal.SIGKILL)
    assert select.select([os.pidfd_open(pid)], [], [], PATIENCE)[0]
    again = detached.ensure(program, run=run)
    assert again != pid
    assert Sockets(run).list() == ()


def test_a_program_that_ends_at_once_or_never_answers_is_an_error_that_names_its_log(run: Path, program: detached.Program) -> None:
    ends = msgspec.structs.replace(program, name="ends", command=(sys.executable, "-c", "raise SystemExit('no')"), socket=run / "e.sock")
    with pytest.raises(NotReachable, match=str(run / "log")):
        detached.ensure(ends, run=run)
    assert (run / "log").read_text() == "no\n"
    silent = msgspec.structs.replace(program, name="silent", command=("sleep", "60"), socket=run / "s.sock")
    with pytest.raises(NotReachable, match="does not answer"):
        detached.ensure(silent, run=run, timeout=0.3)
    assert detached.end(silent, run=run)
