"""The event file: one line per call and per log message, appended through a descriptor that outlives this process."""

import os
import sys
import time
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

import msgspec

from runner.contract import CallEvent, LogEvent

# While the disk is full lines wait here, oldest first; beyond this the newest are lost and counted.
MAX_WAITING_BYTES = 4 * 1024 * 1024
MAX_NAME = 128

Level = Literal["debug", "info", "warning", "error"]
_encode = msgspec.json.Encoder().encode


def moment(seconds: float) -> str:
    """Seconds since the epoch as UTC ISO 8601."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1e6):06d}Z"


@lru_cache(maxsize=16)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).isoformat()[:-6]


class EventLog:
    """Appends whole lines, in order, each with one write (the descriptor is O_APPEND, so versions may share a file)."""

    def __init__(self, descriptor: int, *, version: int = 0) -> None:
        self._descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = self._lost = self._calls = 0
        self._prefix = os.urandom(6).hex()
        self.version = version

    @property
    def waiting(self) -> int:
        """Lines that could not be written yet."""
        return len(self._waiting) + self._lost

    def call(
        self,
        *,
        tool: str,
        started: float,
        ms: float,
        error: str | None = None,
        subject: str | None = None,
        client: str | None = None,
        grant: str | None = None,
    ) -> None:
        """Count a call; `started` in seconds since the epoch, `error` a code or None where it went well."""
        self._calls += 1
        event = CallEvent(
            id=f"{self._prefix}{self._calls:010x}",
            at=moment(started),
            tool=tool[:MAX_NAME],
            ok=error is None,
            ms=round(ms, 3),
            version=self.version,
            error=error,
            subject=subject,
            client=client,
            grant=grant,
        )
        self._append(_encode(event) + b"\n")

    def log(self, level: Level, message: str, *, at: float, tool: str | None = None) -> None:
        """A line for the owner; warnings and errors also go to the container's own log."""
        if level in ("warning", "error"):
            sys.stderr.write(f"{level}: {message}\n")
        self._append(_encode(LogEvent(at=moment(at), level=level, message=message, tool=tool)) + b"\n")

    def flush(self) -> None:
        """Write what waits, in order, as far as the disk allows."""
        while self._waiting:
            line = self._waiting[0]
            count = self._written(line)
            self._waiting_bytes -= count
            if count < len(line):
                # A nearly full disk took half a line; the rest has to come next, or two lines would be spoiled.
                self._waiting[0] = line[count:]
                return
            self._waiting.popleft()
        if self._lost:
            lost, self._lost = self._lost, 0
            self.log("error", f"{lost} lines were lost while the event file could not be written", at=time.time())

    def _append(self, line: bytes) -> None:
        if self._waiting or self._lost:
            self._keep(line)
            self.flush()
        elif (count := self._written(line)) < len(line):
            self._keep(line[count:])

    def _keep(self, line: bytes) -> None:
        if self._waiting_bytes + len(line) > MAX_WAITING_BYTES:
            self._lost += 1
        else:
            self._waiting.append(line)
            self._waiting_bytes += len(line)

    def _written(self, line: bytes) -> int:
        """How many bytes of it the disk takes now."""
        try:
            return os.write(self._descriptor, line)
        except OSError:
            return 0
