"""Where workers come from: one process per server that has imported what they need, and forks one whenever it is handed a socket."""

import asyncio
import fcntl
import os
import socket
import sys
from pathlib import Path

import msgspec

import runner
from runner.tools.child import Child

START_SECONDS = 10.0
_MAX_REPLY = 4096
_decode = msgspec.msgpack.Decoder(int | str).decode


class Gone(Exception):
    """A worker, or what forks them, has ended, or spoke so that it had to be ended; the text says which, for the owner."""


class ForkServer:
    """Started for the first worker, and again when it has ended; the workers do not depend on it."""

    def __init__(self, memory_mb: int) -> None:
        self._memory_mb = memory_mb
        self._lock = asyncio.Lock()
        self.running: tuple[Child, socket.socket] | None = None

    async def fork(self, theirs: socket.socket) -> Child:
        """A new worker, which is a child of this process and has a copy of this socket.

        Raises:
            Gone: the worker could not be forked, or not in time.
            OSError: there could be no process.
        """
        async with self._lock:
            if self.running is not None:
                try:
                    return await self._forked(self.running[1], theirs)
                except (Gone, OSError):
                    # It may have been killed, since it is the first to go when memory runs out.
                    await self._end()
            _, line = self.running = _started(self._memory_mb)
            try:
                return await self._forked(line, theirs)
            except BaseException:
                await self._end()
                raise

    async def end(self) -> None:
        """Until the next worker is wanted."""
        async with self._lock:
            await self._end()

    async def _end(self) -> None:
        if self.running is not None:
            (child, line), self.running = self.running, None
            line.close()
            await child.kill()

    async def _forked(self, line: socket.socket, theirs: socket.socket) -> Child:
        socket.send_fds(line, [b"fork"], [theirs.fileno()])
        try:
            async with asyncio.timeout(START_SECONDS):
                reply = await asyncio.get_running_loop().sock_recv(line, _MAX_REPLY)
        except TimeoutError:
            raise Gone(f"it was not forked within {START_SECONDS:g} seconds") from None
        match _decode(reply) if reply else "its fork server has ended":
            case int() as pid:
                return Child(pid)
            case fault:
                raise Gone(fault)


def _started(memory_mb: int) -> tuple[Child, socket.socket]:
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with theirs:
        try:
            return Child(_spawn(theirs.fileno(), memory_mb)), ours
        except OSError:
            ours.close()
            raise


def _spawn(descriptor: int, memory_mb: int) -> int:
    # Moved out of the way first: dup2 of a descriptor onto itself would leave it closed on exec.
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        (os.POSIX_SPAWN_DUP2, high, 3),
    ]
    environment = {
        "PYTHONPATH": str(Path(runner.__file__).resolve().parent.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        # An arena per thread would reserve 128 MiB of addresses for each.
        "MALLOC_ARENA_MAX": "1",
    }
    command = [sys.executable, "-P", "-s", "-m", "runner", "worker", str(memory_mb)]
    try:
        # A session of its own: Ctrl-C is for who started this, and where a kernel shares out the processor by session the guard keeps its share.
        return os.posix_spawn(command[0], command, environment, file_actions=actions, setsid=True)
    finally:
        os.close(high)
