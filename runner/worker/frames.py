"""What guard and worker say to each other: documents behind a length of four bytes, over one stream socket.

The guard speaks msgpack, a worker JSON: in msgpack anything can be a key, and ten thousand arrays with the same hash take whoever
decodes them seconds. The hashes of texts nobody can foresee.

The guard believes nothing of what comes from a worker: it decodes strictly, and a frame counts for the call that this worker
runs at that moment, whatever it claims.
"""

import os
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

HEAD = 4
MAX_OUTPUT = 4 * 1024 * 1024
"""Of what a tool returns, as JSON."""
MAX_FRAME = MAX_OUTPUT + 64 * 1024
"""Of one frame from a worker; the guard's own are not limited, since an HTTP answer has its own limit."""
MAX_REQUEST = MAX_OUTPUT * 4 // 3 + 64 * 1024
"""Of an HTTP request: its body is written in base64."""
MAX_SMALL = 128 * 1024
"""Of one that is neither an outcome nor an HTTP request: a few bytes of JSON can be much memory, and time, to whoever decodes it."""
WORKERS, THREADS = 8, 16
"""Of one server, and of one worker beside its first."""
MAX_NOTES = 1000
"""Log messages, lines and what else is only told, in one call."""

Level = Literal["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]


class Start(Struct, frozen=True, tag="start", array_like=True):
    """Run a tool. `source` is None where this worker has already seen the code of this digest."""

    call: int
    tool: str
    digest: str
    source: str | None
    arguments: dict[str, Any]


class Reply(Struct, frozen=True, tag="reply", array_like=True):
    """What came of a wish: a value, or a code and a sentence."""

    call: int
    wish: int
    value: Any = None
    code: str | None = None
    message: str = ""


class Cancel(Struct, frozen=True, tag="cancel", array_like=True):
    """End the call; its `Ended` is still to come."""

    call: int


FromGuard = Start | Reply | Cancel


class Ready(Struct, frozen=True, tag="ready", array_like=True):
    """The first frame of a worker: it has limited itself."""


class Returned(Struct, frozen=True, tag="returned", array_like=True):
    """The tool has returned. `text` alone is a text, `structured` is anything JSON can say, `blocks` are content blocks."""

    call: int
    idle: bool
    """Whether nothing of the call is left; otherwise `Ended` follows."""
    text: str | None = None
    has_structured: bool = False
    structured: Any = None
    blocks: tuple[dict[str, Any], ...] = ()


class Failed(Struct, frozen=True, tag="failed", array_like=True):
    """The tool has not returned. `message` is for the model where the tool said it (`code` tells), `details` for the owner."""

    call: int
    idle: bool
    code: Annotated[str, Meta(max_length=64)]
    kind: Annotated[str, Meta(max_length=200)]
    message: str = ""
    details: str = ""


class Ended(Struct, frozen=True, tag="ended", array_like=True):
    """The call is over. `clean`: no task and no thread of it is left."""

    call: int
    clean: bool


class Note(Struct, frozen=True, tag="note", array_like=True):
    """A log message; without `level` a line of standard output, which is for the owner alone."""

    call: int
    level: Level | None
    data: Any


class Progress(Struct, frozen=True, tag="progress", array_like=True):
    call: int
    done: float
    total: float | None = None
    message: str | None = None


class Changed(Struct, frozen=True, tag="changed", array_like=True):
    """A list has changed, or the resource with this URI."""

    call: int
    what: Literal["tools", "prompts", "resources"] | None
    uri: str = ""


class HttpWish(Struct, frozen=True, tag="http", array_like=True):
    """Answered with `[status, headers, body]`. `digest` are the secrets of a user name and a password, `certificate` those of one and its key."""

    call: int
    wish: int
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    digest: tuple[str, str] | None = None
    certificate: Annotated[tuple[str, ...], Meta(max_length=2)] = ()


class SqlWish(Struct, frozen=True, tag="sql", array_like=True):
    call: int
    wish: int
    database: str
    query: str
    params: dict[str, Any]


class SecretWish(Struct, frozen=True, tag="secret", array_like=True):
    call: int
    wish: int
    key: str


class AskWish(Struct, frozen=True, tag="ask", array_like=True):
    """Questions for the client by their keys, each a method of the protocol and its params."""

    call: int
    wish: int
    questions: dict[str, tuple[Literal["elicitation/create", "sampling/createMessage", "roots/list"], dict[str, Any]]]


class CanWish(Struct, frozen=True, tag="can", array_like=True):
    call: int
    wish: int
    capability: Literal["elicitation", "sampling", "roots"]


Wish = HttpWish | SqlWish | SecretWish | AskWish | CanWish
FromWorker = (
    Ready | Returned | Failed | Ended | Note | Progress | Changed | HttpWish | SqlWish | SecretWish | AskWish | CanWish
)

_pack, _json = msgspec.msgpack.Encoder(), msgspec.json.Encoder()


def framed(message: FromGuard | FromWorker) -> bytearray:
    """The bytes of a frame.

    Raises:
        OverflowError, TypeError, ValueError, RecursionError: the message holds what cannot be said.
    """
    buffer = bytearray(HEAD)
    (_pack if isinstance(message, FromGuard) else _json).encode_into(message, buffer, HEAD)
    buffer[:HEAD] = (len(buffer) - HEAD).to_bytes(HEAD, "big")
    return buffer


def length(head: bytes | bytearray | memoryview) -> int:
    return int.from_bytes(head[:HEAD], "big")


def most(frame: bytes | bytearray) -> int:
    """How many bytes a frame may have, by the tag it begins with."""
    # After the length: an array, whose first item is a text.
    tag = frame[HEAD + 2 : HEAD + 10]
    return MAX_REQUEST if tag.startswith(b"http") else MAX_FRAME if tag.startswith((b"returned", b"failed")) else MAX_SMALL


def write(descriptor: int, frame: bytes | bytearray) -> None:
    """All of it, on a blocking descriptor."""
    sent = os.write(descriptor, frame)
    while sent < len(frame):
        sent += os.write(descriptor, memoryview(frame)[sent:])
