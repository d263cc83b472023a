"""Huey on a SQLite file of its own, embedded: JSON on disk, no signal handlers, workers as threads. The only module that imports it.

Huey loses running tasks on kill -9, so a message carries an id and nothing else; at start every unfinished row is queued again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from huey import SqliteHuey
from huey.consumer import Consumer
from huey.registry import Message
from huey.serializer import Serializer

_LONGEST_TASK = 60.0


class _Json(Serializer):  # type: ignore[misc]
    """Huey's default is pickle, which would let a restored file run code."""

    def _serialize(self, data: Message) -> bytes:
        return msgspec.json.encode(list(data))

    def _deserialize(self, data: bytes) -> Message:
        return Message(*msgspec.json.decode(data, type=list[Any]))


class _Embedded(Consumer):  # type: ignore[misc]
    """uvicorn owns the signals; Huey would replace its handlers and keep the process alive."""

    def _set_signal_handlers(self) -> None:
        pass


class Queue:
    """Wakes a worker for a build. `start` and `stop` belong to the life of `bmm serve`."""

    def __init__(self, path: Path, run_build: Callable[[str], None], *, workers: int = 2) -> None:
        self._huey = SqliteHuey("bmm", filename=str(path), serializer=_Json(), results=False, utc=True)
        self._build = self._huey.task(name="build")(run_build)
        # The defaults let a worker sleep up to 10 s after an idle time.
        self._consumer = _Embedded(self._huey, workers=workers, periodic=False, initial_delay=0.02, backoff=1.0, max_delay=0.05)

    def start(self) -> None:
        self._consumer.start()

    def stop(self) -> None:
        """Let running tasks finish, then end the workers."""
        self._consumer.stop(graceful=True)
        for _, thread in self._consumer.worker_threads:
            thread.join(_LONGEST_TASK)

    def build(self, build_id: str) -> None:
        """Some worker should look at this build soon."""
        self._build(build_id)
