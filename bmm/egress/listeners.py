"""One listening Unix socket per entry, at `run/out/<key>/<index>.sock`, whose folder is mounted read-only into a container."""

import contextlib
import os
import socket
from pathlib import Path

from bmm.egress.rules import EgressEntry, EgressRules

_BACKLOG = 4096


class Listeners:
    """Keeps the sockets as the rules say; a folder is never replaced while it may be mounted (the mount would keep the old one)."""

    def __init__(self, run: Path) -> None:
        self._out = run / "out"
        self._open: dict[tuple[str, EgressEntry], socket.socket] = {}

    def entries(self) -> set[tuple[str, EgressEntry]]:
        return set(self._open)

    def open(self, rules: EgressRules, entry: EgressEntry) -> socket.socket:
        """Listen; a name left by an earlier gateway is replaced in one step, so the name always exists."""
        folder = self._out / rules.key
        folder.mkdir(parents=True, exist_ok=True)
        # The container's user maps to another one of the host, so the bits for others count.
        folder.chmod(0o755)
        fresh, name = folder / f".{entry.index}.new", self._name(rules.key, entry)
        fresh.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        listening.bind(str(fresh))
        fresh.chmod(0o666)
        listening.listen(_BACKLOG)
        os.replace(fresh, name)
        self._open[rules.key, entry] = listening
        return listening

    def close(self, key: str, entry: EgressEntry) -> socket.socket:
        """Remove the name; returns the socket, which the caller stops watching and closes."""
        self._name(key, entry).unlink(missing_ok=True)
        return self._open.pop((key, entry))

    def forget(self, key: str) -> None:
        """Remove the folder of rules that are gone; one that is missing or not empty is left alone."""
        with contextlib.suppress(OSError):
            (self._out / key).rmdir()

    def sweep(self) -> None:
        """Remove names that no rule accounts for, left by an earlier gateway whose rules have gone meanwhile."""
        wanted = {self._name(key, entry) for key, entry in self._open}
        for path in self._out.glob("*/*.sock"):
            if path not in wanted:
                path.unlink(missing_ok=True)

    def _name(self, key: str, entry: EgressEntry) -> Path:
        return self._out / key / f"{entry.index}.sock"
