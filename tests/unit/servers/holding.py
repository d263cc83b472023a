"""Holders as processes of a test, and what a test asks of them."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from bmm.servers import detached
from bmm.servers.sockets import Sockets
from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[3]


class Running:
    """Holders of one run folder, and what a test does with them."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.program = detached.holder(run=run, log=run / "log")
        self.sockets = Sockets(run)
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self) -> "subprocess.Popen[bytes]":
        """Start another holder; an older one hands over to it. Returns once the new one answers."""
        with open(self.run / "log", "ab") as log:
            one = subprocess.Popen(self.program.command, env={"PYTHONPATH": str(ROOT)}, stderr=log)
        self._started.append(one)
        deadline = time.monotonic() + PATIENCE
        while listener(self.run / "hold.sock") != one.pid:
            assert one.poll() is None, (self.run / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return one

    def end(self) -> None:
        for one in self._started:
            one.kill()
            one.wait(PATIENCE)

    def public(self, slug: str) -> Path:
        return self.run / "in" / f"{slug}.sock"

    def parked(self, slug: str) -> Path:
        return self.run / "parked" / f"{slug}.sock"


def listener(path: Path) -> int | None:
    """The process that last called listen() on this control socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe, contextlib.suppress(OSError):
        probe.connect(str(path))
        return int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], sys.byteorder)
    return None


def dial(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(20)
    try:
        client.connect(str(path))
    except OSError:
        client.close()
        raise
    return client


def identity(listening: socket.socket) -> int:
    return os.fstat(listening.fileno()).st_ino


def crash(holder: Running) -> None:
    pid = listener(holder.run / "hold.sock")
    assert pid is not None
    descriptor = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([descriptor], [], [], PATIENCE)[0]
    os.close(descriptor)
