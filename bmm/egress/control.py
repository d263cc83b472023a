"""How `bmm serve` talks to the egress gateway: one JSON line asks, one answers, over `run/egress.sock`."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from bmm.errors import NotReachable


class Request(Struct, frozen=True, kw_only=True):
    do: Literal["reload", "status"]


class Usage(Struct, frozen=True, kw_only=True):
    """What one server uses; bytes since the gateway started, `up` is what the server sent."""

    open: int
    up: int
    down: int
    refused: int


class Status(Struct, frozen=True, kw_only=True):
    """The answer to both requests. `wrong` names files of rules that could not be used, and why."""

    pid: int
    listening: int
    servers: dict[str, Usage]
    wrong: dict[str, str] = {}


class EgressControl:
    """Blocking, for worker threads; every call ends within `timeout` seconds.

    Raises, from both methods:
        NotReachable: the gateway is not there or does not answer in time.
    """

    def __init__(self, run: Path, *, timeout: float = 5.0) -> None:
        self._path, self._timeout = run / "egress.sock", timeout

    def reload(self) -> Status:
        """Have the rules read again; when this returns, new entries listen and what is no longer allowed has been cut."""
        return self._ask(Request(do="reload"))

    def status(self) -> Status:
        return self._ask(Request(do="status"))

    def _ask(self, request: Request) -> Status:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gateway:
            gateway.settimeout(self._timeout)
            try:
                gateway.connect(str(self._path))
                gateway.sendall(msgspec.json.encode(request) + b"\n")
                with gateway.makefile("rb") as answer:
                    return msgspec.json.decode(answer.readline(), type=Status)
            except (OSError, msgspec.DecodeError) as error:
                raise NotReachable(f"The egress gateway does not answer at {self._path} ({error}).") from error


def answer_line(line: bytes, *, reload: Callable[[], Status], status: Callable[[], Status]) -> bytes:
    """The gateway's side: what to send for one line; nothing for a line that is no request."""
    try:
        request = msgspec.json.decode(line, type=Request)
    except msgspec.DecodeError:
        return b""
    return msgspec.json.encode(reload() if request.do == "reload" else status()) + b"\n"
