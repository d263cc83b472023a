"""Requests → the endpoints behind them: which segments of a path vary, which requests are the same one, and what each is called."""

import re
from collections.abc import Sequence
from itertools import chain
from urllib.parse import quote, unquote

import msgspec
from msgspec import Struct

from bmm.sources.credentials import VARIABLE
from bmm.sources.openapi.names import legal_name
from bmm.sources.seen import JSON, Place, Seen, json_of, place_of

_ID = re.compile(
    r"\d+|(?i:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}|0x[0-9a-f]{8,})|[0-9A-HJKMNP-TV-Z]{26}"
    r"|(?=.*\d)[a-z]{2,8}_[A-Za-z0-9]{6,}|(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9_-]{20,}|[A-Z]{2,10}-\d+|[A-Z](?=[A-Z0-9]*\d)[A-Z0-9]{8,}"
    r"|[\w.+-]+@[\w-]+(\.[\w-]+)+|\d{4}-\d\d-\d\d"
)
# `{name}`, `<name>`, `:name` and `[name]`, as documentation writes what is to be filled in; `{a,b}` and `[1-3]`, as curl expands it.
_WRITTEN = re.compile(r"\{\{?\s*([A-Za-z_][\w -]*?)\s*\}\}?|<([A-Za-z_][\w -]*)>|^:([A-Za-z_]\w*)$|^\[([A-Za-z_][\w -]*)\]$|\$\{?([A-Z_][A-Z0-9_]+)\}?")
_GLOB = re.compile(r"\{([^{}]*,[^{}]*)\}|\[(\d+)-(\d+)(?::\d+)?\]")
_EMPTY = re.compile(r"(?i)^(api|rest|v\d+(\.\d+)?(beta|alpha)?\d*|\d+(\.\d+)?|ajax|json|_?internal|services?|public|gateway|index|latest)$")
_ACTIONS = re.compile(
    r"(?i)^(search|find|query|send|upload|download|export|import|sync|run|start|stop|restart|cancel|close|open|activate|deactivate|enable"
    r"|disable|archive|restore|approve|reject|publish|merge|lock|unlock|count|validate|verify|generate|translate|convert|calculate|login|logout"
    r"|lookup|suggest|autocomplete|batch|bulk|echo|ping|forecast|completions?|embeddings?)$"
)
# `OWNER`, `YOUR_ID`: what documentation wants to be replaced; other capitals (`AAPL`, `USD`) are values.
_CAPITALS = re.compile(r"[A-Z][A-Z0-9]*([_-][A-Z0-9]+)*")
_TO_REPLACE = re.compile(r"(YOUR|MY)[_-].*|.*[_-](ID|NAME|KEY|NUMBER|SLUG)|ID|NAME|USER(NAME)?|OWNER|REPO|ORG|PROJECT|ACCOUNT|NUMBER|SLUG|TEAM|GROUP")
_SUFFIX = re.compile(r"(?i)\.(json|xml|php|aspx?|do)$")
# Beside the things themselves: `/users/me`.
_OWN = re.compile(r"(?i)^(me|self|my|mine|current|new|all|recent|top|trending|popular|stats|statistics|summary|settings|config|types|status|default)$")
_ENOUGH = 3
"""How many words have to stand in one place before they are taken for names of things."""
_SAME_ENDS = ("ss", "us", "is", "news", "series")


class Hole(Struct, frozen=True, kw_only=True):
    """A part of a path that varies: its name, and the values that were seen in it."""

    name: str
    values: tuple[str, ...] = ()


class Endpoint(Struct, kw_only=True):
    """One endpoint with all requests to it. `operation` is the name of a GraphQL operation, which makes an endpoint of its own."""

    method: str
    origin: str
    path: str
    holes: dict[str, list[str]]
    seen: list[tuple[Seen, Place]]
    operation: str = ""
    name: str = ""


def endpoints_of(seen: Sequence[Seen]) -> list[Endpoint]:
    """In the order of first use, not named yet.

    Raises:
        ValueError: a URL is none; the message begins with which request it is.
    """
    found: dict[tuple[str, str, str, str], Endpoint] = {}
    placed = [(each, _place(each)) for each in seen]
    varying = _varying(placed)
    for each, place in placed:
        path, holes = _template(place, varying)
        operation = graphql_operation(each) or ""
        key = each.method, place.origin, re.sub(r"\{[^{}]*\}", "{}", path), operation
        endpoint = found.setdefault(
            key, Endpoint(method=each.method, origin=place.origin, path=path, holes={hole.name: [] for hole in holes}, seen=[], operation=operation)
        )
        endpoint.seen.append((each, place))
        for name, hole in zip(endpoint.holes, holes, strict=True):
            endpoint.holes[name] += hole.values
    return list(found.values())


def _place(seen: Seen) -> Place:
    try:
        return place_of(seen.url)
    except ValueError as error:
        raise ValueError(f"{seen.where}: {error}") from error


def _varying(placed: list[tuple[Seen, Place]]) -> set[tuple[str, ...]]:
    """Beginnings of paths, such as `/users`, after which so many words stood that they are names of things: `ann`, `bob`, `eve`."""
    after: dict[tuple[object, ...], set[str]] = {}
    for seen, place in placed:
        for number, segment in enumerate(place.segments[1:], 1):
            before = place.segments[:number]
            if singular(before[-1]) != before[-1] and not _ACTIONS.match(segment) and not _OWN.match(segment):
                after.setdefault((seen.method, place.origin, before, place.segments[number + 1 :]), set()).add(segment)
    return {(str(key[1]), *key[2]) for key, words in after.items() if len(words) >= _ENOUGH and isinstance(key[2], tuple)}


def graphql_operation(seen: Seen) -> str | None:
    """What a GraphQL request asks for; None for any other request."""
    if seen.body is None or not JSON.match(seen.body.media_type):
        return None
    try:
        body = json_of(seen.body.text)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    text, given = body.get("query"), body.get("operationName")
    persisted = isinstance(body.get("extensions"), dict) and "persistedQuery" in body["extensions"]
    if not persisted and not (isinstance(text, str) and re.match(r"\s*(#.*\n\s*)*(query|mutation|subscription|fragment|\{)", text)):
        return None
    if isinstance(given, str) and given:
        return given
    named = re.search(r"\b(?:query|mutation|subscription)\s+(\w+)", text) if isinstance(text, str) else None
    first = re.search(r"\{\s*(?:\w+\s*:\s*)?(\w+)", text) if isinstance(text, str) else None
    return named.group(1) if named else first.group(1) if first else "graphql"


def is_mutation(text: object) -> bool:
    return not isinstance(text, str) or re.search(r"(?m)^\s*(mutation|subscription)\b", text) is not None


def _template(place: Place, varying: set[tuple[str, ...]]) -> tuple[str, list[Hole]]:
    holes: list[Hole] = []
    parts: list[str] = []
    static: list[str] = []
    for number, segment in enumerate(place.segments):
        named = (place.origin, *place.segments[:number]) in varying and not _ACTIONS.match(segment) and not _OWN.match(segment)
        pieces = [Hole(name=_id_of(static, ""), values=(segment,))] if named else _holes_in(segment, static, first=number == 0)
        text = ""
        for piece in pieces:
            if isinstance(piece, str):
                text += quote(piece, safe="!$&'()*+,;=:@~")
                continue
            name, count = piece.name, 2
            while name in {each.name for each in holes}:
                name, count = f"{piece.name}_{count}", count + 1
            holes.append(msgspec.structs.replace(piece, name=name))
            text += f"{{{name}}}"
        parts.append(text)
        if len(pieces) == 1 and isinstance(pieces[0], str):
            static.append(segment)
    return "/" + "/".join(parts), holes


def _holes_in(segment: str, before: list[str], *, first: bool) -> list[str | Hole]:
    if (glob := _GLOB.search(segment)) is not None:
        values = glob.group(1).split(",") if glob.group(1) else [glob.group(2), glob.group(3)]
        whole = tuple(f"{segment[: glob.start()]}{each}{segment[glob.end() :]}" for each in values)
        return [Hole(name=_id_of(before, ""), values=whole)]
    pieces: list[str | Hole] = []
    at = 0
    for match in sorted([*VARIABLE.finditer(segment), *_WRITTEN.finditer(segment)], key=lambda each: each.start()):
        name = next((each for each in match.groups() if each), "")
        pieces += [segment[at : match.start()]] if match.start() > at else []
        pieces.append(Hole(name=_snake(name) or _id_of(before, "")))
        at = match.end()
    if pieces:
        return [*pieces, *([segment[at:]] if at < len(segment) else [])]
    suffix = _SUFFIX.search(segment)
    if suffix is not None and suffix.start():
        inside = _holes_in(segment[: suffix.start()], before, first=first)
        return [segment] if isinstance(inside[-1], str) else [*inside, suffix.group()]
    if _CAPITALS.fullmatch(segment) and len(segment) > 1 and not _EMPTY.match(segment):
        if _TO_REPLACE.fullmatch(segment):
            return [Hole(name=_snake(re.sub(r"^(YOUR|MY)[_-]", "", segment)))]
        return [Hole(name=_id_of(before, segment), values=(segment,))] if before else [segment]
    early = first or (bool(before) and all(_EMPTY.match(each) for each in before))
    version = early and re.fullmatch(r"\d{1,2}|\d{4}-\d\d-\d\d", segment) is not None
    one_of_many = bool(before) and singular(before[-1]) != before[-1] and any(each.isdigit() for each in segment) and not _EMPTY.match(segment)
    return [Hole(name=_id_of(before, segment), values=(segment,))] if (_ID.fullmatch(segment) and not version) or one_of_many else [segment]


def _id_of(before: list[str], value: str) -> str:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return "date"
    ending = "email" if "@" in value else "id"
    noun = next((each for each in reversed(before) if not _EMPTY.match(each)), "")
    return f"{_snake(singular(noun))}_{ending}".strip("_") if noun else ending


def give_names(endpoints: list[Endpoint]) -> None:
    """Gives each a name: the shortest name that tells an endpoint from those before it: its last static segments, one more at a time."""
    taken: set[str] = set()
    for each in endpoints:
        parts = [_SUFFIX.sub("", unquote(part)) for part in each.path.split("/") if "{" not in part]
        nouns = [_snake(part) for part in parts if _snake(part) and not _EMPTY.match(part)] or ["root"]
        choices = [_snake(each.operation)] if each.operation else [_called(each, nouns[-number:]) for number in range(1, len(nouns) + 1)]
        choices.append(f"{each.method.lower()}_{choices[-1]}")
        numbered = (f"{choices[-2]}_{number}" for number in range(2, len(endpoints) + 2))
        each.name = next(legal for choice in chain(choices, numbered) if (legal := legal_name(choice)) and legal not in taken)
        taken.add(each.name)


def _called(endpoint: Endpoint, nouns: list[str]) -> str:
    path = _SUFFIX.sub("", endpoint.path.rstrip("/"))
    ends_in_hole = path.endswith("}")
    last = nouns[-1]
    if not ends_in_hole and (_ACTIONS.match(last) or re.search(r"/[^/{}]*\.[^/{}]*$", path)):
        return "_".join([*nouns[-1:], *(singular(each) for each in nouns[:-1])]) if _ACTIONS.match(last) else "_".join(nouns)
    before = [singular(each) for each in nouns[:-1]]
    plural = singular(last) != last
    one = ends_in_hole or (endpoint.method == "POST" and plural)
    verb = {"GET": "get" if ends_in_hole or not plural else "list", "POST": "create" if plural and not ends_in_hole else "post",
            "PUT": "replace", "PATCH": "update", "DELETE": "delete", "QUERY": "query"}.get(endpoint.method, endpoint.method.lower())  # fmt: skip
    return "_".join([verb, *before, singular(last) if one else last])


def singular(word: str) -> str:
    low = word.lower()
    if low.endswith(_SAME_ENDS) or not low.endswith("s") or len(word) < 4:
        return word
    if low.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-2] if low.endswith(("sses", "xes", "ches", "shes")) else word[:-1]


def _snake(text: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    return re.sub(r"[^A-Za-z0-9]+", "_", spaced).strip("_").lower()
