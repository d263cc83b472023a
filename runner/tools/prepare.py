"""Everything about a tool's requests that is the same in every call, worked out once."""

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

import msgspec
from msgspec import Struct

from runner.contract import HttpTool, Parameter, place_of
from runner.tools.bodies import is_json
from runner.tools.styles import as_header, as_path, as_query, keeping_slashes, loosely, strictly, text_of

# These frame the message or name the caller; neither an argument nor a document may set them.
FRAMING = frozenset(
    {"authorization", "connection", "content-length", "content-type", "cookie", "expect", "host", "keep-alive", "proxy-authorization"}
    | {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)

Pairs = list[tuple[str, str]]


class Slot(Struct, frozen=True, kw_only=True):
    """A place in the request that one argument fills with text, in a path or a header."""

    name: str
    argument: str
    render: Callable[[object], str]


class PairSlot(Struct, frozen=True, kw_only=True):
    """A place in the query or among the cookies; one argument can become several pairs."""

    argument: str
    render: Callable[[object], Pairs]


Piece = str | Slot


class PreparedTool(Struct, frozen=True, kw_only=True):
    """A tool taken apart. `segments` are the URL split at its slashes; a tuple has arguments in it, text has none."""

    tool: HttpTool
    segments: tuple[str | tuple[Piece, ...], ...]
    query_template: tuple[Piece, ...]
    fixed_query: tuple[tuple[str, str], ...]
    query: tuple[PairSlot, ...]
    fixed_headers: tuple[tuple[str, str], ...]
    headers: tuple[Slot, ...]
    fixed_cookies: tuple[tuple[str, str], ...]
    cookies: tuple[PairSlot, ...]
    reserved: frozenset[tuple[str, str]]
    """Places and names that belong to credentials."""


def prepare(tool: HttpTool) -> PreparedTool:
    reserved = frozenset(place_of(credential) for alternative in tool.auth for credential in alternative)
    usable = [parameter for parameter in tool.parameters if _may_be_sent(parameter, reserved)]
    dynamic = [parameter for parameter in usable if parameter.argument is not None]
    fixed = [parameter for parameter in usable if parameter.argument is None and parameter.value is not None]
    in_path = {parameter.name: _path_piece(parameter) for parameter in tool.parameters if parameter.place == "path"}
    path, _, query = tool.path.partition("?")
    base = tool.server.rstrip("/")
    return PreparedTool(
        tool=tool,
        segments=(*base.split("/"), *(_segment(part, in_path) for part in path.removeprefix("/").split("/"))),
        query_template=_pieces(query, in_path),
        fixed_query=_fixed_pairs(fixed, "query"),
        query=_pair_slots(dynamic, "query"),
        fixed_headers=tuple((each.name, _header_text(each)(each.value)) for each in fixed if each.place == "header"),
        headers=tuple(_header_slot(each) for each in dynamic if each.place == "header"),
        fixed_cookies=_fixed_pairs(fixed, "cookie"),
        cookies=_pair_slots(dynamic, "cookie"),
        reserved=reserved,
    )


def _may_be_sent(parameter: Parameter, reserved: frozenset[tuple[str, str]]) -> bool:
    name = parameter.name.lower() if parameter.place == "header" else parameter.name
    if parameter.place == "path" or (parameter.place, name) in reserved:
        return False
    if parameter.place != "header":
        return True
    # OpenAPI ignores parameters named Accept and Content-Type; a fixed one is the document's choice of a media type.
    return parameter.argument is None if name in ("accept", "content-type") else name not in FRAMING


def _path_piece(parameter: Parameter) -> Piece:
    text = _path_text(parameter)
    return text(parameter.value) if parameter.argument is None else Slot(name=parameter.name, argument=parameter.argument, render=text)


def _segment(template: str, in_path: Mapping[str, Piece]) -> str | tuple[Piece, ...]:
    pieces = _pieces(template, in_path)
    texts = [piece for piece in pieces if isinstance(piece, str)]
    return "".join(texts) if len(texts) == len(pieces) else pieces


def _pieces(template: str, in_path: Mapping[str, Piece]) -> tuple[Piece, ...]:
    parts = re.split(r"\{([^{}]+)\}", template)
    return tuple(in_path[part] if number % 2 else quote(part, safe="!$&'()*+,;=:@/?%[]") for number, part in enumerate(parts) if part)


def _fixed_pairs(parameters: list[Parameter], place: str) -> tuple[tuple[str, str], ...]:
    return tuple(pair for parameter in parameters if parameter.place == place for pair in _pairs(parameter)(parameter.value))


def _pair_slots(parameters: list[Parameter], place: str) -> tuple[PairSlot, ...]:
    return tuple(PairSlot(argument=each.argument or "", render=_pairs(each)) for each in parameters if each.place == place)


def _header_slot(parameter: Parameter) -> Slot:
    return Slot(name=parameter.name, argument=parameter.argument or "", render=_header_text(parameter))


def _path_text(parameter: Parameter) -> Callable[[object], str]:
    if parameter.content is not None:
        return lambda value: strictly(_as_content(parameter, value))
    encode = keeping_slashes if parameter.allow_reserved else strictly
    return lambda value: as_path(parameter.name, value, style=parameter.style or "simple", explode=bool(parameter.explode), encode=encode)


def _header_text(parameter: Parameter) -> Callable[[object], str]:
    if parameter.content is not None:
        return lambda value: _as_content(parameter, value)
    return lambda value: as_header(value, explode=bool(parameter.explode))


def _pairs(parameter: Parameter) -> Callable[[object], Pairs]:
    encode = loosely if parameter.allow_reserved else strictly
    if parameter.content is not None:
        return lambda value: [(strictly(parameter.name), encode(_as_content(parameter, value)))]
    style = parameter.style or "form"
    explode = style == "form" if parameter.explode is None else parameter.explode
    return lambda value: as_query(parameter.name, value, style=style, explode=explode, encode=encode)


def _as_content(parameter: Parameter, value: object) -> str:
    return msgspec.json.encode(value).decode() if is_json(parameter.content or "") else text_of(value)
