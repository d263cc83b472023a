"""One server with tools of all three kinds, from a folder to the official client, while some of its code hangs and some of it crashes."""

import asyncio
import contextlib
import json
import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.real.appliance import KEY, Box, call
from tests.real.sql_server import tool
from tests.waiting import eventually

PRODUCTS = {"p-100": (690, 3), "p-101": (590, 14), "p-102": (1290, 5)}
"""Price, which the shop's API knows, and pieces, which the database knows."""
WORTH = """
from runner.worker import Ctx


async def run(args: dict, ctx: Ctx) -> dict:
    product = args["product"]
    (row,) = await ctx.sql("main", "SELECT pieces FROM stock WHERE product = :product", product=product)
    answer = await ctx.http.get(f"http://shop.test:PORT/v1/products/{product}", headers={"X-Api-Key": await ctx.secret("SECRET")})
    return {"product": product, "worth": answer.raise_for_status().json()["price"] * row["pieces"]}
"""
HANG = "async def run(args, ctx):\n    while True:\n        pass\n"
CRASH = """
import ctypes
import os


async def run(args, ctx):
    match args["how"]:
        case "exit":
            os._exit(0)
        case "segfault":
            ctypes.string_at(0)
        case "memory":
            return len(bytearray(1 << 40))
"""
CRASHES = {"exit": "ended its process", "segfault": "ended its process", "memory": "The tool failed (MemoryError)"}
HANGS_SECONDS = 1
AT_ONCE = 6
RIGHT, MANY = ("getProduct", "pieces", "worth"), 20
"""The tools that go on, and how many answers of each there are to be meanwhile."""

GO = {"go": "gog"}
"""An argument that a trial cannot make up: what misbehaves there would not be deployed."""


def python(name: str, argument: str | None = None, *, go: bool = False, **more: Any) -> dict[str, Any]:
    properties = {} if argument is None else {argument: {"type": "string"}}
    properties |= {"go": {"type": "string", "pattern": r"^(g)o\1$"}} if go else {}
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"kind": "python", "name": name, "description": name, "input_schema": schema, "file": f"tools/{name}.py", **more}


@pytest.fixture(scope="module")
def folder(box: Box, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a person has written: `spec.json`, `tools/*.py` and a database."""
    place = tmp_path_factory.mktemp("mixed")
    spec = box.spec("getProduct")
    (need,) = spec["secrets"]
    worth = WORTH.replace("PORT", str(box.shop_port)).replace("SECRET", need["key"])
    (place / "tools").mkdir()
    for name, code in {"worth": worth, "hang": HANG, "crash": CRASH}.items():
        (place / f"tools/{name}.py").write_text(code)
    with sqlite3.connect(place / "stock.db") as db:
        db.execute("CREATE TABLE stock (product TEXT PRIMARY KEY, pieces INTEGER NOT NULL)")
        db.executemany("INSERT INTO stock VALUES (?, ?)", [(name, pieces) for name, (_, pieces) in PRODUCTS.items()])
    spec |= {
        "databases": [{"name": "main", "kind": "sqlite", "file": "stock.db"}],
        "tools": [
            *spec["tools"],
            tool("pieces", "SELECT pieces FROM stock WHERE product = :product", properties={"product": {"type": "string"}}),
            python("worth", "product"),
            python("hang", go=True, timeout=HANGS_SECONDS),
            python("crash", "how", go=True, timeout=60),
        ],
    }
    (place / "spec.json").write_text(json.dumps(spec))
    return place


@pytest.fixture(scope="module")
def url(box: Box, folder: Path) -> str:
    (need,) = json.loads((folder / "spec.json").read_text())["secrets"]
    box.bmm("secret", "set", "mixed", need["key"], "--next", stdin=KEY.encode())
    return str(json.loads(box.bmm("deploy", str(folder), "--slug", "mixed", "--json").stdout)["url"])


def test_what_hangs_and_crashes_is_told_and_everything_else_goes_on(box: Box, url: str) -> None:
    token, before = box.token("mixed"), box.containers()
    right, ended = asyncio.run(_under_load(url, token))
    assert min(right[name] for name in RIGHT) >= MANY, right
    assert min(ended[name] for name in ("hang", *CRASHES)) >= 3, ended
    (was,), (one,) = before, box.containers()
    assert (one["Id"], one["Pid"], one["StartedAt"], one["State"]) == (was["Id"], was["Pid"], was["StartedAt"], "running")
    # Once more, because a fast machine has made more calls since than are listed.
    assert call(url, token, "hang", **GO)["isError"]
    assert call(url, token, "crash", how="exit", **GO)["isError"]
    eventually(lambda: {each["tool"] for each in box.calls("mixed") if not each["ok"]} == {"hang", "crash"})
    lines = box.bmm("logs", "mixed").stdout
    assert "tool hang did not return within 1 s" in lines
    assert "the worker of tool crash is gone" in lines
    assert call(url, token, "worth", product="p-100")["structuredContent"] == {"product": "p-100", "worth": 2070}


def test_who_computes_for_long_gives_way_to_the_guard(box: Box, url: str) -> None:
    token, (one,) = box.token("mixed"), box.containers()
    seen = threading.Event()

    def hangs() -> None:
        while not seen.is_set():
            assert call(url, token, "hang", **GO)["isError"]

    with ThreadPoolExecutor(1) as beside:
        hanging = beside.submit(hangs)
        try:
            eventually(lambda: os.SCHED_IDLE in _policies(one["Pid"]))
        finally:
            seen.set()
        assert os.sched_getscheduler(one["Pid"]) == os.SCHED_OTHER
        hanging.result()


def _policies(guard: int) -> list[int]:
    """How the kernel schedules the workers of a guard."""
    found = []
    for pid in Path(f"/proc/{guard}/task/{guard}/children").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            found.append(os.sched_getscheduler(int(pid)))
    return found


async def _under_load(url: str, token: str) -> tuple[Counter[str], Counter[str]]:
    """How many answers of each tool were right, and how many calls of those that misbehave ended as they should."""
    right: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=90) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):

        async def fails(name: str, words: str, arguments: dict[str, str]) -> None:
            how = arguments.get("how", name)
            while ended[how] < 3 or min(right[each] for each in RIGHT) < MANY:
                result = await client.call_tool(name, arguments | GO)
                assert result.is_error, result
                assert words in _text(result)
                ended[how] += 1

        async def answers(number: int) -> None:
            while not over.is_set():
                product = list(PRODUCTS)[number % len(PRODUCTS)]
                for name, argument, expected in _expected(product):
                    result = await client.call_tool(name, {argument: product})
                    assert not result.is_error, result
                    assert expected(result.structured_content), result
                    right[name] += 1

        over = asyncio.Event()
        async with asyncio.TaskGroup() as load:
            for number in range(AT_ONCE):
                load.create_task(answers(number))
            try:
                async with asyncio.TaskGroup() as trouble:
                    trouble.create_task(fails("hang", f"did not answer within {HANGS_SECONDS} seconds", {}))
                    for how, words in CRASHES.items():
                        trouble.create_task(fails("crash", words, {"how": how}))
            finally:
                over.set()
    return right, ended


def _expected(product: str) -> list[tuple[str, str, Callable[[Any], bool]]]:
    """The tools, the name of the argument that each takes, and what its answer must be."""
    price, pieces = PRODUCTS[product]
    return [
        ("getProduct", "productId", lambda found: (found["id"], found["price"]) == (product, price)),
        ("pieces", "product", lambda found: found["rows"] == [{"pieces": pieces}]),
        ("worth", "product", lambda found: found == {"product": product, "worth": price * pieces}),
    ]


def _text(result: Any) -> str:
    return str(result.content[0].text)
