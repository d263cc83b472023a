"""What workers are forked from: as confined as they are, out of their reach, and no loss when it ends."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import msgspec

from runner.contract import PythonTool
from tests.unit.runner.attacks import python_tool
from tests.unit.runner.coded import Server, serving
from tests.unit.runner.guarded import Client, GuardProcess, Home, spec
from tests.unit.runner.test_worker_sandbox import children, read
from tests.waiting import PATIENCE, comes, eventually

PID = "import os\nreturn os.getpid()"


def fork_server(server: Server) -> int:
    assert server.pool._fork_server.running is not None
    return server.pool._fork_server.running[0].pid


def alive(pid: int) -> bool:
    """Also one that nobody has waited for yet."""
    return Path(f"/proc/{pid}").exists()


async def test_it_is_confined_before_it_is_asked_for_a_worker(tmp_path: Path) -> None:
    async with serving(tmp_path, size=2) as server:
        worker = (await server.call(PID)).structured
        pid = fork_server(server)
        status = dict(line.split(":\t", 1) for line in read(f"/proc/{pid}/status").splitlines())
        assert (status["Seccomp"], status["NoNewPrivs"], status["Threads"]) == ("2", "1", "1")
        assert read(f"/proc/{pid}/oom_score_adj").strip() == "1000"
        assert os.stat(f"/proc/{pid}/environ").st_uid == 0  # undumpable
        assert {pid, worker} <= {each for each, _ in children(os.getpid())}


async def test_no_worker_holds_its_socket_and_none_is_lost_with_it(tmp_path: Path) -> None:
    async with serving(tmp_path, size=3) as server:
        held = [asyncio.ensure_future(server.call(f"import asyncio\nawait asyncio.sleep(1)\n{PID}", name=f"held{n}")) for n in range(2)]
        await comes(lambda: server.pool.alive == 2 and server.pool._held.total() == 2)
        running = server.pool._fork_server.running
        assert running is not None
        child, line = running
        os.kill(child.pid, signal.SIGKILL)
        # Whoever had a copy of the other end would keep the connection up.
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.get_running_loop().sock_recv(line, 1) == b""
        assert (await server.call("return 'mine'", name="other")).text == "mine"
        assert fork_server(server) != child.pid
        assert len({(await each).structured for each in held}) == 2
        assert server.log == ""
        assert not alive(child.pid)


async def test_siblings_do_not_draw_the_same_random_numbers(tmp_path: Path) -> None:
    body = "import asyncio, os, random, secrets, uuid\nawait asyncio.sleep(0.3)\n"
    body += "return [random.random(), os.urandom(8).hex(), uuid.uuid4().hex, secrets.token_hex(8)]"
    async with serving(tmp_path, size=3) as server:
        drawn = await asyncio.gather(*(server.call(body, name=f"tool{n}") for n in range(3)))
        assert len({number for answer in drawn for number in answer.structured}) == 12


async def test_what_one_worker_changes_is_not_in_the_next(tmp_path: Path) -> None:
    async with serving(tmp_path, size=2) as server:
        await server.call("import builtins, os\nbuiltins.mark = 1\nos._exit(1)", name="crash")
        assert (await server.call("import builtins\nreturn hasattr(builtins, 'mark')")).structured is False


async def test_a_worker_comes_in_a_few_milliseconds_and_leaves_no_zombie(tmp_path: Path) -> None:
    async with serving(tmp_path, size=2) as server:
        await server.call(PID)
        before, used = fork_server(server), os.times()
        for number in range(8):
            assert (await server.call("import os\nos._exit(1)", name=f"crash{number}")).error_code == "tool_failed"
        await comes(lambda: not zombies())
        now, start = os.times(), computed(before)
        # A start of Python, as that of the fork server was, takes several times as much.
        assert now.children_user + now.children_system - used.children_user - used.children_system < 8 * start / 2
        assert fork_server(server) == before


def computed(pid: int) -> float:
    """Seconds of a processor."""
    return int(read(f"/proc/{pid}/schedstat").split()[0]) / 1e9


def zombies() -> list[int]:
    found = []
    for pid, _ in children(os.getpid()):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if read(f"/proc/{pid}/stat").rpartition(")")[2].split()[0] == "Z":
                found.append(pid)
    return found


async def test_it_ends_when_no_worker_has_been_needed_for_some_time(tmp_path: Path) -> None:
    async with serving(tmp_path, size=2, idle_seconds=0.2) as server:
        await server.call(PID)
        pid = fork_server(server)
        await comes(lambda: not alive(pid))
        assert (await server.call("return 'mine'")).text == "mine"


def test_it_ends_with_a_guard_that_is_killed() -> None:
    tools = [python_tool("pid", f"async def run(args, ctx):\n    {PID.replace(chr(10), chr(10) + '    ')}")]
    home = Home(spec(tools=msgspec.convert(tools, tuple[PythonTool, ...])))
    running = GuardProcess(home)
    assert not Client(home.socket).call("pid")["isError"]
    both = [pid for pid, _ in children(running.pid)]
    assert len(both) == 2
    running.kill()
    home.listener.close()
    eventually(lambda: not any(map(alive, both)))
    home.close()
