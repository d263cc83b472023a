"""Python tools that behave, in a real worker: what they return, what `ctx` gives them, and how workers are shared."""

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runner.tools.context import InputNeeded, NotCapable, Question
from runner.tools.result import ToolAnswer
from tests.unit.runner.coded import Client, Server, serving
from tests.unit.runner.scripted import Upstream, said
from tests.waiting import PATIENCE, comes


async def once(folder: Path, body: str, arguments: dict[str, Any] | None = None, context: Any = None, **options: Any) -> ToolAnswer:
    async with serving(folder, size=1) as server:
        return await server.call(body, arguments, context, **options)


@pytest.mark.parametrize(
    ("body", "text", "structured"),
    [
        ("return 'words'", "words", None),
        ("return {'a': [1, 2.5, None, True]}", '{"a":[1,2.5,null,true]}', {"a": [1, 2.5, None, True]}),
        ("return [1, 'b']", '[1,"b"]', [1, "b"]),
        ("return 7", "7", 7),
        ("pass", "null", None),
        ("import datetime\nreturn {'at': datetime.date(2026, 1, 2)}", '{"at":"2026-01-02"}', {"at": "2026-01-02"}),
        ("return ctx.text('words')", "words", None),
        ("return args['b'] - args['a']", "3", 3),
    ],
)
async def test_what_is_returned_becomes_the_answer(body: str, text: str, structured: object, tmp_path: Path) -> None:
    answer = await once(tmp_path, body, {"a": 1, "b": 4})
    assert (answer.text, answer.structured, answer.is_error) == (text, structured, False)


async def test_content_blocks_are_those_of_the_protocol(tmp_path: Path) -> None:
    answer = await once(tmp_path, "return [ctx.text('a'), ctx.image(b'i'), ctx.audio(b's'), ctx.resource('x:/y', 'z'), ctx.link('x:/y', 'y')]")
    assert answer.blocks == (
        {"type": "text", "text": "a"},
        {"type": "image", "data": "aQ==", "mimeType": "image/png"},
        {"type": "audio", "data": "cw==", "mimeType": "audio/wav"},
        {"type": "resource", "resource": {"uri": "x:/y", "text": "z"}},
        {"type": "resource_link", "uri": "x:/y", "name": "y"},
    )


async def test_an_error_that_the_tool_raises_is_told_to_the_model(tmp_path: Path) -> None:
    answer = await once(tmp_path, "from runner.worker import ToolError\nasync def run(args, ctx):\n    raise ToolError('Give a city.')")
    assert (answer.text, answer.error_code, answer.is_error) == ("Give a city.", "failed", True)


async def test_any_other_error_is_for_the_owner_and_says_where(tmp_path: Path) -> None:
    async with serving(tmp_path, size=1) as server:
        answer = await server.call("key = await ctx.secret('SHOP_KEY')\nraise ValueError(f'bad {key}')", name="price")
        assert answer.error_code == "tool_failed"
        assert "ValueError" in (answer.text or "")
        assert "bad" not in (answer.text or "")
        assert 'File "tools/price.py", line 3, in run' in server.log
        assert "raise ValueError" in server.log
        assert "bad <SHOP_KEY>" in server.log
        assert "hunter22" not in server.log


async def test_lines_and_messages_reach_whom_they_are_for(tmp_path: Path) -> None:
    client = Client()
    async with serving(tmp_path, size=1) as server:
        await server.call("print('a line')\nctx.log('warning', {'n': 1})\nawait ctx.progress(1, 2, 'half')", context=client)
        assert server.lines == [("info", "tool: a line"), ("warning", 'tool: {"n":1}')]
    assert client.told == [("warning", {"n": 1}, "tool"), ("progress", 1, 2, "half")]


@pytest.mark.parametrize(("key", "code"), [("UNSET", "secret_missing"), ("UNLISTED", "secret_unknown")])
async def test_only_secrets_of_the_spec_are_given(key: str, code: str, tmp_path: Path) -> None:
    answer = await once(tmp_path, f"return await ctx.secret({key!r})")
    assert (answer.is_error, answer.error_code) == (True, code)


async def test_queries_go_to_the_guard(tmp_path: Path) -> None:
    answer = await once(tmp_path, "return await ctx.sql('main', 'select :id', id=3)")
    assert answer.structured == [{"query": "select :id", "id": 3}]
    answer = await once(tmp_path, "return await ctx.sql('other', 'select 1')")
    assert answer.error_code == "sql_unknown"


async def test_requests_go_out_by_the_ways_of_the_spec(tmp_path: Path) -> None:
    upstream = Upstream([said({"price": 5}, x_more="yes"), said({"error": "no"}, status=404)])
    listener = await asyncio.start_unix_server(upstream.serve, str(tmp_path / "0.sock"))
    body = """
        async def run(args, ctx):
            found = await ctx.http.get("http://shop.test:8081/items/é", params={"q": ["a b", 1], "gone": None}, headers={"Authorization": "x"})
            missing = await ctx.http.post("http://shop.test:8081/items", json={"n": 1})
            return [found.status, found.headers["x-more"], found.json(), missing.status, missing.ok, missing.text]
    """
    answer = await once(tmp_path, body)
    listener.close()
    assert answer.structured == [200, "yes", {"price": 5}, 404, False, '{"error":"no"}']
    assert upstream.targets == ["/items/%C3%A9?q=a+b&q=1", "/items"]
    assert "Authorization: x\r\n" in upstream.heads[0]
    assert "Content-Type: application/json\r\n" in upstream.heads[1]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("get('https://evil.test/')", "egress_denied"),
        ("get('http://shop.test:8082/')", "egress_denied"),
        ("get('file:///etc/passwd')", "invalid_url"),
        ("get('http://shop.test:8081/', headers={'Host': 'evil.test'})", "request_not_http"),
        ("get('http://shop.test:8081/', headers={'X': 'a\\r\\nb: c'})", "request_not_http"),
        ("request('GET / HTTP/1.1', 'http://shop.test:8081/')", "request_not_http"),
        ("request('CONNECT', 'http://shop.test:8081/')", "request_not_http"),
        *((f"get('http://shop.test:8081/', headers={{{name!r}: 'x'}})", "request_not_http") for name in ("Host ", "HOST", "a:b", "a\nb", "", "Upgrade")),
        ("get('http://shop.test:8081/', headers={'Content-Length': '0'})", "request_not_http"),
        ("get('http://evil.test@shop.test:8081/')", "invalid_url"),
        ("get('http://shop.test:8081@evil.test/')", "invalid_url"),
        ("get('http://shop.test.evil.test:8081/')", "egress_denied"),
        ("get('http://shop.test:8081\\\\@evil.test/')", "invalid_url"),
        ("get('http://shop.test:8081/')", "upstream_unreachable"),
    ],
)
async def test_requests_that_may_not_or_cannot_be_made_say_why(call: str, code: str, tmp_path: Path) -> None:
    answer = await once(tmp_path, f"return (await ctx.http.{call}).status")
    assert (answer.is_error, answer.error_code) == (True, code), answer


async def test_a_person_is_asked_and_may_take_longer_than_the_tool(tmp_path: Path) -> None:
    client = Client({"question-1": {"action": "accept", "content": {"name": "Ada"}}}, delay=2.5)
    body = "answer = await ctx.elicit('Who?', {'type': 'object', 'properties': {}})\nreturn answer['content']['name']"
    assert (await once(tmp_path, body, context=client, timeout=2)).text == "Ada"


async def test_a_question_ends_the_run_and_leaves_the_worker_free(tmp_path: Path) -> None:
    async with serving(tmp_path, size=1) as server:
        with pytest.raises(InputNeeded) as asked:
            await server.call("await ctx.elicit('Who?', {'type': 'object'})", context=Client(asks_back=True))
        assert asked.value.questions["question-1"].params["message"] == "Who?"
        with pytest.raises(NotCapable):
            await server.call("await ctx.elicit('Who?', {'type': 'object'})")
        assert (await server.call("return await ctx.can('elicitation')")).structured is False
        assert server.pool.alive == 1
        assert server.log == ""


async def test_a_log_that_was_set_up_once_goes_on_in_later_calls(tmp_path: Path) -> None:
    code = """
        import logging
        logging.basicConfig(level="INFO", format="%(message)s")

        async def run(args, ctx):
            logging.info("run %s", args["n"])
    """
    async with serving(tmp_path, size=1) as server:
        for n in (1, 2):
            await server.call(code, {"n": n})
        assert server.lines == [("info", "tool: run 1"), ("info", "tool: run 2")]


async def test_what_is_too_large_to_be_asked_or_said_is_told_to_the_code(tmp_path: Path) -> None:
    async with serving(tmp_path, size=1) as server:
        await server.call("ctx.log('info', ['x' * 1000] * 1000)\nctx.log('info', 'y' * 200_000)\nctx.log('info', 10**30)")
        assert [text[:9] for _, text in server.lines] == ["tool: ['x", "tool: yyy", "tool: 100"]
        answer = await server.call("await ctx.sql('main', 'select :x', x='x' * 200_000)")
        assert (answer.error_code, "at most 128 KiB" in (answer.text or "")) == ("failed", True)
        answer = await server.call("await ctx.http.post('http://shop.test:8081/', content=b'x' * (5 << 20))")
        assert "at most 4,160 KiB" in (answer.text or "")
        assert server.pool.alive == 1


async def test_a_secret_is_not_logged_however_it_is_written(tmp_path: Path) -> None:
    async with serving(tmp_path, size=1) as server:
        await server.call("key = await ctx.secret('PEM')\nprint(key)\nctx.log('info', {'key': key})\nprint('x' * 8190 + key)")
        assert "BEGIN <PEM>" not in server.log
        assert server.log.count("<PEM>") >= 3
        assert not any(word in server.log for word in ("first line", "second", 'wi\\"th'))


async def test_a_question_is_heard_while_the_client_is_slow_to_take_messages(tmp_path: Path) -> None:
    class Slow(Client):
        async def log(self, level: Any, data: object, logger: str | None = None) -> None:
            await asyncio.sleep(0.3)

    async with serving(tmp_path, size=1) as server:
        body = "import asyncio\nasked = asyncio.ensure_future(ctx.elicit('Who?', {'type': 'object'}))\n"
        body += "await asyncio.sleep(0)\nctx.log('info', 'x')\nawait asked"
        with pytest.raises(InputNeeded):
            await server.call(body, context=Slow(asks_back=True, delay=0.1), timeout=PATIENCE)


async def test_a_worker_that_comes_in_the_last_moment_is_not_lost(tmp_path: Path) -> None:
    async with serving(tmp_path, size=2) as server:
        pool, loop = server.pool, asyncio.get_running_loop()
        worker = await pool.take("first", seconds=PATIENCE)
        # In one round of the loop: the worker is free, then the time is over.
        loop.call_soon(pool._rest, worker)
        assert await pool.take("second", seconds=0) is worker
        pool.leave("second", worker, None)
        await asyncio.sleep(0.05)
        assert pool._held["second"] == 0


async def worker_of(server: Server, name: str = "tool") -> int:
    return int((await server.call("import os\nreturn os.getpid()", name=name)).structured)


async def test_a_worker_is_used_again_and_a_timeout_that_ends_cleanly_costs_none(tmp_path: Path, patient: None) -> None:
    async with serving(tmp_path, size=1) as server:
        first = await worker_of(server)
        answer = await server.call("import asyncio\nawait asyncio.sleep(60)", timeout=0.2)
        assert answer.error_code == "timeout"
        assert await worker_of(server) == first
        await server.call("import asyncio, time\nawait asyncio.to_thread(time.sleep, 0.01)")
        assert await worker_of(server) == first


@pytest.mark.parametrize(
    "left",
    [
        "import threading, time\nthreading.active_count = lambda: 1\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "import builtins\nbuiltins.kept = bytearray(b'x' * (60 << 20))",
        "import os\nfrom runner.worker import frames\n"
        "os.write(3, frames.framed(frames.Returned(ctx._call.number, True)) + frames.framed(frames.Note(2, None, 'x')))",
    ],
    ids=["a thread, hidden", "memory", "a frame for later"],
)
async def test_a_worker_with_something_left_in_it_is_replaced(left: str, tmp_path: Path) -> None:
    async with serving(tmp_path, size=2) as server:
        first = await worker_of(server)
        assert not (await server.call(left)).is_error
        await asyncio.sleep(0.2)
        assert await worker_of(server) != first


async def test_a_task_that_a_call_leaves_behind_does_not_go_on(tmp_path: Path) -> None:
    async with serving(tmp_path, size=1) as server:
        body = """
            import asyncio, builtins
            async def later():
                await asyncio.sleep(0.1)
                builtins.went_on = True
            ctx.kept = asyncio.ensure_future(later())
        """
        assert not (await server.call(body)).is_error
        await asyncio.sleep(0.3)
        assert (await server.call("import builtins\nreturn hasattr(builtins, 'went_on')")).structured is False


async def test_a_call_that_is_cancelled_frees_its_worker(tmp_path: Path, patient: None) -> None:
    async with serving(tmp_path, size=1) as server:
        first = await worker_of(server)
        task = asyncio.ensure_future(server.call("import asyncio\nawait asyncio.sleep(60)", timeout=60))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await worker_of(server) == first


class Held(Client):
    """Asked, it answers nobody until it may; `asked` says how many wait, each with a worker of its own."""

    def __init__(self) -> None:
        super().__init__({"question-1": {"action": "accept", "content": {}}})
        self.asked, self.answers = 0, asyncio.Event()

    async def ask(self, questions: Mapping[str, Question]) -> dict[str, dict[str, Any]]:
        self.asked += 1
        await self.answers.wait()
        return await super().ask(questions)


async def test_one_tool_never_holds_all_workers(tmp_path: Path) -> None:
    async with serving(tmp_path, size=3) as server:
        client = Held()
        slow = [
            asyncio.ensure_future(server.call("await ctx.elicit('Who?', {'type': 'object'})", name="slow", context=client, timeout=60)) for _ in range(6)
        ]
        await comes(lambda: client.asked == 2)
        assert await worker_of(server, "quick")
        assert (server.pool.alive, client.asked) == (3, 2)
        client.answers.set()
        assert all(not answer.is_error for answer in await asyncio.gather(*slow))


async def test_a_thousand_calls_wait_and_half_of_them_are_cancelled(tmp_path: Path) -> None:
    async with serving(tmp_path, size=2) as server:
        calls = [asyncio.ensure_future(server.call("return args['n']", {"n": n}, name=f"tool{n % 3}", timeout=60)) for n in range(1000)]
        await comes(lambda: any(call.done() for call in calls))
        for call in calls[::2]:
            call.cancel()
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert [answer.structured for answer in done[1::2] if isinstance(answer, ToolAnswer)] == list(range(1, 1000, 2))
        await comes(lambda: not server.pool._held)
        assert server.pool.alive <= 2
        assert (await server.call("return 'mine'")).text == "mine"


async def test_idle_workers_end(tmp_path: Path) -> None:
    async with serving(tmp_path, size=2, idle_seconds=0.2) as server:
        pid = await worker_of(server)
        await comes(lambda: server.pool.alive == 0 and str(pid) not in os.listdir("/proc"))
        assert await worker_of(server) != pid


async def test_a_worker_that_dies_while_idle_costs_no_call(tmp_path: Path) -> None:
    async with serving(tmp_path, size=2) as server:
        assert (await server.call("return 1")).structured == 1
        (worker,) = server.pool._alive
        os.kill(worker.pid, signal.SIGKILL)
        await comes(lambda: not worker.line.silent)
        assert (await server.call("return 2")).structured == 2


async def test_workers_that_die_again_and_again_cost_no_place(tmp_path: Path) -> None:
    async with serving(tmp_path, size=2) as server:
        for number, ending in enumerate(("os._exit(0)", "os.close(3)", "os.write(3, b'\\xff' * 9)", "ctypes.string_at(0)") * 2):
            # Another tool each time: one that loses a worker twice has to wait, and runs only where nobody else wants the processor.
            answer = await server.call(f"import ctypes, os\n{ending}\nimport time\ntime.sleep(60)", name=f"tool{number}", timeout=30)
            assert answer.error_code == "tool_failed", (ending, answer)
        await asyncio.sleep(0.3)
        assert server.pool.alive <= 2
        assert "looked after" not in server.log
        assert (await server.call("return 'mine'")).text == "mine"


async def test_code_is_given_no_environment_and_no_descriptor_but_its_own(tmp_path: Path) -> None:
    body = """
        import os, sys
        kinds = {}
        for name in os.listdir("/proc/self/fd"):
            try:
                kinds[name] = os.readlink(f"/proc/self/fd/{name}").partition(":")[0]
            except OSError:
                pass
        return [sorted(os.environ), kinds, sys.argv[1:]]
    """
    names, descriptors, arguments = (await once(tmp_path, body)).structured
    assert set(names) <= {"LANG", "MALLOC_ARENA_MAX", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "LC_CTYPE"}
    # The socket, and what an event loop is made of: an epoll and a pair of its own.
    assert {name: kind for name, kind in descriptors.items() if int(name) < 7} == {
        "0": "/dev/null", "1": "/dev/null", "2": "/dev/null", "3": "socket", "4": "anon_inode", "5": "socket", "6": "socket"
    }  # fmt: skip
    assert not [name for name in descriptors if int(name) > 7]
    assert arguments == ["worker", "128"]


async def test_a_number_that_no_worker_can_be_handed_is_an_error_of_the_arguments(tmp_path: Path) -> None:
    async with serving(tmp_path, size=2) as server:
        answer = await server.call("return args['n']", {"n": 2**64})
        assert (answer.error_code, "64 bits" in (answer.text or "")) == ("invalid_arguments", True)
        assert (await server.call("return args['n']", {"n": 2**64 - 1})).structured == 2**64 - 1
        assert server.log == ""
