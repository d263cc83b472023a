"""What a tool's code is given beside its arguments: `ctx`. Everything it offers is asked of the guard; nothing is reached from here."""

import asyncio
import base64
import io
import json
from collections.abc import Callable, Generator, Mapping
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from runner.worker import frames
from runner.worker.frames import FromWorker, Level, Reply, Wish

Capability = Literal["elicitation", "sampling", "roots"]
MAX_LINE = 8192


class ToolError(Exception):
    """Raise it to answer with an error: the model reads the text, so say what to do differently."""

    code = "failed"


class HttpError(ToolError):
    """The request could not be made or was not answered; `code` says which, such as `egress_denied` or `upstream_timeout`."""

    def __init__(self, message: str, code: str = "upstream_unreachable") -> None:
        super().__init__(message)
        self.code = code


class Unanswered(ToolError):
    """The client was asked and gave no usable answer."""

    code = "unanswered"


class Content(Struct, frozen=True):
    """A content block of the answer; made by `ctx.text`, `ctx.image` and the like. Return one, or a list of them."""

    block: dict[str, Any]


class Response(Struct, frozen=True):
    """What an API answered. Header names are in lower case; redirects are not followed."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        return self.status < 400

    @property
    def text(self) -> str:
        charset = self.headers.get("content-type", "").partition("charset=")[2].partition(";")[0].strip('" ')
        try:
            return self.content.decode(charset or "utf-8", "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The decoded body.

        Raises:
            HttpError: it is not JSON.
        """
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            raise HttpError(f"The API answered {self.status} with something that is not JSON.", "upstream_garbled") from None

    def raise_for_status(self) -> "Response":
        """Itself, where the status is below 400.

        Raises:
            HttpError: with the status and the beginning of the answer.
        """
        if self.ok:
            return self
        raise HttpError(f"The API answered {self.status}: {self.text[:500]}", "upstream_rejected" if self.status < 500 else "upstream_failed")


class Done:
    """What needs no waiting for: `await` it or not."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


_DONE = Done()
Pairs = Mapping[str, object] | list[tuple[str, object]]


class Http:
    """Requests to the hosts of the spec. The guard makes them, under the same rules as those of `http` tools."""

    def __init__(self, call: "Call") -> None:
        self._call = call

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Pairs | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = msgspec.UNSET,
        data: Pairs | None = None,
        content: bytes | str | None = None,
        digest: tuple[str, str] | None = None,
        certificate: str | tuple[str, ...] = (),
    ) -> Response:
        """Send one request. At most one of `json`, `data` (a form) and `content` is the body.

        `digest` names the secrets with user name and password for HTTP Digest, `certificate` the secret with a client certificate and
        its key, or the two that hold one each; the guard signs in with them.

        Raises:
            HttpError: the host is not one of the spec's, or gave no answer.
        """
        named = {name.lower(): (name, value) for name, value in (headers or {}).items()}
        body, kind = _body(json, data, content)
        if kind is not None:
            named.setdefault("content-type", ("Content-Type", kind))
        if params and (query := urlencode(list(_pairs(params)))):
            url = f"{url}{'&' if '?' in url else '?'}{query}"
        held = (certificate,) if isinstance(certificate, str) else tuple(certificate)
        wish = frames.HttpWish(self._call.number, self._call.next(), method.upper(), url, tuple(named.values()), body, digest, held)
        status, found, answer = await self._call.wish(wish)
        return Response(status, found, answer)

    async def get(self, url: str, **options: Any) -> Response:
        return await self.request("GET", url, **options)

    async def post(self, url: str, **options: Any) -> Response:
        return await self.request("POST", url, **options)

    async def put(self, url: str, **options: Any) -> Response:
        return await self.request("PUT", url, **options)

    async def patch(self, url: str, **options: Any) -> Response:
        return await self.request("PATCH", url, **options)

    async def delete(self, url: str, **options: Any) -> Response:
        return await self.request("DELETE", url, **options)


class Ctx:
    """Given to `async def run(args, ctx)`."""

    ToolError = ToolError

    def __init__(self, call: "Call") -> None:
        self._call = call
        self.http = Http(call)
        self._asked = 0

    async def sql(self, database: str, query: str, **params: object) -> list[dict[str, Any]]:
        """The rows of a query on one of the spec's databases; values go in as `:name`.

        Raises:
            ToolError: there is no such database, or it refused the query.
        """
        rows: list[dict[str, Any]] = await self._call.wish(
            frames.SqlWish(self._call.number, self._call.next(), database, query, msgspec.to_builtins(params))
        )
        return rows

    async def secret(self, key: str) -> str:
        """The value of one of the spec's secrets.

        Raises:
            ToolError: the spec does not list it, or the owner has not set it.
        """
        return str(await self._call.wish(frames.SecretWish(self._call.number, self._call.next(), key)))

    def log(self, level: Level, message: object) -> Done:
        """A message for the owner's log, and for the client if it wants messages of this level."""
        self._call.note(frames.Note(self._call.number, level, _plain(message)))
        return _DONE

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> Done:
        """How far the work is, for a client that asked to be told."""
        self._call.note(frames.Progress(self._call.number, done, total, message))
        return _DONE

    async def elicit(self, message: str, schema: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
        """Ask the person: `{"action": "accept" | "decline" | "cancel", "content": {…}}`. `schema` is that of the form, an object.

        The tool may be run again from its start once the answer is there, so what stands before a question must be harmless to
        repeat. Questions are told apart by `key`, or by their order.

        Raises:
            Unanswered: the client gave no usable answer. Where it cannot be asked at all, the call ends.
        """
        self._asked += 1
        key = key or f"question-{self._asked}"
        return (await self.ask({key: ("elicitation/create", {"mode": "form", "message": message, "requestedSchema": schema})}))[key]

    async def ask(self, questions: Mapping[str, tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
        """Several questions at once, in the protocol's own form: `{key: (method, params)}` to `{key: result}`.

        Raises:
            Unanswered: as `elicit`.
        """
        asked: Any = dict(questions)
        answers: dict[str, dict[str, Any]] = await self._call.wish(frames.AskWish(self._call.number, self._call.next(), asked))
        return answers

    async def can(self, capability: Capability) -> bool:
        """Whether the client answers such questions."""
        return bool(await self._call.wish(frames.CanWish(self._call.number, self._call.next(), capability)))

    def changed(self, what: Literal["tools", "prompts", "resources"]) -> Done:
        """A list has changed: clients that listen are told."""
        self._call.note(frames.Changed(self._call.number, what))
        return _DONE

    def updated(self, uri: str) -> Done:
        """A resource has changed: clients that listen to it are told."""
        self._call.note(frames.Changed(self._call.number, None, uri))
        return _DONE

    @staticmethod
    def text(text: str) -> Content:
        return Content({"type": "text", "text": text})

    @staticmethod
    def image(data: bytes, mime_type: str = "image/png") -> Content:
        return Content({"type": "image", "data": base64.b64encode(data).decode(), "mimeType": mime_type})

    @staticmethod
    def audio(data: bytes, mime_type: str = "audio/wav") -> Content:
        return Content({"type": "audio", "data": base64.b64encode(data).decode(), "mimeType": mime_type})

    @staticmethod
    def resource(uri: str, content: str | bytes, mime_type: str | None = None) -> Content:
        """A document inside the answer."""
        held = {"text": content} if isinstance(content, str) else {"blob": base64.b64encode(content).decode()}
        named = {} if mime_type is None else {"mimeType": mime_type}
        return Content({"type": "resource", "resource": {"uri": uri, **named, **held}})

    @staticmethod
    def link(uri: str, name: str) -> Content:
        """A document that the client may read by its URI."""
        return Content({"type": "resource_link", "uri": uri, "name": name})


class Call:
    """One run's line to the guard. Frames are written whole, from whatever thread."""

    def __init__(self, number: int, send: Callable[[FromWorker], None]) -> None:
        self.number = number
        self.closed = False
        """Set when the call is over: what a forgotten callback says later is dropped."""
        self._send = send
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._wishes = self._notes = 0

    def next(self) -> int:
        self._wishes += 1
        return self._wishes

    async def wish(self, wish: Wish) -> Any:
        """What the guard answers.

        Raises:
            ToolError: it cannot be had.
        """
        if self.closed:
            raise ToolError("This call is over.")
        future = self._waiting[wish.wish] = asyncio.get_running_loop().create_future()
        try:
            self._send(wish)
            return await future
        finally:
            del self._waiting[wish.wish]

    def note(self, note: FromWorker) -> None:
        self._notes += 1
        if self.closed:
            return
        if self._notes < frames.MAX_NOTES:
            self._send(note)
        elif self._notes == frames.MAX_NOTES:
            self._send(frames.Note(self.number, None, f"(more than {frames.MAX_NOTES} messages: the rest of this call is left out)"))

    def answered(self, reply: Reply) -> None:
        future = self._waiting.get(reply.wish)
        if future is None or future.done():
            return
        if reply.code is None:
            future.set_result(reply.value)
        elif reply.code == Unanswered.code:
            future.set_exception(Unanswered(reply.message))
        else:
            future.set_exception(HttpError(reply.message, reply.code))


class Output(io.TextIOBase):
    """Standard output and error of a tool: its lines are for the owner's log."""

    encoding = "utf-8"

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line, self._rest = line, ""

    def write(self, text: str) -> int:
        for piece in text.splitlines(keepends=True):
            # A line without an end must not be kept without an end.
            self._rest += piece[: MAX_LINE - len(self._rest)]
            if piece.endswith("\n"):
                self.flush()
        return len(text)

    def flush(self) -> None:
        line, self._rest = self._rest.rstrip("\r\n"), ""
        if line:
            self._line(_sayable(line))

    def close(self) -> None:
        """It is there for the next call as well."""

    def writable(self) -> bool:
        return True


def _body(value: object, data: Pairs | None, content: bytes | str | None) -> tuple[bytes | None, str | None]:
    if value is not msgspec.UNSET:
        return msgspec.json.encode(value), "application/json"
    if data is not None:
        return urlencode(list(_pairs(data))).encode(), "application/x-www-form-urlencoded"
    return (content.encode(), "text/plain; charset=utf-8") if isinstance(content, str) else (content, None)


def _pairs(given: Pairs) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in given.items() if isinstance(given, Mapping) else given:
        for each in value if isinstance(value, list | tuple) else (value,):
            if each is not None:
                found.append((name, str(each).lower() if isinstance(each, bool) else str(each)))
    return found


def _plain(value: object) -> Any:
    try:
        plain = msgspec.to_builtins(value, str_keys=True)
        return plain if len(msgspec.msgpack.encode(plain)) < frames.MAX_SMALL - MAX_LINE else _sayable(str(value)[:MAX_LINE])
    except (OverflowError, TypeError, ValueError, RecursionError):
        return _sayable(str(value)[:MAX_LINE])


def _sayable(text: str) -> str:
    """Half a surrogate pair, as names of files may hold, cannot be sent as it is."""
    return text.encode("utf-8", "backslashreplace").decode()
