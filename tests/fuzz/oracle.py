"""What must be true of every answer, whatever was asked."""

import json
import re
from typing import Any

from tests.fuzz.cases import mark_of
from tests.fuzz.reference import Request
from tests.fuzz.wire import Response

_LEAK = re.compile(rb'Traceback|File "|site-packages|/opt/bmm|/usr/lib|/home/|/tmp/|\.py\b|\b[A-Z]\w+Error\b|object at 0x')
_MARK = re.compile(rb"([mv]k)([0-9]{7})[0-9a-f]{8}z")
_KINDS = (b"application/json", b"text/event-stream", b"text/plain")
BUSY = (429, 503)
_CODES = frozenset({-32700, -32600, -32601, -32602, -32603, -32020, -32021, -32022})
_OLD_CODES = frozenset({-32002})
"""Only before 2026-07-28, whose answers are never refused with a status."""


class Wrong(AssertionError):
    """An answer, or the lack of one, that is a finding."""


def check_bytes(received: bytes, mark: str) -> None:
    """Nothing of the inside, and nothing of anybody else."""
    if leak := _LEAK.search(received):
        raise Wrong(f"it tells about its inside: {received[max(0, leak.start() - 100) : leak.end() + 100]!r}")
    foreign = {
        found[0].decode() for found in _MARK.finditer(received) if found[0].decode() == mark_of(found[1].decode(), int(found[2]))
    } - {mark}
    if foreign:
        raise Wrong(f"an answer holds what another client sent: {sorted(foreign)}")


def check_answer(response: Response, request: Request | None) -> None:
    """One answer to one request; `request` is None where it is not sure what was asked."""
    if response.status >= 500 and response.status != 503:
        raise Wrong(f"{response.status}: {response.body[:300]!r}")
    if response.status in BUSY and not response.values(b"retry-after"):
        raise Wrong(f"{response.status} without Retry-After")
    kinds = response.values(b"content-type")
    if response.body and (len(kinds) != 1 or kinds[0].partition(b";")[0] not in _KINDS):
        raise Wrong(f"its type is {kinds}")
    if not response.body or not kinds[0].startswith((b"application/json", b"text/event-stream")):
        return
    messages = _events(response.body) if response.stream else [response.body]
    for message in messages:
        _check_message(_decoded(message), response, request)


def _events(stream: bytes) -> list[bytes]:
    # What has no line end yet is still on its way.
    return [line[5:].strip() for line in re.split(rb"\r\n|\n", stream)[:-1] if line.startswith(b"data:") and line[5:].strip()]


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise Wrong(f"its body is not JSON ({error}): {body[:300]!r}") from None
    if not isinstance(document, dict):
        raise Wrong(f"its body is no object: {body[:300]!r}")
    return document


def _check_message(message: dict[str, Any], response: Response, request: Request | None) -> None:
    if "jsonrpc" not in message:
        if set(message) != {"error", "error_description"}:
            raise Wrong(f"it is neither JSON-RPC nor an error of OAuth: {message}")
        return
    if message["jsonrpc"] != "2.0" or len({"result", "error", "method"} & set(message)) != 1:
        raise Wrong(f"it is no JSON-RPC message: {message}")
    if "method" in message:
        if not response.stream:
            raise Wrong(f"it is a request or a notification: {message}")
        return
    if "id" not in message:
        raise Wrong(f"it has no id: {message}")
    if "error" in message:
        error = message["error"]
        if type(error.get("code")) is not int or not isinstance(error.get("message"), str) or not error["message"]:
            raise Wrong(f"its error is none: {message}")
        if error["code"] not in (_CODES | _OLD_CODES if response.status == 200 else _CODES):
            raise Wrong(f"its code is none of the protocol's: {message}")
    if request is not None:
        expected = ids(request.body)
        if expected is not None and _plain(message["id"]) not in expected and ("result" in message or message["id"] is not None):
            raise Wrong(f"its id {message['id']!r} is not that of the request: {sorted(map(str, expected))[:5]}")
    if "result" in message and message["id"] is None:
        raise Wrong("a result for no request")


def ids(body: bytes) -> set[Any] | None:
    """Every `id` that a reader may find at the top of a message, none where it is no object, or None where this reader gives up."""
    pairs: list[tuple[str, Any]] = []

    def object_(items: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs[:] = items
        return dict(items)

    try:
        text = body.decode("utf-8", "surrogateescape")
        document = json.loads(text, object_pairs_hook=object_, parse_int=_integer, parse_float=_float, strict=False)
    except RecursionError:
        return None
    except ValueError:
        return set()
    return {_plain(value) for key, value in pairs if key == "id"} if isinstance(document, dict) else set()


def _integer(text: str) -> int | str:
    return int(text) if len(text) < 4000 else text


def _float(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number


def _plain(value: Any) -> Any:
    """Hashable, and with `true` told from 1."""
    return value if isinstance(value, str | int) and not isinstance(value, bool) else repr(value)
