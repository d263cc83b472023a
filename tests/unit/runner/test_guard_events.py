"""The event file when the disk is full, nearly full, and has room again."""

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runner.guard.events import EventLog


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond a size, as on a disk that is full; the last write before it is cut short."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_that_could_not_be_written_follow_later_whole_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "events"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = EventLog(descriptor, version=1)
    with at_most(1000):
        for number in range(20):
            log.call(tool=f"tool{number}", started=0.0, ms=1.0)
    assert path.stat().st_size == 1000
    assert log.waiting > 10
    log.call(tool="tool20", started=0.0, ms=1.0)
    assert log.waiting == 0
    assert [line["tool"] for line in lines(path)] == [f"tool{number}" for number in range(21)]
    os.close(descriptor)


def test_more_lines_than_can_wait_are_counted_as_lost(tmp_path: Path) -> None:
    path = tmp_path / "events"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = EventLog(descriptor)
    with at_most(0):
        for _ in range(40_000):
            log.call(tool="t", started=0.0, ms=1.0)
    log.flush()
    *calls, last = lines(path)
    assert 0 < len(calls) < 40_000
    assert last["message"] == f"{40_000 - len(calls)} lines were lost while the event file could not be written"
    os.close(descriptor)


def test_a_line_says_what_the_store_keeps(tmp_path: Path) -> None:
    path = tmp_path / "events"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = EventLog(descriptor, version=4)
    log.call(tool="x" * 500, started=1_700_000_000.5, ms=1.23456, error="busy", subject="s", client="c", grant="g")
    log.log("info", "hello", at=0.0, tool="t")
    call, line = lines(path)
    assert line == {"type": "log", "at": "1970-01-01T00:00:00.000000Z", "level": "info", "message": "hello", "tool": "t"}
    assert call | {"id": ""} == {
        "type": "call",
        "id": "",
        "at": "2023-11-14T22:13:20.500000Z",
        "tool": "x" * 128,
        "ok": False,
        "ms": 1.235,
        "version": 4,
        "error": "busy",
        "subject": "s",
        "client": "c",
        "grant": "g",
    }
    os.close(descriptor)
