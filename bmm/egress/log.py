"""The gateway's log: one JSON line per event on standard error, which is cut over to a second file when it has grown."""

import os
import stat
import sys

import msgspec

from bmm.ids import now, text

MAX_BYTES = 32_000_000


def write(event: str, **facts: str | int | float | None) -> None:
    """Say what happened. A log that cannot be written must not stop the gateway."""
    line = msgspec.json.encode({"at": text(now()), "event": event, **facts})
    try:
        os.write(2, line + b"\n")
        _turn_over()
    except OSError:
        pass


def _turn_over() -> None:
    # Started detached, standard error is a file that nobody else looks after; with systemd it is the journal's socket.
    about = os.fstat(2)
    if not stat.S_ISREG(about.st_mode) or about.st_size < MAX_BYTES:
        return
    path = os.readlink("/proc/self/fd/2")
    os.replace(path, f"{path}.1")
    fresh = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(fresh, 2)
    os.close(fresh)
    sys.stderr.flush()
