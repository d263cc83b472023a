"""Huey on a SQLite file of its own, embedded: JSON on disk, no signal handlers, workers as threads. The only module that imports it.

Huey loses running tasks on kill -9, so a message carries an id and nothing else; at start every unfinished row is queued again.
"""

from collections.abc import Callable
from datetime import datetime
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
        message = Message(*msgspec.json.decode(data, type=list[Any]))
        # The time of a task that is for later: naive UTC, as Huey compares it.
        return message._replace(eta=datetime.fromisoformat(message.eta)) if message.eta else message


class _Embedded(Consumer):  # type: ignore[misc]
    """uvicorn owns the signals; Huey would replace its handlers and keep the process alive."""

    def _set_signal_handlers(self) -> None:
        pass


class _Lane:
    """One kind of work with workers of its own: a model that answers slowly must not keep a build waiting."""

    def __init__(self, path: Path, name: str, act: Callable[[str], None], *, workers: int, longest_sleep: float) -> None:
        self._huey = SqliteHuey(f"bmm-{name}", filename=str(path), serializer=_Json(), results=False, utc=True)
        self.wake = self._huey.task(name=name)(act)
        # The defaults let a worker sleep up to 10 s after an idle time.
        self._consumer = _Embedded(self._huey, workers=workers, periodic=False, initial_delay=0.02, backoff=1.0, max_delay=longest_sleep)
        self.start = self._consumer.start

    def stop(self) -> None:
        self._consumer.stop(graceful=True)
        for _, thread in self._consumer.worker_threads:
            thread.join(_LONGEST_TASK)


class Queue:
    """Wakes a worker for a build or a draft. `start` and `stop` belong to the life of `bmm serve`."""

    def __init__(self, path: Path, run_build: Callable[[str], None], run_draft: Callable[[str], None], *, workers: int = 2) -> None:
        self._builds = _Lane(path, "build", run_build, workers=workers, longest_sleep=0.05)
        self._drafts = _Lane(path, "draft", run_draft, workers=workers, longest_sleep=0.2)

    def start(self) -> None:
        self._builds.start()
        self._drafts.start()

    def stop(self) -> None:
        """Let running tasks finish, then end the workers."""
        self._builds.stop()
        self._drafts.stop()

    def build(self, build_id: str) -> None:
        """Some worker should look at this build soon."""
        self._builds.wake(build_id)

    def draft(self, draft_id: str, *, seconds: float = 0) -> None:
        """Some worker should look at this draft soon, or in so many seconds."""
        self._drafts.wake.schedule(args=(draft_id,), delay=seconds) if seconds else self._drafts.wake(draft_id)
