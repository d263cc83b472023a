"""The holder: keeps every server's listening socket open and hands out duplicates, so that an address outlives all who serve it.

Standard library only: it is meant to run for as long as the machine does. One packet asks, one packet answers (SOCK_SEQPACKET, JSON),
with file descriptors attached (SCM_RIGHTS). Names on disk are the truth about what is published; only the holder moves them.

After a holder was killed, its socket files are left over. Opening such a name first dials it: refused means that nobody listens and the
name may be bound anew; answered means that a container still listens there, and re-binding would cut it off, so the caller is told
(`still_held`), ends that container and opens again. A container is never cut off silently.
"""

import argparse
import contextlib
import fcntl
import json
import os
import re
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

BACKLOG = 4096
MODE = 0o600
DEADLINE = 5.0
BATCH = 200  # Linux passes at most 253 descriptors in one message (SCM_MAX_FD).
PACKET = 65536
SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

_SORRY = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"This server is not available right now; try again later."}}'
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 10\r\nCache-Control: no-store\r\n"
    b"Connection: close\r\nContent-Length: " + str(len(_SORRY)).encode() + b"\r\n\r\n" + _SORRY
)


class RequestError(Exception):
    """What was asked cannot be done; `code` is for the client."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Held(NamedTuple):
    socket: socket.socket
    inode: int
    """Of the name on disk; tells our name from a stranger's at the same path."""


class Holder:
    """Every method but `answer` is one request of the protocol."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._held: dict[str, Held] = {}

    def open(self, slug: str) -> Held:
        """The slug's socket, made and parked if there is none yet."""
        held = self._held.get(slug)
        if held and self._place(slug):
            return held
        for place in ("in", "parked"):
            _clear(self._path(place, slug))
        if held:  # Its name was removed by somebody; a socket cannot get a second one.
            held.socket.close()
        self._held[slug] = _listen(self._path("parked", slug))
        return self._held[slug]

    def get(self, slug: str) -> Held:
        if slug not in self._held:
            raise RequestError("unknown", f"no socket is held for {slug!r}")
        return self._held[slug]

    def move(self, slug: str, target: str) -> None:
        """Publish (`in`) or park (`parked`); connections and whoever listens do not notice."""
        self.get(slug)
        place = self._place(slug)
        if place is None and target == "parked":  # No name at all is parked well enough.
            return
        if place is None:
            raise RequestError("lost", f"the name of the socket for {slug!r} has vanished; open it again")
        if place != target:
            _clear(self._path(target, slug))
            os.rename(self._path(place, slug), self._path(target, slug))

    def drain(self, slug: str) -> int:
        """Answer 503 to everything that waits in the backlog of a parked socket."""
        held = self.get(slug)
        if self._place(slug) == "in":
            raise RequestError("published", f"the socket of {slug!r} is published; park it first")
        for count in range(2 * BACKLOG):
            try:
                connection, _ = held.socket.accept()
            except OSError:
                return count
            _say_sorry(connection)
        return 2 * BACKLOG

    def forget(self, slug: str) -> None:
        """Close and unlink; the caller has ended the server's containers."""
        if slug not in self._held:
            for place in ("in", "parked"):
                _clear(self._path(place, slug))
            return
        if self._place(slug) == "in":
            self.move(slug, "parked")
        self.drain(slug)
        if self._place(slug):
            os.unlink(self._path("parked", slug))
        self._held.pop(slug).socket.close()

    def list(self) -> Iterator[tuple[str, Held, bool]]:
        for slug, held in sorted(self._held.items()):
            yield slug, held, self._place(slug) == "in"

    def answer(self, connection: socket.socket, control: socket.socket) -> bool:
        """Do one request; True when everything was handed to a newer holder."""
        request = json.loads(connection.recv(4096))
        do, slug = request["do"], request.get("slug", "")
        if do == "take":
            return self._hand_over(connection, control)
        if do == "list":
            rows = [(slug, published) for slug, _, published in self.list()]
            for batch, more in _batches(rows):
                _send(connection, {"sockets": batch, "more": more})
            return False
        if not isinstance(slug, str) or not SLUG.fullmatch(slug):
            raise RequestError("bad_slug", f"{slug!r} is not a slug")
        if do in ("open", "get"):
            held = self.open(slug) if do == "open" else self.get(slug)
            _send(connection, {"ok": True}, held.socket.fileno())
        elif do in ("publish", "park"):
            self.move(slug, "in" if do == "publish" else "parked")
            _send(connection, {"ok": True})
        elif do == "drain":
            _send(connection, {"ok": True, "count": self.drain(slug)})
        elif do == "forget":
            self.forget(slug)
            _send(connection, {"ok": True})
        else:
            raise RequestError("unknown_request", f"this holder does not know {do!r}")
        return False

    def take(self, older: socket.socket) -> socket.socket:
        """Receive everything an older holder has, then let it go. Returns the control socket, with whoever waits there."""
        _send(older, {"do": "take"})
        message, (control, *_) = _receive(older)
        while message["more"]:
            message, descriptors = _receive(older)
            for (slug, inode), descriptor in zip(message["sockets"], descriptors, strict=True):
                self._held[slug] = Held(socket.socket(fileno=descriptor), inode)
                self._held[slug].socket.setblocking(False)
        _send(older, {"ok": True})
        # Only one may answer: wait until the older has exited, which closes its end.
        older.recv(1)
        return socket.socket(fileno=control)

    def _hand_over(self, newer: socket.socket, control: socket.socket) -> bool:
        _send(newer, {"sockets": [], "more": bool(self._held)}, control.fileno())
        rows = list(self._held.items())
        for batch, more in _batches(rows) if rows else ():
            inodes = [(slug, held.inode) for slug, held in batch]
            _send(newer, {"sockets": inodes, "more": more}, *(held.socket.fileno() for _, held in batch))
        return newer.recv(64) != b""

    def _path(self, place: str, slug: str) -> Path:
        return self._run / place / f"{slug}.sock"

    def _place(self, slug: str) -> str | None:
        inode = self._held[slug].inode
        return next((place for place in ("in", "parked") if _inode(self._path(place, slug)) == inode), None)


def serve(run: Path) -> int:
    """Hold until the machine ends or a newer holder takes over."""
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for place in ("in", "parked"):
        (run / place).mkdir(parents=True, exist_ok=True)
    holder = Holder(run)
    with open(run / "hold.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        control = _control(run / "hold.sock", holder)
        # Listening again makes SO_PEERCRED name this process instead of the one that bound the name.
        control.listen(128)
    while True:
        try:
            connection, _ = control.accept()
        except OSError:  # Out of descriptors, say: ending would lose every address.
            time.sleep(0.1)
            continue
        with connection:
            connection.settimeout(DEADLINE)
            if is_peer(connection, os.getuid()) and _answered(holder, connection, control):
                return 0


def is_peer(connection: socket.socket, uid: int) -> bool:
    """Whether the process at the other end of a Unix socket runs as this user."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", credentials)[1] == uid)


def _answered(holder: Holder, connection: socket.socket, control: socket.socket) -> bool:
    try:
        return holder.answer(connection, control)
    except RequestError as refusal:
        error = {"error": refusal.code, "message": str(refusal)}
    except OSError as failure:
        error = {"error": "failed", "message": str(failure)}
    except Exception as failure:  # A bug or a malformed request must not cost every server its address.
        error = {"error": "bad_request", "message": repr(failure)}
    with contextlib.suppress(OSError):
        _send(connection, error)
    return False


def _control(path: Path, holder: Holder) -> socket.socket:
    older = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    older.settimeout(DEADLINE)
    try:
        older.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        path.unlink(missing_ok=True)
    else:
        with older:
            return holder.take(older)
    finally:
        older.close()
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.bind(str(path))
    os.chmod(path, MODE)
    return control


def _listen(path: Path) -> Held:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.setblocking(False)  # A flag of the socket, not of the descriptor: every duplicate is non-blocking.
    listening.bind(str(path))
    os.chmod(path, MODE)
    listening.listen(BACKLOG)
    return Held(listening, os.stat(path).st_ino)


def _clear(path: Path) -> None:
    """Remove a left-over name, unless somebody listens behind it."""
    if _inode(path) is None:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:  # A full backlog belongs to somebody.
            pass
    raise RequestError("still_held", f"somebody still listens on {path.name}; end that container and ask again")


def _inode(path: Path) -> int | None:
    try:
        return os.stat(path, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return None


def _say_sorry(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        connection.setblocking(False)
        # Closing with unread bytes resets the connection: take the request first, as far as it has come.
        with contextlib.suppress(BlockingIOError):
            while connection.recv(PACKET):
                pass
        connection.send(REFUSAL)
        connection.shutdown(socket.SHUT_WR)


def _batches(rows: list[T]) -> Iterator[tuple[list[T], bool]]:
    for start in range(0, max(len(rows), 1), BATCH):
        yield rows[start : start + BATCH], start + BATCH < len(rows)


def _send(connection: socket.socket, message: object, *descriptors: int) -> None:
    socket.send_fds(connection, [json.dumps(message).encode()], descriptors)


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    packet, descriptors, _, _ = socket.recv_fds(connection, PACKET, BATCH + 1, socket.MSG_CMSG_CLOEXEC)
    return json.loads(packet), descriptors


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bmm hold")
    parser.add_argument("--run", type=Path, required=True)
    return serve(parser.parse_args(arguments).run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
