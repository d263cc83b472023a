"""The command line's way to the appliance: the JSON API over the admin socket."""

import http.client
import time
from collections.abc import Iterator
from typing import TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

from bmm.config import Config
from bmm.core.slug import check_slug
from bmm.errors import BmmError, NotReachable
from bmm.unix_http import UnixConnection

T = TypeVar("T")
_SECONDS = 120.0
"""Longer than any change may take: a start, a hand-over and the end of the container before."""
_RESTART_SECONDS = 30.0
_LOOK_AGAIN = 0.2


class _Problem(Struct):
    code: str = "internal_error"
    message: str = "The appliance answered without saying what went wrong; its log may tell."
    pointer: str | None = None


class Client:
    """One exchange per call; every method raises what the appliance said as a BmmError."""

    def __init__(self, config: Config) -> None:
        self._path = config.run / "admin.sock"

    def get(self, target: str, kind: type[T], *, wait: bool = False) -> T:
        """`wait`: as long as a restart of the appliance may take."""
        deadline = time.monotonic() + (_RESTART_SECONDS if wait else 0)
        while True:
            try:
                return msgspec.json.decode(self._ask("GET", target, None), type=kind)
            except NotReachable:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_LOOK_AGAIN)

    def post(self, target: str, body: bytes, kind: type[T]) -> T:
        return msgspec.json.decode(self._ask("POST", target, body), type=kind)

    def put(self, target: str, body: bytes) -> bytes:
        """What it answers, which may be nothing."""
        return self._ask("PUT", target, body)

    def delete(self, target: str) -> None:
        self._ask("DELETE", target, None)

    def events(self, target: str) -> Iterator[tuple[str, bytes]]:
        """Server-sent events as (event, data); a cut connection is taken up again after the last id."""
        last, lost = "", 0.0
        while True:
            try:
                connection, answer = self._open("GET", target, None, {"Last-Event-ID": last} if last else {})
            except NotReachable:
                if not lost or time.monotonic() > lost + _RESTART_SECONDS:
                    raise
                time.sleep(_LOOK_AGAIN)
                continue
            try:
                event, data = "message", b""
                for line in answer:
                    field, _, value = line.rstrip(b"\r\n").partition(b": ")
                    if field == b"event":
                        event = value.decode()
                    elif field == b"data":
                        data = value
                    elif field == b"id":
                        last = value.decode()
                    elif not field and data:
                        yield event, data
                        if event == "end":
                            return
                        event, data = "message", b""
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            # A restart of the appliance cuts the connection; the build goes on after it.
            lost = time.monotonic()
            time.sleep(_LOOK_AGAIN)

    def _ask(self, method: str, target: str, body: bytes | None) -> bytes:
        connection, answer = self._open(method, target, body, {})
        try:
            return answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NotReachable("The appliance ended while it was answering; look whether it did what was asked") from error
        finally:
            connection.close()

    def _open(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[UnixConnection, http.client.HTTPResponse]:
        connection = UnixConnection(self._path, timeout=_SECONDS)
        if body is not None:
            headers = headers | {"Content-Type": "application/json"}
        try:
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
        except (FileNotFoundError, ConnectionRefusedError) as error:
            connection.close()
            raise NotReachable(f"The appliance does not answer on {self._path}; start it with `bmm serve`") from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NotReachable(f"The appliance did not answer on {self._path}: {_why(error)}") from error
        if answer.status >= 400:
            problem = _problem(answer.read())
            connection.close()
            raise _as_error(problem, answer.status)
        return connection, answer


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"it took more than {_SECONDS:.0f} s; look whether it did what was asked"
    if isinstance(error, PermissionError):
        return "it belongs to another user"
    return str(error)


def server_target(slug: str, *more: str) -> str:
    """The API's path of a server.

    Raises:
        BadInput: what was typed cannot be a slug.
    """
    return "/".join(["/api/servers", check_slug(slug), *(quote(part, safe="") for part in more)])


class _Answer(Struct):
    error: _Problem


def _problem(body: bytes) -> _Problem:
    try:
        return msgspec.json.decode(body, type=_Answer).error
    except msgspec.MsgspecError:
        return _Problem()


def _as_error(problem: _Problem, status: int) -> BmmError:
    error = BmmError(problem.message, pointer=problem.pointer)
    error.code, error.status, error.permanent = problem.code, status, status < 500
    return error
