"""Tells at once when a container ends, without asking podman: a process descriptor becomes readable when its process is gone."""

import contextlib
import os
import select
import threading
from collections.abc import Callable


def ended(pid: int, seconds: float) -> bool:
    """Whether a process ends within this time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        gone = select.poll()
        gone.register(descriptor, select.POLLIN)
        return bool(gone.poll(max(seconds, 0) * 1000))
    finally:
        os.close(descriptor)


class Deaths:
    """A thread that waits on the first process of every container it was told of."""

    def __init__(self, on_death: Callable[[], None]) -> None:
        self._on_death = on_death
        self._lock = threading.Lock()
        self._descriptors: dict[int, int] = {}  # pid → process descriptor
        self._poll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._poll.register(self._wake, select.EPOLLIN)
        self._thread = threading.Thread(target=self._watch, name="deaths", daemon=True)
        self._thread.start()

    def watch(self, pids: set[int]) -> None:
        """Watch these processes too; those already watched or gone are fine."""
        with self._lock:
            for pid in pids - self._descriptors.keys():
                with contextlib.suppress(ProcessLookupError):
                    self._descriptors[pid] = os.pidfd_open(pid)
                    self._poll.register(self._descriptors[pid], select.EPOLLIN)

    def close(self) -> None:
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        for descriptor in (*self._descriptors.values(), self._wake):
            os.close(descriptor)
        self._poll.close()

    def _watch(self) -> None:
        while True:
            ready = {descriptor for descriptor, _ in self._poll.poll()}
            if self._wake in ready:
                return
            with self._lock:
                for pid in [pid for pid, descriptor in self._descriptors.items() if descriptor in ready]:
                    descriptor = self._descriptors.pop(pid)
                    self._poll.unregister(descriptor)
                    os.close(descriptor)
            self._on_death()
