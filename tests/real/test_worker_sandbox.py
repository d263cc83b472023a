"""Code that attacks or misbehaves in the worker of a deployed server: nothing of it reaches the guard, another call or the appliance."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from tests.real.appliance import Box, call
from tests.unit.runner.attacks import HOLD, MISBEHAVIOURS, REFUSED, attack_code, python_tool
from tests.waiting import at_best

LOOK = """
import os
async def run(args, ctx):
    status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
    return {
        "uid": status["Uid"].split()[0], "caps": status["CapEff"], "filters": status.get("Seccomp_filters", "2"), "new": status["NoNewPrivs"],
        "parent": os.getppid(), "oom": open("/proc/self/oom_score_adj").read().strip(), "rss_mb": int(status["VmRSS"].split()[0]) // 1024,
        "writable": [path for path in ("/app", "/control", "/opt/bmm", "/usr", "/tmp") if os.access(path, os.W_OK)],
        "secret": await ctx.secret("SHOP_KEY") == "test-key", "environment": sorted(os.environ),
    }
"""

# As many as the loop's own executor has.
THREADS = """
import asyncio, time
async def run(args, ctx):
    await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.5) for _ in range(4)))
    return "all ran"
"""


def module(body: str) -> str:
    return body if "async def run(" in body else "async def run(args, ctx):\n" + "\n".join(f"    {line}" for line in body.splitlines())


def untried(tool: dict[str, Any]) -> dict[str, Any]:
    """The tool, with an argument that a trial cannot make up: what misbehaves there would not be deployed."""
    properties = {**tool["input_schema"].get("properties", {}), "go": {"type": "string", "pattern": r"^(g)o\1$"}}
    return {**tool, "input_schema": {**tool["input_schema"], "properties": properties, "required": ["go"]}}


class Served(NamedTuple):
    box: Box
    url: str
    first: list[str]
    """The container's name at the beginning."""

    def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        # A token of its own: the calls of one grant are limited by the minute.
        return call(self.url, self.box.token("coded"), tool, go="gog", **arguments)


@pytest.fixture(scope="module")
def served(box: Box) -> Served:
    """One server with every attack and every misbehaviour as a tool."""
    parsed = [name for name, (body, _) in MISBEHAVIOURS.items() if name != "code that does not parse"]
    tools = [
        *(untried(python_tool(f"attack_{number}", attack_code(each))) for number, each in enumerate(REFUSED)),
        *(untried(python_tool(f"odd_{number}", module(MISBEHAVIOURS[name][0]), timeout=2)) for number, name in enumerate(parsed)),
        python_tool("hold", HOLD),
        python_tool("threads", THREADS),
        python_tool("look", LOOK),
        python_tool("other", "async def run(args, ctx): return 'mine'"),
    ]
    hosts = [{"name": "shop.test", "port": box.shop_port, "plain": True}]
    url = box.deploy("coded", {"name": "Coded", "tools": tools, "secrets": [{"key": "SHOP_KEY"}], "hosts": hosts})
    (one,) = box.containers()
    return Served(box, url, one["Names"])


def other_answers_at_once(served: Served) -> None:
    token = served.box.token("coded")

    def took() -> float:
        began = time.monotonic()
        assert call(served.url, token, "other")["content"][0]["text"] == "mine"
        return time.monotonic() - began

    at_best(took, within=2)


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=[each.name for each in REFUSED])
def test_the_kernel_refuses_to(number: int, served: Served) -> None:
    token = served.box.token("coded")
    with ThreadPoolExecutor(1) as beside:
        held = beside.submit(call, served.url, token, "hold", seconds=1)
        time.sleep(0.4)
        result = call(served.url, token, f"attack_{number}", go="gog")
        held.result()
    found = result.get("structuredContent", {}).get("found")
    assert found, result
    assert set(found) <= REFUSED[number].may, found
    other_answers_at_once(served)


@pytest.mark.parametrize("number", range(len(MISBEHAVIOURS) - 1), ids=[name for name in MISBEHAVIOURS if name != "code that does not parse"])
def test_a_tool_with(number: int, served: Served) -> None:
    result = served.call(f"odd_{number}")
    assert "forged" not in result["content"][0]["text"]
    assert served.box.calls("coded")
    other_answers_at_once(served)


def test_a_worker_is_as_confined_as_the_guard_and_more(served: Served) -> None:
    found = served.call("look")["structuredContent"]
    assert (found["uid"], found["caps"], found["new"], found["parent"], found["oom"]) == ("10", "0" * 16, "1", 1, "1000")
    assert int(found["filters"]) >= 2
    assert found["writable"] in ([], ["/tmp"])  # the kernel says no to /tmp later, when a file is opened
    assert found["secret"] is True
    assert not [name for name in found["environment"] if "KEY" in name]


def test_threads_of_one_worker_leave_the_others_theirs(served: Served) -> None:
    token, others = served.box.token("coded"), range(6)
    with ThreadPoolExecutor(len(others)) as beside:
        # First workers that are there before the others: the kernel counts the threads of all of them together.
        list(beside.map(lambda _: call(served.url, token, "hold", seconds=1), others))
        found = list(beside.map(lambda _: call(served.url, token, "threads"), others))
    assert [each["content"][0]["text"] for each in found] == ["all ran"] * len(others), served.box.bmm("logs", "coded").stdout[-2000:]


def test_the_server_lives_on_without_a_restart(served: Served) -> None:
    (one,) = served.box.containers()
    assert one["State"] == "running"
    words = [line for line in served.box.bmm("logs", "coded").stdout.splitlines() if "looked after" in line or "could not be started" in line]
    assert words == []
    assert one["Names"] == served.first
    assert served.call("other")["content"][0]["text"] == "mine"


def test_code_that_does_not_parse_is_not_deployed(box: Box) -> None:
    spec = {"name": "Bad", "tools": [python_tool("bad", "async def run(args, ctx): return )")]}
    with pytest.raises(AssertionError, match="line 1"):
        box.deploy("bad", spec)
