"""One JSON-RPC message in, one HTTP reply out: decoding, encoding and the error codes of the protocol."""

import re
from itertools import accumulate
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022

MAX_ID = 1024
"""Characters. An id, or a progress token, is repeated in every message of a stream."""
RequestId = int | Annotated[str, Meta(max_length=MAX_ID)]
Header = tuple[bytes, bytes]


class Message(Struct, frozen=True, kw_only=True):
    """A request, a notification (no id) or a response (no method); `params` stays encoded until its method is known."""

    jsonrpc: Literal["2.0"]
    id: RequestId | UnsetType | None = UNSET
    method: str | UnsetType = UNSET
    params: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class Reply(Struct, frozen=True, kw_only=True):
    """What goes back over HTTP."""

    status: int = 200
    body: bytes = b""
    headers: tuple[Header, ...] = ()
    close: bool = False


class RpcError(Exception):
    """A message that cannot be answered with a result."""

    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


MAX_DEPTH, MAX_VALUES = 64, 100_000
"""Of objects and arrays in a message, and of what it holds in all: four megabytes of the smallest values would take a hundred here."""
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BRACKETS = b"[]{}"
_OTHERS = bytes(set(range(256)) - set(_BRACKETS))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Message).decode
ACCEPTED = Reply(status=202)


def decode_message(body: bytes) -> Message:
    """The single message in a body. Of members with the same name the last one counts, here and for every later reader.

    Raises:
        RpcError: not JSON, a batch, too deep or too much, or not a JSON-RPC 2.0 request, notification or response.
    """
    if (why := excess(body)) is not None:
        raise RpcError(INVALID_REQUEST, f"The message {why}.")
    try:
        message = _decode(body)
    except msgspec.ValidationError as error:
        # msgspec reports the first wrong type, which may stand before a syntax error further on.
        raise _not_json(body) or RpcError(INVALID_REQUEST, f"This is not one JSON-RPC 2.0 message: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RpcError(PARSE_ERROR, "The body is not JSON, or it is nested too deeply.") from None
    if message.id is None:
        raise RpcError(INVALID_REQUEST, "The id of a request must be a string or an integer, not null.")
    if message.method is UNSET and not is_response(message):
        raise RpcError(INVALID_REQUEST, "This is not one JSON-RPC 2.0 message: it has no method.")
    return message


def excess(document: bytes) -> str | None:
    """What a JSON document has too much of, as the end of a sentence; of anything else some answer."""
    openings = document.count(b"[") + document.count(b"{")
    if len(document) > MAX_VALUES and openings + document.count(b",") > MAX_VALUES:
        bare = _STRING.sub(b"", document)
        if bare.count(b"[") + bare.count(b"{") + bare.count(b",") > MAX_VALUES:
            return f"holds more than {MAX_VALUES} values"
    if openings > MAX_DEPTH and depth(document) > MAX_DEPTH:
        return f"is nested too deeply: at most {MAX_DEPTH} levels of objects and arrays"
    return None


def depth(body: bytes) -> int:
    """How deeply objects and arrays are nested in a JSON document; of anything else some number."""
    brackets = _STRING.sub(b"", body).translate(None, _OTHERS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)


def is_response(message: Message) -> bool:
    return message.method is UNSET and (message.result is not UNSET or message.error is not UNSET)


def result_reply(request_id: RequestId, result: bytes) -> Reply:
    """`result` is encoded JSON."""
    return Reply(body=b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (encode(request_id), result))


def error_reply(
    request_id: RequestId | UnsetType | None, code: int, message: str, *, status: int, data: Any = UNSET, headers: tuple[Header, ...] = ()
) -> Reply:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not UNSET:
        error["data"] = data
    shown = None if request_id is UNSET else request_id
    return Reply(status=status, body=encode({"jsonrpc": "2.0", "id": shown, "error": error}), headers=headers)


def _not_json(body: bytes) -> RpcError | None:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return RpcError(PARSE_ERROR, "The body is not JSON, or it is nested too deeply.")
    return None
