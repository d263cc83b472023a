"""A worker as the guard sees it: a process on the other end of a socket, of which nothing is believed."""

import asyncio
import os
import signal
import socket
from collections import deque
from contextlib import suppress
from typing import cast

import msgspec

from runner.tools.child import Child
from runner.tools.fork_server import START_SECONDS, ForkServer, Gone
from runner.worker import frames
from runner.worker.frames import Cancel, Ended, Failed, FromGuard, FromWorker, Ready, Returned

_PAUSE_AT, _GO_ON_AT = 32, 8
# What a call may leave behind in memory before the worker is replaced.
GROWTH_KB = 32 * 1024
_RESERVED = 64 * 1024**2
"""Likewise of addresses, which count against the limit of later calls; libc keeps 40 MiB for stacks of threads that have ended."""
_DRAIN_SECONDS = 0.5
# A call that has computed for so long gives way to everything else; after the second of these for nearly all of the time.
_MUCH_TICKS, _VERY_MUCH_TICKS = os.sysconf("SC_CLK_TCK") // 4, os.sysconf("SC_CLK_TCK") // 2
# What is done after an answer is soon done, or else it has no end.
_MUCH_IDLE_TICKS = os.sysconf("SC_CLK_TCK") // 20
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
_decode = msgspec.json.Decoder(FromWorker).decode


class _Line(asyncio.Protocol):
    """Frames in, frames out. Reading stops while many wait, so that a worker that says much waits itself; so does who says much to it."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._frames: deque[FromWorker] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self._drained = asyncio.Event()
        self._drained.set()
        self.fault: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._read()
        self._wake()

    def _read(self) -> None:
        """Take frames out of the buffer, a few at a time: a flood of small ones must not hold up the loop."""
        buffer = self._buffer
        while len(self._frames) < _PAUSE_AT and len(buffer) >= frames.HEAD:
            end = frames.HEAD + frames.length(buffer)
            if end > frames.MAX_REQUEST or (end > frames.MAX_SMALL and len(buffer) > 16 and end > frames.most(buffer)):
                return self.fail("it sent a frame that is too large")
            if len(buffer) < end:
                break
            try:
                self._frames.append(_decode(memoryview(buffer)[frames.HEAD : end]))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return self.fail("it sent a frame that cannot be read")
            del buffer[:end]
        if (len(self._frames) >= _PAUSE_AT) != self._paused:
            self._paused = not self._paused
            self._transport.pause_reading() if self._paused else self._transport.resume_reading()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail("it has ended")

    def pause_writing(self) -> None:
        self._drained.clear()

    def resume_writing(self) -> None:
        self._drained.set()

    async def drained(self) -> None:
        """Until the worker has read what it was sent, or is gone."""
        await self._drained.wait()

    def fail(self, fault: str) -> None:
        self.fault = self.fault or fault
        self._drained.set()
        self._transport.abort()
        self._wake()

    def send(self, message: FromGuard) -> None:
        """Nothing happens where nobody listens any more: who waits for the answer is told."""
        if self.fault is None:
            self._transport.write(frames.framed(message))

    @property
    def silent(self) -> bool:
        """Whether it lives and has said nothing that nobody has taken."""
        return self.fault is None and not self._frames and not self._buffer

    async def receive(self) -> FromWorker:
        """The next frame.

        Raises:
            Gone: there will be none.
        """
        while not self._frames:
            if self.fault is not None:
                raise Gone(self.fault)
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._paused and len(self._frames) <= _GO_ON_AT:
            # Others first.
            await asyncio.sleep(0)
            if self.fault is None:
                self._read()
        return self._frames.popleft()

    def interrupt(self, error: BaseException) -> None:
        """Let whoever waits for a frame get this instead."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def close(self) -> None:
        self.fail("it was ended")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Worker:
    """One process. `known` are the digests of the code it has; `call` is the number of its latest call, `tool` whose it is."""

    def __init__(self, child: Child, line: _Line) -> None:
        self.pid, self.line, self._child = child.pid, line, child
        # Kept open: it is read after every call.
        self._stat = os.open(f"/proc/{child.pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        self.known: set[str] = set()
        self.call, self.tool = 0, ""
        self.idle_since = 0.0
        self._first_kb = self._first_space = self._ticks_at_rest = 0
        self._watched = 0, 0
        self.gave_way = self.drags = self.held_back = False
        self._rested_until = 0.0

    def next_call(self) -> int:
        """A number that what is left of an earlier call cannot foresee."""
        self.call = int.from_bytes(os.urandom(6), "big")
        return self.call

    def first_look(self) -> None:
        self._first_kb, self._first_space, _ = self._looked()

    def watch(self) -> None:
        """Called now and then during a call: one that computes for long gives way, one with too many threads ends."""
        if self._child.over:
            return
        with suppress(OSError):
            user, system, threads = self._stat_fields(11, 12, 17)
            if threads > frames.THREADS + 1:
                # The kernel counts those of all workers as one: what one takes, others lack.
                self.line.fail(f"it had more than {frames.THREADS} threads at once")
                return
            ticks = user + system
            if self._watched[0] != self.call:
                self._watched = self.call, ticks
            computed = ticks - self._watched[1]
            self.drags |= computed >= _VERY_MUCH_TICKS
            if computed >= _MUCH_TICKS and not self.gave_way:
                self.give_way()

    def give_way(self) -> None:
        """From now on it runs only where nobody else wants the processor. It is not used for another call: the way back needs privileges."""
        self.gave_way = True
        with suppress(OSError):
            for thread in os.listdir(f"/proc/{self.pid}/task"):
                os.sched_setscheduler(int(thread), os.SCHED_IDLE, os.sched_param(0))

    def rest(self, seconds: float) -> None:
        """It stands still for so long from now; one that does so for longer already goes on with that."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        if until > self._rested_until:
            self._rested_until = until
            self._child.signal(signal.SIGSTOP)
            loop.call_later(seconds, self._go_on, until)

    def _go_on(self, until: float) -> None:
        if self._rested_until == until:
            self._child.signal(signal.SIGCONT)

    @property
    def usable(self) -> bool:
        """Whether it may run another call: it lives, is silent, has one thread and has not grown much. The kernel is asked, not the worker."""
        if not self.line.silent or self.gave_way:
            return False
        try:
            resident, space, threads = self._looked()
        except OSError:
            return False
        # One that has ended still has a thread, but no memory.
        return threads == 1 and 0 < resident <= self._first_kb + GROWTH_KB and space <= self._first_space + _RESERVED

    @property
    def rests(self) -> bool:
        """Whether it has neither spoken nor computed since its last call: a loop that was left behind must not meet the next one."""
        if not self.line.silent:
            return False
        with suppress(OSError):
            return sum(self._stat_fields(11, 12)) - self._ticks_at_rest <= _MUCH_IDLE_TICKS
        return False

    def _looked(self) -> tuple[int, int, int]:
        """Resident memory in kB, reserved addresses in bytes and the number of threads."""
        pages, space, threads, user, system = self._stat_fields(21, 20, 17, 11, 12)
        self._ticks_at_rest = user + system
        return pages * _PAGE_KB, space, threads

    def _stat_fields(self, *places: int) -> list[int]:
        """Numbers of proc_pid_stat(5), counted from behind the name, which may hold anything."""
        fields = os.pread(self._stat, 4096, 0).rpartition(b")")[2].split()
        return [int(fields[place]) for place in places]

    async def ended(self) -> bool:
        """End the call that runs; whether the worker has let go of all of it in time."""
        try:
            self.line.send(Cancel(self.call))
            async with asyncio.timeout(_DRAIN_SECONDS):
                while True:
                    match await self.line.receive():
                        case Returned() | Failed() as last if last.call == self.call and last.idle:
                            return True
                        case Ended() as last if last.call == self.call:
                            return last.clean
        except (TimeoutError, Gone):
            return False

    async def cleaned(self) -> bool:
        """After an answer: wait for the word that nothing of the call is left."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while True:
                    match await self.line.receive():
                        case Ended() as last if last.call == self.call:
                            return last.clean
        except (TimeoutError, Gone):
            return False

    async def kill(self) -> int:
        """End it at once; its exit status, negative for a signal."""
        self.line.close()
        if self._child.over:
            return 0
        try:
            return await self._child.kill()
        finally:
            os.close(self._stat)


async def started(server: ForkServer) -> Worker:
    """A new worker that has limited itself.

    Raises:
        Gone: it ended before, or took too long.
        OSError: there could be no process.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            child = await server.fork(theirs)
        except BaseException:
            ours.close()
            raise
    ours.setblocking(False)
    _, line = await asyncio.get_running_loop().create_unix_connection(_Line, sock=ours)
    worker = Worker(child, line)
    try:
        async with asyncio.timeout(START_SECONDS):
            first = await line.receive()
        if isinstance(first, Failed):
            raise Gone(f"it could not confine itself: {first.kind}: {first.message}")
        if not isinstance(first, Ready):
            raise Gone("it did not begin as it should")
        worker.first_look()
    except TimeoutError:
        await worker.kill()
        raise Gone(f"it was not ready within {START_SECONDS:g} seconds") from None
    except BaseException:
        await worker.kill()
        raise
    return worker
