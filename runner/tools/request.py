"""The HTTP request a declared tool sends: a pure function of the tool, the arguments and the secrets."""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import unquote

from msgspec import Struct

from runner.contract import HttpTool
from runner.tools.bodies import encoded_body, unwritable
from runner.tools.credentials import Sent, sent
from runner.tools.errors import ArgumentError, MissingSecret, RequestError, UnusableSecret
from runner.tools.files import File
from runner.tools.prepare import Pairs, PairSlot, Piece, PreparedTool, Slot, prepare
from runner.tools.styles import fits_a_header

__all__ = ["ArgumentError", "HttpRequest", "MissingSecret", "PreparedTool", "RequestError", "UnusableSecret", "build_request", "prepare"]

_NO_FILES: Mapping[str, File] = MappingProxyType({})
USER_AGENT = "BuildMyMCPServer/0.1"
ACCEPT = "application/json, text/*;q=0.9, */*;q=0.5"


class HttpRequest(Struct, frozen=True, kw_only=True):
    """A request as it goes over the wire. Header names are unique, whatever their case; values are Latin-1 text."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """For HTTP libraries, which would encode text as ASCII or UTF-8."""
        return [(name.encode("ascii"), value.encode("latin-1")) for name, value in self.headers]

    @property
    def shown_url(self) -> str:
        """The URL without its query, where a credential may stand."""
        return self.url.partition("?")[0]


def build_request(
    tool: HttpTool | PreparedTool, arguments: Mapping[str, object], secrets: Mapping[str, str] | Sent, files: Mapping[str, File] = _NO_FILES
) -> HttpRequest:
    """The request of one call. Arguments have been validated against the tool's input schema; this checks what a schema cannot.

    `secrets` may be what they come to for this tool (`credentials.sent`), which is the same in every call. An absent or null argument
    leaves its parameter out; inside a JSON body null is null. `files` are those that arguments name by a URL
    (`runner.tools.files.urls_in` lists them), by that URL.

    Raises:
        ArgumentError: a value cannot stand where it would have to (the sentence says why and what to send instead).
        MissingSecret: the tool needs a credential and no alternative has all of its secrets.
        UnusableSecret: a secret's value cannot be sent.
    """
    ready = tool if isinstance(tool, PreparedTool) else prepare(tool)
    query = [*ready.fixed_query, *_filled(ready, ready.query, arguments, "query")]
    cookies = [*ready.fixed_cookies, *_filled(ready, ready.cookies, arguments, "cookie")]
    headers = {"accept": ("Accept", ACCEPT), "user-agent": ("User-Agent", USER_AGENT)}
    content = ready.tool.body
    body = encoded_body(content, arguments, files) if content else None
    headers |= {name.lower(): (name, value) for name, value in ready.fixed_headers}
    if body is not None:
        headers["content-type"] = ("Content-Type", body.media_type)
    headers |= {slot.name.lower(): (slot.name, value) for slot, value in _header_values(ready.headers, arguments)}
    for place, name, value in secrets if isinstance(secrets, tuple) else sent(ready.tool.auth, secrets):
        if place == "header":
            headers[name.lower()] = (name, value)
        else:
            (query if place == "query" else cookies).append((name, value))
    if cookies:
        headers["cookie"] = ("Cookie", "; ".join(f"{name}={value}" for name, value in cookies))
    url = _url(ready, arguments, query)
    return HttpRequest(method=ready.tool.method, url=url, headers=tuple(headers.values()), body=body.content if body else None)


def _url(ready: PreparedTool, arguments: Mapping[str, object], query: Pairs) -> str:
    path = "/".join(segment if isinstance(segment, str) else _segment(segment, arguments) for segment in ready.segments)
    pairs = [f"{name}={value}" for name, value in query]
    if ready.query_template:
        pairs.insert(0, _joined(ready.query_template, arguments))
    return f"{path}?{'&'.join(pairs)}" if pairs else path


def _segment(pieces: tuple[Piece, ...], arguments: Mapping[str, object]) -> str:
    text = _joined(pieces, arguments)
    # A parameter that keeps its slashes fills several segments.
    if any(each in (".", "..") for each in text.split("/")):
        argument = next(piece.argument for piece in pieces if isinstance(piece, Slot))
        raise ArgumentError(f"{argument} must not make the path segment {text!r}, which would lead to another address.", argument)
    return text


def _joined(pieces: tuple[Piece, ...], arguments: Mapping[str, object]) -> str:
    return "".join(piece if isinstance(piece, str) else _in_path(piece, arguments) for piece in pieces)


def _in_path(slot: Slot, arguments: Mapping[str, object]) -> str:
    value = arguments.get(slot.argument)
    if value is None:
        raise ArgumentError(f"{slot.argument} is needed: it is part of the address.", slot.argument)
    try:
        text = slot.render(value)
    except (ValueError, RecursionError) as error:
        raise unwritable(slot.argument) from error
    if not text:
        raise ArgumentError(f"{slot.argument} must not be empty: it is part of the address.", slot.argument)
    return text


def _filled(ready: PreparedTool, slots: tuple[PairSlot, ...], arguments: Mapping[str, object], place: str) -> Pairs:
    pairs: Pairs = []
    for slot in slots:
        if (value := arguments.get(slot.argument)) is None:
            continue
        try:
            found = slot.render(value)
        except (ValueError, RecursionError) as error:
            raise unwritable(slot.argument) from error
        # An exploded object names its own parameters, so only here can be seen that one is the credential's.
        if any((place, unquote(name)) in ready.reserved for name, _ in found):
            raise ArgumentError(f"{slot.argument} must not name the parameter that carries the server's own credential.", slot.argument)
        pairs += found
    return pairs


def _header_values(slots: tuple[Slot, ...], arguments: Mapping[str, object]) -> list[tuple[Slot, str]]:
    values: list[tuple[Slot, str]] = []
    for slot in slots:
        if (value := arguments.get(slot.argument)) is None:
            continue
        try:
            text = slot.render(value)
        except (ValueError, RecursionError) as error:
            raise unwritable(slot.argument) from error
        if not fits_a_header(text):
            raise ArgumentError(f"{slot.argument} is sent as a header: no line breaks, and only Latin characters.", slot.argument)
        values.append((slot, text.strip(" \t")))
    return values
