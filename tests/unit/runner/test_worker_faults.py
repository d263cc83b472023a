"""Mistakes in a tool's code: whoever made them is told what and where, at once, and nobody else meets them."""

import asyncio
import itertools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runner.contract import PythonTool
from runner.tools.context import Question
from runner.worker.limits import most_tasks
from tests.unit.runner.attacks import python_tool
from tests.unit.runner.coded import Client, Server, serving
from tests.unit.runner.guarded import Client as Caller
from tests.unit.runner.guarded import GuardProcess, Home, spec
from tests.waiting import PATIENCE, comes


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ctx.log('warn', 'x')", "Invalid enum value 'warn' - at `level`"),
        ("ctx.progress(1, 2, 3)", "Expected `str | null`, got `int` - at `message`"),
        ("ctx.changed('tool')", "Invalid enum value 'tool' - at `what`"),
        ("await ctx.can('elicit')", "Invalid enum value 'elicit' - at `capability`"),
        ("await ctx.secret(5)", "Expected `str`, got `int` - at `key`"),
        ("await ctx.http.get('http://shop.test:8081/', headers={'X-Page': 5})", "Expected `str`, got `int` - at `headers[0][1]`"),
        ("await ctx.http.post('http://shop.test:8081/', content={'a': 1})", "Expected `bytes | null`, got `object` - at `body`"),
    ],
)
async def test_what_ctx_does_not_take_is_an_error_in_the_line_that_gave_it(line: str, said: str, tmp_path: Path) -> None:
    async with serving(tmp_path, size=1) as server:
        answer = await server.call(line)
        assert (answer.error_code, "TypeError" in (answer.text or "")) == ("tool_failed", True), answer
        assert said in server.log
        assert line.removeprefix("await ") in server.log
        # A mistake costs no worker.
        (worker,) = server.pool._alive
        assert (await server.call("import os\nreturn os.getpid()")).structured == worker.pid


async def test_code_that_fails_while_it_is_loaded_says_so_each_time_and_may_recover(tmp_path: Path) -> None:
    code = """
        import builtins
        builtins.loads = getattr(builtins, "loads", 0) + 1
        if builtins.loads < 3:
            raise OSError(f"load {builtins.loads}")

        async def run(args, ctx):
            return builtins.loads
    """
    async with serving(tmp_path, size=1) as server:
        assert [(await server.call(code)).error_code for _ in range(2)] == ["tool_failed"] * 2
        assert ["OSError: load" in text for _, text in server.lines] == [True, True], server.log
        assert (await server.call(code)).structured == 3


CANNOT_BE_SAID = {
    "an error whose code fails": ("class E(ctx.ToolError):\n    @property\n    def code(self): raise ValueError\nraise E", "tool_failed"),
    "an error whose code cannot be sent": ("class E(ctx.ToolError):\n    code = '\\ud800'\nraise E", "failed"),
    "an error whose code would end a line": ("class E(ctx.ToolError):\n    code = 'a\\r\\nb: c'\nraise E", "failed"),
    "more than its memory": ("return 'x' * (70 << 20)", "invalid_output"),
    "content among other values": ("return [ctx.text('a'), 'b']", "invalid_output"),
    "content that JSON cannot say": ("a = ctx.text('')\nreturn [a, type(a)(a.block | {'a': {None: 1}})]", "invalid_output"),
    "a question that is no form": ("return await ctx.elicit('Who?', 'string')", "invalid_question"),
    "a question that JSON cannot say": ("return await ctx.elicit('Who?', {'type': 'object', 'properties': {None: {}}})", "tool_failed"),
}


@pytest.mark.parametrize("name", CANNOT_BE_SAID)
async def test_what_cannot_be_said_is_an_error_at_once(name: str, tmp_path: Path) -> None:
    body, code = CANNOT_BE_SAID[name]
    async with serving(tmp_path, size=1) as server:
        answer = await server.call(body, context=Client({}))
        assert answer.error_code == code, (answer, server.log)
        assert server.pool.alive == 1


async def test_half_a_surrogate_pair_is_logged_as_an_escape(tmp_path: Path) -> None:
    async with serving(tmp_path, size=1) as server:
        answer = await server.call("print('\\ud800')\nctx.log('info', '\\udcff')\nctx.log('info', ['\\udcfe'])\nprint('\\ud801', end='')\nreturn 1")
        assert answer.structured == 1, server.log
        assert [text for _, text in server.lines] == ["tool: \\ud800", "tool: \\udcff", "tool: ['\\udcfe']", "tool: \\ud801"]


class Hesitant(Client):
    """Answers the first question when there is a second, and that one after `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__({})
        self.seconds, self.asked, self.both = seconds, 0, asyncio.Event()

    async def ask(self, questions: Mapping[str, Question]) -> dict[str, dict[str, Any]]:
        self.asked += 1
        if self.asked > 1:
            self.both.set()
            await asyncio.sleep(self.seconds)
        await self.both.wait()
        return {key: {"action": "accept", "content": {}} for key in questions}


async def test_a_tools_time_stands_still_until_the_last_of_its_questions_is_answered(tmp_path: Path) -> None:
    body = "import asyncio\nform = {'type': 'object'}\nreturn len(await asyncio.gather(ctx.elicit('a', form), ctx.elicit('b', form)))"
    async with serving(tmp_path, size=1) as server:
        await server.call("return 1")
        answer = await server.call(body, context=Hesitant(2.5), timeout=1.5)
        assert answer.structured == 2, answer


SPINS = "def spin():\n    while True: pass\n"
LATER = {
    "a timer": f"import asyncio\n{SPINS}asyncio.get_running_loop().call_later(0.01, spin)",
    # It answers all the same, so only the kernel shows that it computes.
    "a callback that calls itself": (
        "import asyncio, time\nloop = asyncio.get_running_loop()\ndef turn():\n"
        "    until = time.thread_time() + 0.01\n    while time.thread_time() < until: pass\n    loop.call_soon(turn)\nloop.call_soon(turn)"
    ),
    "addresses": "import builtins, mmap\nbuiltins.kept = mmap.mmap(-1, 110 << 20)",
}


@pytest.mark.parametrize("left", LATER)
async def test_what_a_call_leaves_behind_does_not_meet_the_next_one(left: str, tmp_path: Path) -> None:
    async with serving(tmp_path, size=1) as server:
        first = (await server.call(f"{LATER[left]}\nimport os\nreturn os.getpid()")).structured
        await computed(server, 0.2 if "callback" in left else 0.0)
        answer = await server.call("import os\nkept = bytearray(b'x' * (40 << 20))\nreturn os.getpid()", name="other")
        assert answer.error_code is None, answer
        assert (answer.structured == first) is (left == "a timer")


async def computed(server: Server, seconds: float) -> None:
    """Until the idle worker has used so much of a processor, or what became of it is settled."""
    await comes(lambda: not server.pool._held)
    if seconds:
        (worker,) = server.pool._alive
        began = sum(worker._stat_fields(11, 12))
        await comes(lambda: sum(worker._stat_fields(11, 12)) - began >= seconds * 100)


async def test_an_idle_worker_that_computes_is_ended_though_nobody_calls(tmp_path: Path) -> None:
    async with serving(tmp_path, size=1, idle_seconds=PATIENCE) as server:
        assert not (await server.call(f"{LATER['a callback that calls itself']}\nreturn 1")).is_error
        await computed(server, 0.2)
        server.pool._prune()
        assert server.pool.alive == 0


MANY_THREADS = """
import threading, time
threading.stack_size(65536)
for _ in range(20):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
time.sleep(600)
"""


async def test_a_worker_with_too_many_threads_ends_and_its_owner_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path, size=2) as server:
        answer = await server.call(MANY_THREADS)
        assert answer.error_code == "tool_failed", answer
        assert "it had more than 16 threads at once" in server.log


def test_threads_are_shared_by_all_workers_within_what_the_container_may_have(tmp_path: Path) -> None:
    assert most_tasks(5, str(tmp_path)) == 5 + 8 * 17
    for most, allowed in (("64", 48), ("max", 5 + 8 * 17), ("16", 5 + 16)):
        (tmp_path / "pids.max").write_text(f"{most}\n")
        assert most_tasks(5, str(tmp_path)) == allowed


async def test_a_tool_that_waits_because_it_has_crashed_is_not_told_that_others_are_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.tools.python._WAIT_SECONDS", 0.05)
    async with serving(tmp_path, size=2) as server:
        for _ in range(3):
            server.pool._losses.add("tool")
        answer = await server.call("return 1", timeout=0.05)
        assert answer.error_code == "busy", answer
        assert "just hung or crashed" in (answer.text or "")


# How Python hashes a pair (Objects/tupleobject.c): keys with one hash are compared with all that came before.
_FIRST, _SECOND, _FIFTH, _ALL = 11400714785074694791, 14029467366897019727, 2870177450012600261, 2**64 - 1


def alike(count: int) -> list[tuple[int, int]]:
    """Different pairs with the same hash."""
    wanted = 0x123456789ABCDEF * pow(_FIRST, -1, 2**64) & _ALL
    wanted = (wanted >> 31 | wanted << 33) & _ALL
    found: list[tuple[int, int]] = []
    for one in itertools.count():
        mixed = _FIFTH + one * _SECOND & _ALL
        mixed = (mixed << 31 | mixed >> 33) * _FIRST & _ALL
        other = (wanted - mixed) * pow(_SECOND, -1, 2**64) & _ALL
        if other < 2**61 - 1:
            found.append((one, other))
        if len(found) == count:
            return found
    raise AssertionError


async def test_keys_with_the_same_hash_do_not_hold_up_the_guard(tmp_path: Path) -> None:
    """In a frame of msgpack, where anything can be a key."""
    pairs = alike(10_000)
    assert len({hash(pair) for pair in pairs}) == 1
    held = b"".join(b"\x92" + msgspec.msgpack.encode(one) + msgspec.msgpack.encode(other) + b"\xc0" for one, other in pairs)
    frame = b"\xdf" + len(pairs).to_bytes(4, "big") + held
    body = """
        import asyncio, msgspec, os
        head = msgspec.msgpack.encode(["returned", ctx._call.number, True, None, True])
        frame = b"\\x97" + head[1:] + bytes.fromhex(args["frame"]) + b"\\x90"
        os.write(3, len(frame).to_bytes(4, "big") + frame)
        await asyncio.sleep(60)
    """
    async with serving(tmp_path, size=1) as server:
        await server.call("return 1")
        began = time.thread_time()
        answer = await server.call(body, {"frame": frame.hex()})
        assert (answer.error_code, "cannot be read" in server.log) == ("tool_failed", True), answer
        assert time.thread_time() - began < 0.5


NOT_JSON = "from runner.worker import Content\nasync def run(args, ctx):\n    return [ctx.text(''), Content(ctx.text('').block | {'a': {None: 1}})]\n"
ODD_CODE = "from runner.worker import ToolError\nclass E(ToolError):\n    code = 'a\\r\\nb: c'\nasync def run(args, ctx):\n    raise E('no')\n"
ASKS = "async def run(args, ctx):\n    return await ctx.elicit('Who?', {'type': 'object', 'properties': {None: {}}})\n"


def test_a_call_is_counted_and_answered_whatever_the_code_makes_of_its_answer() -> None:
    tools = [python_tool(name, code) for name, code in (("not_json", NOT_JSON), ("odd_code", ODD_CODE), ("asks", ASKS))]
    home = Home(spec(tools=msgspec.convert(tools, tuple[PythonTool, ...])))
    running = GuardProcess(home)
    asking = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}}
    for client in (Caller(home.socket), Caller(running.private, anonymous=True)):
        for name in ("not_json", "odd_code", "asks"):
            answer = client.modern("tools/call", {"name": name, "arguments": {}}, meta=asking)
            assert (answer.status, answer.json["result"]["isError"]) == (200, True), (name, answer)
    assert running.stop() == 0
    assert [call["error"] for call in home.calls()] == ["invalid_output", "failed", "tool_failed"]
    home.close()
