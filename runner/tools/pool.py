"""The workers of one server: started when they are needed, shared by its tools, replaced when something of a call is left in them."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from runner.tools.fork_server import ForkServer, Gone
from runner.tools.losses import Losses
from runner.tools.process import Worker, started
from runner.worker.frames import WORKERS

MEMORY_MB = 128
"""What a call may take, beyond what an idle worker has."""
_IDLE_SECONDS = 300.0
_LOOK_SECONDS = 30.0
_CLOSE_SECONDS = 1.0
# A priority says nothing where a container has its share of the processor: what one worker takes of it, the guard lacks. So while the guard
# works for others (its own processor time shows it), who computes for long stands still for most of the time, and for nearly all of it who
# does so for very long, or whose tool has just lost a worker: on two cores, a fifth of one is still felt by one call in a hundred.
_WATCH_SECONDS, _REST_SECONDS, _LONG_REST_SECONDS, _MOMENT, _GUARD_WORKS = 0.1, 0.08, 0.997, 0.003, 0.002
# Half of the memory is for the guard and for what calls need; an idle worker has about 16 MiB of its own.
_SHARE_MB = 64
# A start is mostly work for a processor: more at once would all be ready later, the first one too.
_STARTS_AT_ONCE = 2
Log = Callable[[Literal["warning", "error"], str], None]


class NoWorker(Exception):
    """There is no worker for this call; the text says why, for the model."""


class Pool:
    """At most `size` workers with one call in each. One tool never holds all of them."""

    def __init__(
        self,
        *,
        size: int | None = None,
        memory_mb: int = MEMORY_MB,
        idle_seconds: float = _IDLE_SECONDS,
        log: Log = lambda level, message: None,
    ) -> None:
        self.size = size or sensible_size()
        self._idle_seconds, self._log = idle_seconds, log
        self._fork_server = ForkServer(memory_mb)
        self._idle: list[Worker] = []
        self._alive: set[Worker] = set()
        self._starting = 0
        self._held: Counter[str] = Counter()
        self._losses = Losses(time.monotonic)
        self._waiting: list[tuple[str, asyncio.Future[Worker]]] = []
        self._background: set[asyncio.Task[None]] = set()
        self._pruning: asyncio.TimerHandle | None = None
        self._watching: asyncio.TimerHandle | None = None
        self._used = 0.0
        self._closed = False

    @property
    def alive(self) -> int:
        return len(self._alive)

    async def take(self, tool: str, *, seconds: float) -> Worker:
        """A worker for one call of this tool, to be given back by `leave`.

        Raises:
            NoWorker: none was free in time, or none could be started.
        """
        if not self._waiting and self._may(tool) and (worker := self._free(tool)) is not None:
            self._held[tool] += 1
            return worker
        future: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append((tool, future))
        self._serve()
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            if _given(future):
                return future.result()
            if tool in self._losses:
                text = "This tool has just hung or crashed and runs one call at a time; its turn did not come"
                raise NoWorker(f"{text} within {seconds:g} seconds. Its owner can see why in the log.") from None
            raise NoWorker(f"All workers of this server were busy for {seconds:g} seconds. Try again later.") from None
        except asyncio.CancelledError:
            if _given(future):
                self.leave(tool, future.result(), None)
            raise
        finally:
            self._waiting = [each for each in self._waiting if each[1] is not future]

    def leave(self, tool: str, worker: Worker, settle: Callable[[], Awaitable[bool]] | None, *, answered: bool = True) -> None:
        """The call is over. `settle` says whether the worker is free of it, None where that is known."""
        # At once: the next call of the tool must not begin as if nothing had happened.
        pause = 0.0 if answered else self._losses.add(tool)
        self._do(self._settled(tool, worker, settle, answered, pause))

    async def close(self) -> None:
        """End all workers at once."""
        self._closed = True
        for timer in (self._pruning, self._watching):
            if timer is not None:
                timer.cancel()
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(NoWorker("The server is about to be replaced. Try again."))
        await asyncio.gather(*(worker.kill() for worker in self._alive))
        self._alive.clear()
        self._idle.clear()
        self._do(self._fork_server.end())
        await asyncio.wait(self._background, timeout=_CLOSE_SECONDS)

    def _may(self, tool: str) -> bool:
        if tool in self._losses:
            return not self._held[tool] and not self._losses.pausing(tool)
        return self._held[tool] < max(1, self.size - 1)

    def _free(self, tool: str) -> Worker | None:
        """The idle worker that was used last; one that died, or spoke or computed unasked, is none. Who loses workers does not get the last one."""
        loses = tool in self._losses
        while len(self._idle) > (loses and self.size > 1):
            worker = self._idle.pop()
            if worker.rests:
                worker.tool = tool
                if self._watching is None:
                    self._watching = asyncio.get_running_loop().call_later(_WATCH_SECONDS, self._watch)
                if loses:
                    worker.give_way()
                    worker.held_back = True
                    asyncio.get_running_loop().call_later(_MOMENT, self._hold_back, worker)
                return worker
            self._drop(worker)
        return None

    def _hold_back(self, worker: Worker, used: float = -1.0) -> None:
        """To the end of its call it runs for a moment of each second in which others are served; `used` is the guard's time before."""
        worker.held_back = True
        if worker not in self._alive or worker in self._idle:
            return
        now = time.process_time()
        if others := now - used > _GUARD_WORKS:
            worker.rest(_LONG_REST_SECONDS)
        asyncio.get_running_loop().call_later(_LONG_REST_SECONDS + _MOMENT if others else _WATCH_SECONDS, self._hold_back, worker, now)

    def _drop(self, worker: Worker) -> None:
        self._alive.discard(worker)
        self._do(_killed(worker))

    def _serve(self) -> None:
        """Hand free workers to those who wait, in their order, and start what is missing."""
        left: list[tuple[str, asyncio.Future[Worker]]] = []
        wanted = 0
        for tool, future in self._waiting:
            if future.done():
                continue
            if not self._may(tool):
                left.append((tool, future))
            elif (worker := self._free(tool)) is not None:
                self._held[tool] += 1
                future.set_result(worker)
            else:
                wanted += 1
                left.append((tool, future))
        self._waiting = left
        while self._starting < min(wanted, _STARTS_AT_ONCE) and self._room and not self._closed:
            self._start()

    @property
    def _room(self) -> bool:
        return len(self._alive) + self._starting < self.size

    def _start(self) -> None:
        self._starting += 1
        self._do(self._started())

    async def _started(self) -> None:
        try:
            worker = await started(self._fork_server)
        except (OSError, Gone) as error:
            self._log("error", f"a worker could not be started: {error}")
            for _, future in self._waiting:
                if not future.done():
                    future.set_exception(NoWorker("The server cannot run this tool now; its owner can see why in the log."))
            self._waiting = []
            return
        finally:
            self._starting -= 1
        if self._closed:
            await worker.kill()
            return
        self._alive.add(worker)
        self._rest(worker)

    def _rest(self, worker: Worker) -> None:
        worker.idle_since = time.monotonic()
        self._idle.append(worker)
        self._serve()
        if self._pruning is None:
            self._pruning = asyncio.get_running_loop().call_later(min(_LOOK_SECONDS, self._idle_seconds), self._prune)

    async def _settled(self, tool: str, worker: Worker, settle: Callable[[], Awaitable[bool]] | None, answered: bool, pause: float) -> None:
        free = False
        try:
            free = (settle is None or await settle()) and worker.usable
        finally:
            if not free:
                self._drop(worker)
            self._held[tool] -= 1
            if not self._held[tool]:
                del self._held[tool]
        if self._closed:
            return
        if free or answered:
            self._losses.forget(tool)
        elif pause:
            # Timers of uvloop may be a little early.
            asyncio.get_running_loop().call_later(pause + 0.01, self._serve)
        if free:
            self._rest(worker)
        else:
            self._serve()
            # The next call should not wait for a start.
            if not self._idle and not self._starting and self._room:
                self._start()

    def _watch(self) -> None:
        """Look after the calls that run."""
        busy = self._alive.difference(self._idle)
        used, self._used = self._used, time.process_time()
        for worker in busy:
            worker.watch()
            if worker.gave_way and not worker.held_back:
                if worker.drags or worker.tool in self._losses:
                    self._hold_back(worker)
                elif self._used - used > _GUARD_WORKS:
                    worker.rest(_REST_SECONDS)
        self._watching = asyncio.get_running_loop().call_later(_WATCH_SECONDS, self._watch) if busy else None

    def _prune(self) -> None:
        """End workers that nobody has needed for some time, and those that died, or spoke or computed unasked."""
        now = time.monotonic()
        kept: list[Worker] = []
        for worker in self._idle:
            if worker.rests and now - worker.idle_since < self._idle_seconds:
                kept.append(worker)
            else:
                self._drop(worker)
        self._idle = kept
        if not self._alive and not self._starting:
            self._do(self._fork_server.end())
        again = bool(self._alive) and not self._closed
        self._pruning = asyncio.get_running_loop().call_later(min(_LOOK_SECONDS, self._idle_seconds), self._prune) if again else None

    def _do(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log("error", f"a worker could not be looked after: {type(error).__name__}: {error}")


def _given(future: asyncio.Future[Worker]) -> bool:
    """Whether a worker came, be it in the very moment in which the wait ended."""
    return future.done() and not future.cancelled() and future.exception() is None


async def _killed(worker: Worker) -> None:
    await worker.kill()


def sensible_size(root: Path = Path("/sys/fs/cgroup")) -> int:
    """How many workers fit into the memory of this container."""
    try:
        available = int((root / "memory.max").read_text())
    except (OSError, ValueError):
        available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(2, min(WORKERS, available // 1024**2 // _SHARE_MB))
