"""Code that misbehaves or attacks, in a real worker: nothing of it reaches the guard, another call or this machine."""

import asyncio
import gc
import itertools
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
import uvloop

from runner.contract import PythonTool
from tests.unit.runner.attacks import HOLD, MISBEHAVIOURS, REFUSED, attack_code, python_tool
from tests.unit.runner.coded import Server, serving
from tests.unit.runner.guarded import Client, GuardProcess, Home, spec
from tests.waiting import PATIENCE, best, eventually

AT_ONCE = 1.0
"""Seconds, with a worker that has to be started."""


async def other_tool_answers(server: Server) -> None:
    async def took() -> float:
        began = time.monotonic()
        answer = await server.call("return f\"mine {args['n']}\"", {"n": 7}, name="other")
        assert (answer.text, answer.error_code) == ("mine 7", None), (answer, server.log[-2000:])
        return time.monotonic() - began

    await best(took, within=AT_ONCE)


@pytest.fixture(scope="module")
def attacked() -> Iterator[GuardProcess]:
    """A real guard, which is undumpable, with a tool per attack and one that keeps another worker busy."""
    named = [python_tool(f"attack_{number}", attack_code(each)) for number, each in enumerate(REFUSED)]
    tools = [*named, python_tool("hold", HOLD), python_tool("other", "async def run(args, ctx): return 'mine'")]
    home = Home(spec(tools=msgspec.convert(tools, tuple[PythonTool, ...])))
    running = GuardProcess(home)
    yield running
    assert running.stop() == 0
    home.close()


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=[each.name for each in REFUSED])
def test_the_kernel_refuses_to(number: int, attacked: GuardProcess) -> None:
    client = Client(attacked.home.socket)
    with ThreadPoolExecutor(1) as beside:
        held = beside.submit(client.call, "hold", {"seconds": 0.7})
        time.sleep(0.4)
        result = client.call(f"attack_{number}")
        held.result()
    found = result.get("structuredContent", {}).get("found")
    assert found, result
    assert set(found) <= REFUSED[number].may, found
    assert client.call("other")["content"][0]["text"] == "mine"


@pytest.mark.parametrize("name", MISBEHAVIOURS)
async def test_a_tool_with(name: str, tmp_path: Path) -> None:
    body, codes = MISBEHAVIOURS[name]
    async with serving(tmp_path, size=2) as server:
        answer = await server.call(body, timeout=1.5 if "timeout" in codes else PATIENCE)
        assert answer.error_code in codes, (answer, server.log[-2000:])
        assert "forged" not in (answer.text or "")
        for _ in range(3):
            await other_tool_answers(server)
            await asyncio.sleep(0.1)
        assert len(server.log) < 200_000


FORGER = """\
from runner.worker import frames
import asyncio, os
os.write(3, bytes(frames.framed(frames.Returned(ctx._call.number, True, text='mine'))))
for _ in range(20):
    await asyncio.sleep(0.01)
    os.write(3, bytes(frames.framed(frames.Returned(ctx._call.number + 1, True, text='forged'))))
"""


async def test_an_answer_to_the_next_call_cannot_be_given_before_it(tmp_path: Path) -> None:
    async with serving(tmp_path, size=2) as server:
        assert (await server.call(FORGER)).text == "mine"
        # That worker says it is idle while code of the first call goes on in it: a call that meets it may fail, and then it is gone.
        met = [await server.call("return 'true'", name="other") for _ in range(10)]
        assert {answer.text for answer in met if not answer.is_error} == {"true"}
        assert {answer.error_code for answer in met} <= {None, "tool_failed"}
        await other_tool_answers(server)


FLOODS = {
    "requests whose answers it does not take": "wish = frames.SqlWish(ctx._call.number, 1, 'main', 'x' * 100_000, {})",
    "small requests": "wish = frames.CanWish(ctx._call.number, 1, 'roots')",
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_of(flood: str, tmp_path: Path) -> None:
    """Neither holds up the guard nor fills its memory."""
    body = f"from runner.worker import frames\nimport os\n{FLOODS[flood]}\nwish = bytes(frames.framed(wish)) * (1 if len(wish.__str__()) > 999 else 5000)\n"
    async with serving(tmp_path, size=2) as server:
        assert (await server.call("return 1")).structured == 1
        before = resident()

        async def slowest() -> float:
            most = 0.0
            flooding = asyncio.ensure_future(server.call(f"{body}while True: os.write(3, wish)", name=f"flood{next(numbers)}", timeout=1.5))
            while not flooding.done():
                # Of the processor, since others keep this machine busy as well.
                began = time.thread_time()
                await asyncio.sleep(0)
                most = max(most, time.thread_time() - began)
            assert (await flooding).error_code in ("tool_failed", "timeout")
            return most

        numbers = itertools.count()
        gc.disable()  # it has all of the tests to look at
        await best(slowest, within=0.06)
        gc.enable()
        assert resident() - before < 64 * 1024
        await other_tool_answers(server)


def resident() -> int:
    """In kB, of the process that is the guard here."""
    return int(read("/proc/self/status").partition("VmRSS:")[2].split()[0])


def test_a_worker_is_confined_and_ends_with_its_pool(tmp_path: Path) -> None:
    async def seen() -> tuple[int, str, str]:
        async with serving(tmp_path, size=2) as server:
            pid = int((await server.call("import os\nreturn os.getpid()")).structured)
            return pid, read(f"/proc/{pid}/status"), read(f"/proc/{pid}/oom_score_adj")

    pid, text, adjusted = uvloop.run(seen())
    status = dict(line.split(":\t", 1) for line in text.splitlines())
    assert (status["Seccomp"], status["NoNewPrivs"], status["Threads"]) == ("2", "1", "1")
    assert adjusted.strip() == "1000"
    assert not Path(f"/proc/{pid}").exists()


async def test_threads_are_few(tmp_path: Path) -> None:
    body = """
        import threading
        threading.stack_size(32768)
        for n in range(2000):
            try:
                threading.Thread(target=threading.Event().wait, daemon=True).start()
            except RuntimeError:
                return n
    """
    async with serving(tmp_path, size=1) as server:
        # The kernel counts those of all processes of this user, some of which may have ended since.
        assert 1 < (await server.call(body)).structured < 500


def test_a_worker_that_is_busy_ends_with_a_guard_that_is_killed() -> None:
    tools = [python_tool("spin", "import os\nasync def run(args, ctx):\n    print(os.getpid(), flush=True)\n    while True: pass")]
    home = Home(spec(tools=msgspec.convert(tools, tuple[PythonTool, ...])))
    running = GuardProcess(home)
    with ThreadPoolExecutor(1) as beside:
        beside.submit(Client(home.socket).call, "spin")
        eventually(lambda: any(event.get("tool") == "spin" for event in home.events()))
        (worker,) = (int(event["message"]) for event in home.events() if event.get("tool") == "spin")
        assert worker in dict(children(running.pid))
        running.kill()
        home.listener.close()
        eventually(lambda: not Path(f"/proc/{worker}").exists())
    home.close()


def children(parent: int) -> list[tuple[int, float]]:
    """The processes of a parent, and the seconds they have run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == parent:
            found.append((int(path.parent.name), int(words[11]) / os.sysconf("SC_CLK_TCK")))
    return found


def read(path: str) -> str:
    return Path(path).read_text()
