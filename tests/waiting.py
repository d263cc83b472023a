"""Wait for what another process does, which nothing here can be told of, and for work that must not take long."""

import asyncio
import time
from collections.abc import Awaitable, Callable

PATIENCE = 25.0
"""Seconds. What comes, comes long before; on a machine that is busy with something else it may take a while. Less than what the guard itself waits for."""


def eventually(holds: Callable[[], bool], *, seconds: float = PATIENCE, what: str = "it") -> None:
    """Return as soon as this holds. It may hold already, and is asked often; AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.01)


async def comes(holds: Callable[[], bool], *, what: str = "it") -> None:
    """As `eventually`, while the loop goes on."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE:g} s"
        await asyncio.sleep(0.01)


def at_best(took: Callable[[], float], *, within: float, tries: int = 5) -> None:
    """One of some tries takes less than so many seconds: what is slow by itself is slow in all of them, a busy machine in a few."""
    tried: list[float] = []
    while not tried or tried[-1] >= within:
        assert len(tried) < tries, f"{tried} s, where {within:g} s would do"
        tried.append(took())


async def best(took: Callable[[], Awaitable[float]], *, within: float, tries: int = 5) -> None:
    """As `at_best`, on the loop."""
    tried: list[float] = []
    while not tried or tried[-1] >= within:
        assert len(tried) < tries, f"{tried} s, where {within:g} s would do"
        tried.append(await took())


def well_before_midnight(seconds: float = 60) -> None:
    """What is counted by the day is counted anew at midnight (UTC): not while a test looks."""
    if (left := 86400 - time.time() % 86400) < seconds:
        time.sleep(left)


def processor_seconds(work: Callable[[], object]) -> float:
    """What this thread computes, whoever else keeps the machine busy."""
    began = time.thread_time()
    work()
    return time.thread_time() - began
