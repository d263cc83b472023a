"""A model's service on loopback that answers as a test says: the Messages protocol over HTTP, streamed, with all its ways to fail.

    with ModelServer(submitting(spec), failing(529, "overloaded_error")) as server:
        config = Config(model_base_url=server.url, model_key=KEY, …)

Replies are used up in order; every request is kept in `server.requests`.
"""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self

KEY = "sk-ant-test-00000000000000000000"
INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS = 321, 2048, 654
Json = dict[str, Any]


@dataclass(frozen=True)
class Wait:
    """A pause, without seconds until the server stops; or until an event, without which the connection is reset in the end."""

    seconds: float = 60.0
    until: threading.Event | None = None


class Cut:
    """The connection is reset."""


Step = bytes | Wait | Cut


@dataclass(frozen=True)
class Reply:
    """A status and what follows it. Steps are sent one by one as chunks of the body."""

    steps: tuple[Step, ...]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream; charset=utf-8"})


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Json:
        found: Json = json.loads(self.raw)
        return found

    @property
    def said(self) -> str:
        """The user's message."""
        return str(self.body["messages"][0]["content"])


def submitting(
    spec: Json | str,
    *,
    piece: int = 16,
    delay: float = 0.0,
    first_delay: float = 0.0,
    stop: str = "tool_use",
    prose: str = "",
    upto: float = 1.0,
) -> Reply:
    """A call of the tool with this spec (or text), in deltas of `piece` characters; `upto`: the part of it that is sent."""
    text = spec if isinstance(spec, str) else json.dumps(spec, ensure_ascii=False)
    text = text[: round(len(text) * upto)]
    return submitting_pieces(
        [text[at : at + piece] for at in range(0, len(text), piece)], delay=delay, first_delay=first_delay, stop=stop, prose=prose
    )


def submitting_pieces(
    pieces: Iterable[str | Wait],
    *,
    delay: float = 0.0,
    first_delay: float = 0.0,
    stop: str = "tool_use",
    prose: str = "",
    name: str = "submit_server",
) -> Reply:
    """A call of the tool in exactly these deltas, with pauses between them."""
    steps: list[Step] = [Wait(first_delay)] if first_delay else []
    steps += [_start(), event("ping")]
    steps += _thought()
    if prose:
        steps += _text(1, prose)
    steps.append(event("content_block_start", index=2, content_block={"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}))
    for each in pieces:
        if isinstance(each, Wait):
            steps.append(each)
            continue
        steps.append(event("content_block_delta", index=2, delta={"type": "input_json_delta", "partial_json": each}))
        if delay:
            steps.append(Wait(delay))
    return Reply((*steps, event("content_block_stop", index=2), *_end(stop)))


def submitting_by_tool(spec: Json, *, seconds: float = 10) -> tuple[Reply, dict[str, threading.Event]]:
    """A call of which nothing more is said after the end of a tool until the event of its name is set, which it must be within so many seconds."""
    text, at = json.dumps(spec), 0
    pieces: list[str | Wait] = []
    handed = {tool["name"]: threading.Event() for tool in spec["tools"]}
    for tool in spec["tools"]:
        end = text.index(json.dumps(tool), at) + len(json.dumps(tool))
        pieces += [text[at:end], Wait(seconds, handed[tool["name"]])]
        at = end
    return submitting_pieces([*pieces, text[at:]]), handed


def saying(text: str, *, stop: str = "end_turn") -> Reply:
    """Prose and no call."""
    return Reply((_start(), *_text(0, text), *_end(stop)))


def refusing(category: str = "cyber") -> Reply:
    return Reply((_start(), *_end("refusal", stop_details={"type": "refusal", "category": category, "explanation": "…"})))


def failing(status: int, kind: str, message: str = "no", *, code: str = "", **headers: str) -> Reply:
    """An HTTP error in the service's own form."""
    error: Json = {"type": kind, "message": message, **({"details": {"error_code": code}} if code else {})}
    body = json.dumps({"type": "error", "error": error, "request_id": "req_1"})
    return Reply(
        (body.encode(),), status, {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    )


def broken(reply: Reply, after: int, *last: Step) -> Reply:
    """The first steps of a reply, then others in place of the rest."""
    return Reply((*reply.steps[:after], *last))


def in_chunks(reply: Reply, size: int) -> Reply:
    """The same bytes, split without regard to events and characters."""
    whole = b"".join(step for step in reply.steps if isinstance(step, bytes))
    return Reply(tuple(whole[at : at + size] for at in range(0, len(whole), size)))


def stream_error(kind: str, message: str = "no") -> bytes:
    return event("error", error={"type": kind, "message": message})


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()


def _start() -> bytes:
    usage = {"input_tokens": INPUT_TOKENS, "cache_read_input_tokens": CACHED_TOKENS, "cache_creation_input_tokens": 0, "output_tokens": 1}
    message: Json = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": [],
        "stop_reason": None,
        "usage": usage,
    }
    return event("message_start", message=message)


def _thought() -> list[Step]:
    block = {"type": "thinking", "thinking": "", "signature": ""}
    return [
        event("content_block_start", index=0, content_block=block),
        event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"}),
        event("content_block_stop", index=0),
    ]


def _text(index: int, text: str) -> list[Step]:
    return [
        event("content_block_start", index=index, content_block={"type": "text", "text": ""}),
        *(
            event("content_block_delta", index=index, delta={"type": "text_delta", "text": text[at : at + 20]})
            for at in range(0, len(text), 20)
        ),
        event("content_block_stop", index=index),
    ]


def _end(stop: str, **delta: object) -> list[Step]:
    changed = {"stop_reason": stop, "stop_sequence": None, **delta}
    return [event("message_delta", delta=changed, usage={"output_tokens": OUTPUT_TOKENS}), event("message_stop")]


class ModelServer:
    """`answer`, where given, makes the reply to a request when no scripted one is left."""

    def __init__(self, *replies: Reply, answer: Callable[[Request], Reply] | None = None) -> None:
        self.requests: list[Request] = []
        self.sent: list[tuple[bytes, float]] = []
        """Every chunk with `time.monotonic()` of when it went out."""
        self.stopping = threading.Event()
        self._replies, self._answer, self._lock = list(replies), answer, threading.Lock()
        handler = type("Handler", (_Handler,), {"service": self})
        self._http = _Http(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def then(self, *replies: Reply) -> None:
        """More replies."""
        with self._lock:
            self._replies += replies

    def reply_to(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            if (fault := _fault_of(request)) is not None:
                return fault
            if self._replies:
                return self._replies.pop(0)
        return self._answer(request) if self._answer else failing(400, "invalid_request_error", "the test has no more replies")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _fault_of(request: Request) -> Reply | None:
    """What the real service refuses before it looks at anything else."""
    if request.path != "/v1/messages":
        return failing(404, "not_found_error", "Not found")
    key = request.headers.get("authorization", "").removeprefix("Bearer ") or request.headers.get("x-api-key", "")
    if not key or key == "sk-ant-wrong":
        return failing(401, "authentication_error", f"invalid x-api-key {key}")
    body = request.body
    missing = [name for name in ("model", "max_tokens", "messages") if not body.get(name)]
    if missing or "anthropic-version" not in request.headers:
        return failing(400, "invalid_request_error", f"{missing or 'anthropic-version'}: Field required")
    if body.get("tool_choice", {}).get("type") in ("tool", "any"):
        return failing(400, "invalid_request_error", "Thinking may not be enabled when tool_choice forces tool use.")
    if request.raw.count(b'"cache_control"') > 4:
        return failing(400, "invalid_request_error", "A maximum of 4 blocks with cache_control may be provided.")
    return None


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that goes away in the middle is what many tests are about


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: ClassVar[ModelServer]

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", "0")))
        request = Request(self.path, {name.lower(): value for name, value in self.headers.items()}, raw)
        reply = self.service.reply_to(request)
        self.send_response(reply.status)
        for name, value in {**reply.headers, "transfer-encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for step in reply.steps:
                if isinstance(step, Cut):
                    return self._reset()
                if isinstance(step, Wait):
                    if not (step.until or self.service.stopping).wait(step.seconds) and step.until:
                        return self._reset()
                    continue
                self.wfile.write(b"%x\r\n%b\r\n" % (len(step), step))
                self.service.sent.append((step, time.monotonic()))
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True  # the client has gone, as some tests want

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
