"""Tools that hang or crash over and over leave the processor and the workers to the others."""

import asyncio
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.tools import process
from runner.tools.fork_server import ForkServer
from runner.tools.losses import Losses
from runner.tools.process import Worker
from tests.unit.runner.coded import Server, serving
from tests.waiting import best

# The policy is field 41 of proc_pid_stat(5); a worker may not ask for it.
LOOK = "import os\nreturn [os.getpid(), int(open('/proc/self/stat').read().rpartition(')')[2].split()[38])]"
SPIN = "import time\nuntil = time.thread_time() + {seconds}\nwhile time.thread_time() < until: pass\n" + LOOK
# Only until it has given way, for then it hardly runs any more where others want the processor.
SPIN_LONG = "import time\nuntil = time.thread_time() + 2\nwhile time.thread_time() < until:\n    seen = look()\n    if seen[1]: break\nreturn seen"
SPIN_LONG = "def look():\n" + "\n".join(f"    {line}" for line in LOOK.splitlines()) + "\n" + SPIN_LONG
CRASH = "import os\nos._exit(1)"


async def look(server: Server, name: str = "other") -> tuple[int, int]:
    pid, policy = (await server.call(LOOK, name=name)).structured
    return pid, policy


async def test_a_call_that_computes_for_long_gives_way_and_its_worker_is_replaced(tmp_path: Path, patient: None) -> None:
    async with serving(tmp_path, size=1) as server:
        first, policy = (await server.call(SPIN.format(seconds=0.05))).structured
        assert (policy, await look(server)) == (os.SCHED_OTHER, (first, os.SCHED_OTHER))
        assert (await server.call(SPIN_LONG)).structured == [first, os.SCHED_IDLE]
        second, policy = await look(server)
        assert (second != first, policy) == (True, os.SCHED_OTHER)


async def test_while_others_are_served_who_computes_for_long_stands_still_for_most_of_the_time(tmp_path: Path) -> None:
    async with serving(tmp_path, size=3) as server:
        await look(server)
        spinning = asyncio.ensure_future(server.call("while True: pass", name="hang", timeout=60))
        worker = await _worker(server, lambda each: each.tool == "hang" and each.gave_way)
        await _stands_still(server, worker, for_more_than=0.5)
        spinning.cancel()


async def test_who_computes_for_very_long_stands_still_for_nearly_all_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine a second of a processor may take very long for one who has given way.
    monkeypatch.setattr(process, "_VERY_MUCH_TICKS", process._MUCH_TICKS)
    async with serving(tmp_path, size=3) as server:
        spinning = asyncio.ensure_future(server.call("while True: pass", timeout=60))  # alone: nobody has to wait for it
        worker = await _worker(server, lambda each: each.drags)
        await _stands_still(server, worker, for_more_than=0.8)
        spinning.cancel()


async def test_a_call_is_watched_whose_worker_took_long_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began_at_once = process.started

    async def began_late(server: ForkServer) -> Worker:
        await asyncio.sleep(0.3)
        return await began_at_once(server)

    monkeypatch.setattr("runner.tools.pool.started", began_late)
    async with serving(tmp_path, size=1) as server:
        assert (await server.call(SPIN_LONG)).structured[1] == os.SCHED_IDLE


async def test_a_tool_that_has_just_hung_stands_still_for_nearly_all_of_the_time(tmp_path: Path) -> None:
    async with serving(tmp_path, size=3) as server:
        assert (await server.call("while True: pass", name="hang", timeout=0.5)).error_code == "timeout"
        lost = set(server.pool._alive)
        spinning = asyncio.ensure_future(server.call("while True: pass", name="hang", timeout=60))
        worker = await _worker(server, lambda each: each not in lost and each.tool == "hang" and each.held_back)
        assert not worker.drags
        await _stands_still(server, worker, for_more_than=0.8)
        spinning.cancel()


async def _worker(server: Server, there: Callable[[Worker], bool]) -> Worker:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for worker in server.pool._alive:
            if there(worker):
                return worker
        await asyncio.sleep(0.02)
    raise AssertionError("there is no such worker")


async def _stands_still(server: Server, worker: Worker, *, for_more_than: float) -> None:
    """While another tool is called without a pause, seen by each call; where the machine is too busy for the guard to work, it is looked at again."""
    await look(server)
    shares: list[float] = []
    while not shares or shares[-1] <= for_more_than:
        assert len(shares) < 5, shares
        states: Counter[str] = Counter()
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            await look(server)
            states[_state(worker.pid)] += 1
        shares.append(states["T"] / states.total())


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_waiting_for_long_is_not_computing(tmp_path: Path, patient: None) -> None:
    async with serving(tmp_path, size=1) as server:
        first, _ = await look(server)
        await server.call("import time\ntime.sleep(0.8)")
        assert await look(server) == (first, os.SCHED_OTHER)


async def test_a_tool_that_crashes_over_and_over_slows_itself_down_and_takes_nobodys_worker(tmp_path: Path) -> None:
    async with serving(tmp_path, size=4) as server:
        await asyncio.gather(*(server.call("import time\ntime.sleep(0.3)", name=f"warm{number}") for number in range(2)))
        crashing = [asyncio.ensure_future(_crashes(server, until=time.monotonic() + 1.5)) for _ in range(3)]
        waits: list[float] = []
        while not all(each.done() for each in crashing):
            began = time.monotonic()
            assert (await look(server))[1] == os.SCHED_OTHER
            waits.append(time.monotonic() - began)
            await asyncio.sleep(0.01)
        assert sum(each.result() for each in crashing) <= 8
        assert statistics.median(waits) < 0.3, waits


async def _crashes(server: Server, *, until: float) -> int:
    count = 0
    while time.monotonic() < until:
        await server.call(CRASH, name="crash")
        count += 1
    return count


async def test_a_tool_whose_call_ends_well_is_as_any_other_again(tmp_path: Path) -> None:
    async with serving(tmp_path, size=3) as server:
        for _ in range(2):
            assert (await server.call(CRASH, name="other")).error_code == "tool_failed"
        await look(server)

        async def took() -> float:
            began = time.monotonic()
            assert (await look(server))[1] == os.SCHED_OTHER
            return time.monotonic() - began

        await best(took, within=0.3)


def test_pauses_grow_and_losses_are_forgotten() -> None:
    now = 100.0
    losses = Losses(lambda: now)
    assert ("a" in losses, losses.pausing("a")) == (False, False)
    assert [losses.add("a") for _ in range(6)] == [0.0, 0.5, 1.0, 2.0, 5.0, 5.0]
    assert ("a" in losses, losses.pausing("a"), "b" in losses) == (True, True, False)
    now += 4.9
    assert ("a" in losses, losses.pausing("a")) == (True, True)
    now += 0.1
    assert ("a" in losses, losses.pausing("a")) == (True, False)
    now += 290
    assert "a" in losses
    now += 10
    assert "a" not in losses
    assert losses.add("a") == 0.0
    losses.forget("a")
    assert "a" not in losses
