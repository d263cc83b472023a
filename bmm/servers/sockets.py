"""The holder's client: listening sockets by slug, for `bmm serve`. Blocking, to be used from worker threads."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bmm.errors import BadInput, BmmError, Conflict, NotFound, NotReachable

_PACKET = 65536
# The kernel may still be queueing a connection whose client had looked the name up just before it was parked.
_SETTLED = 0.02


class StillHeld(Conflict):
    """A container started under an earlier holder still listens on this address: end it, then ask again."""

    code = "still_held"


class NameLost(Conflict):
    """The socket's file was removed from outside: `open` makes a new socket, and the server's containers must be replaced."""

    code = "name_lost"


_ERRORS: dict[str, type[BmmError]] = {
    "unknown": NotFound, "bad_slug": BadInput, "still_held": StillHeld, "lost": NameLost, "published": Conflict,
}  # fmt: skip


class HeldSocket(NamedTuple):
    slug: str
    published: bool


class Sockets:
    """One connection per request; every request ends within `timeout` seconds.

    Raises, from every method:
        NotReachable: the holder is not there or does not answer in time.
        NotFound: no socket is held for this slug (only `open` makes one).
        StillHeld: the name is a leftover of a killed holder and a container still listens behind it.
        NameLost: the socket's file has vanished; `open` heals it.
    """

    def __init__(self, run: Path, *, timeout: float = 5.0) -> None:
        self._path, self._timeout = run / "hold.sock", timeout

    def open(self, slug: str) -> socket.socket:
        """A duplicate of the slug's listening socket, non-blocking; made on first use, at `run/parked/<slug>.sock`.

        `os.fstat(it.fileno()).st_ino` names the socket itself: a container that was started with another number listens elsewhere
        and must be replaced. The caller closes the duplicate; the holder keeps its own.
        """
        return self._socket("open", slug)

    def get(self, slug: str) -> socket.socket:
        """`open`, but never makes one."""
        return self._socket("get", slug)

    def publish(self, slug: str) -> None:
        """Move the name to `run/in/<slug>.sock`, where Caddy dials it. Doing it twice is the same as once."""
        self._ask("publish", slug)

    def park(self, slug: str) -> None:
        """Move the name to `run/parked/<slug>.sock`: new dials fail at once, accepted and queued connections are untouched."""
        self._ask("park", slug)

    def drain(self, slug: str) -> int:
        """Answer 503 to all who wait behind a parked name, and say how many they were. End the container first, or it competes."""
        first: int = self._ask("drain", slug)["count"]
        time.sleep(_SETTLED)
        return first + int(self._ask("drain", slug)["count"])

    def forget(self, slug: str) -> None:
        """Close the socket and remove its name, after the server's containers have ended. Unknown slugs are fine."""
        self._ask("forget", slug)

    def held(self) -> frozenset[str]:
        """The slugs that have a socket."""
        return frozenset(one.slug for one in self.list())

    def published(self) -> frozenset[str]:
        """The slugs whose name is where Caddy dials it."""
        return frozenset(one.slug for one in self.list() if one.published)

    def list(self) -> tuple[HeldSocket, ...]:
        """Every held socket, by slug."""
        with self._asked("list", "") as holder:
            held: list[HeldSocket] = []
            more = True
            while more:
                message, _ = _answer(holder)
                held += [HeldSocket(slug, published) for slug, published in message["sockets"]]
                more = message["more"]
            return tuple(held)

    def _socket(self, do: str, slug: str) -> socket.socket:
        with self._asked(do, slug) as holder:
            _, descriptors = _answer(holder)
        listening = socket.socket(fileno=descriptors[0])
        listening.setblocking(False)
        return listening

    def _ask(self, do: str, slug: str) -> dict[str, Any]:
        with self._asked(do, slug) as holder:
            return _answer(holder)[0]

    @contextmanager
    def _asked(self, do: str, slug: str) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as holder:
            holder.settimeout(self._timeout)
            try:
                holder.connect(str(self._path))
                holder.send(json.dumps({"do": do, "slug": slug}).encode())
                yield holder
            except OSError as error:
                raise NotReachable(f"The holder of the listening sockets does not answer at {self._path} ({error}).") from error


def _answer(holder: socket.socket) -> tuple[dict[str, Any], list[int]]:
    packet, descriptors, _, _ = socket.recv_fds(holder, _PACKET, 1, socket.MSG_CMSG_CLOEXEC)
    if not packet:
        raise ConnectionResetError("it closed the connection")
    message = json.loads(packet)
    if "error" in message:
        raise _ERRORS.get(message["error"], NotReachable)(f"The holder says: {message['message']}.")
    return message, descriptors
