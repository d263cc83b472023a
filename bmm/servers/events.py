"""Reads what containers append to their event files into the store, exactly once, and frees what it has read."""

import contextlib
import ctypes
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bmm.core.server import Container
from bmm.store import calls, servers
from bmm.store.db import Stale, Store
from runner.contract import CallEvent, Event, LogEvent

log = logging.getLogger("bmm.events")
_CHUNK = 1 << 20
_LONGEST_LINE = 8 << 20
"""More than the guard keeps of lines it could not write at once."""
_KEEP_SIZE_AND_PUNCH = 0x01 | 0x02
_BLOCK = 4096
_decoder = msgspec.json.Decoder(Event)
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class Collector:
    """One reader per appliance. A line counts once because the offset moves in the transaction that stores it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()

    def collect(self) -> None:
        """Read every open event file to its present end."""
        with self._lock:
            for container in self._store.all(servers.open_containers()):
                try:
                    self._read(container)
                except OSError as error:  # of this file alone; what was not read is read the next time
                    log.error("%s cannot be read: %s", container.event_file, error)

    def read_to_end(self, container_id: str) -> None:
        """Read the file of a container that has ended."""
        with self._lock:
            for container in self._store.all(servers.open_containers()):
                if container.id == container_id:
                    self._read(container)

    def _read(self, container: Container) -> None:
        server = self._store.one(servers.by_id(container.server_id))
        path = Path(container.event_file)
        if server is None or not path.exists():
            return
        offset = container.event_offset
        with path.open("r+b") as file:
            while True:
                file.seek(offset)
                chunk = file.read(_CHUNK)
                if b"\n" not in chunk:
                    chunk += file.read(_LONGEST_LINE)
                end = offset + chunk.rfind(b"\n") + 1
                if end == offset:
                    break
                events = _events(chunk[: end - offset - 1])
                called = (one for one in events if isinstance(one, CallEvent))
                said = (one for one in events if isinstance(one, LogEvent))
                try:
                    self._store.apply(
                        calls.insert_calls(called, organisation_id=server.organisation_id, server_id=container.server_id),
                        calls.insert_logs(said, server_id=container.server_id, version=container.version),
                        calls.advance(container.id, start=offset, end=end),
                    )
                except Stale:
                    return
                _punch(file.fileno(), end)
                offset = end


def _events(lines: bytes) -> list[Event]:
    try:
        return _decoder.decode_lines(lines)
    except msgspec.MsgspecError:
        return [event for line in lines.split(b"\n") for event in _event(line)]


def _event(line: bytes) -> Iterator[Event]:
    # Only the guard writes here, whole lines at a time; a torn line is what a full disk leaves, and its end is lost already.
    with contextlib.suppress(msgspec.MsgspecError):
        yield _decoder.decode(line)


def _punch(descriptor: int, end: int) -> None:
    """Give the disk space before `end` back; the container's descriptor keeps its position. File systems without holes just keep it."""
    whole = end // _BLOCK * _BLOCK
    if whole:
        _libc.fallocate(descriptor, _KEEP_SIZE_AND_PUNCH, 0, whole)


def create(path: Path) -> int:
    """An event file and a descriptor that only appends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
