"""How an operation gives its results in pages, recognised from its parameters and its answer."""

import re
from collections.abc import Iterator, Sequence

from bmm.sources.openapi.refs import Document, RefError, under
from bmm.sources.openapi.responses import Response
from runner.contract import Paging, Parameter

# ruff: noqa: SIM905  words in a row read better than as many quotes

_CURSORS = frozenset(
    "cursor nexttoken pagetoken nextpagetoken startingafter after aftercursor continuationtoken continuation continue marker scrollid "
    "startcursor nextcursor pagecursor exclusivestartkey starttoken paginationtoken offsettoken pageafter searchafter nextmarker "
    "lastevaluatedkey skiptoken cursormark startkey pagekey nextpagekey pageid resumptiontoken".split()
)
_PAGES = frozenset("page pagenumber pageindex pageno pagenum currentpage p pg pagenr".split())
_OFFSETS = frozenset("offset skip start startindex startat pageoffset from startrow firstresult recordoffset".split())
_SIZES = frozenset(
    "limit perpage pagesize pagelimit size count maxresults max top maxitems rows take maxrecords first resultsperpage itemsperpage "
    "limitperpage maxkeys numresults".split()
)
_NEXT = (
    "nextcursor nextpagetoken nexttoken nextmarker continuationtoken nextcontinuationtoken continuation scrollid endcursor nextpagecursor "
    "nextpagekey paginationtoken "
    "nextpageuri nextpageurl nexturl nexturi nextlink nextpagelink nextpage nextoffset lastevaluatedkey continue pagetoken cursor after next marker"
).split()
_WRAPPERS = frozenset(
    "meta metadata pagination paging responsemetadata pageinfo page links cursors cursor paginginfo pagingmetadata paginationinfo _links".split()
)
_ITEMS = "data items results result values value entries records list elements rows objects content".split()


def paging_of(method: str, parameters: Sequence[Parameter], response: Response | None, document: Document) -> Paging | None:
    """The paging of a reading operation; None where there is no sign of one."""
    if method != "GET":
        return None
    named = {_plain(each.name): each.argument for each in reversed(parameters) if each.place == "query" and each.argument is not None}
    properties = dict(_properties(response, document))
    items = _items(response, properties, document)
    sized = bool(named.keys() & _SIZES)
    cursor = next((named[name] for name in named if name in _CURSORS), None)
    if cursor is not None:
        pointer = _next(properties, document)
        if pointer is not None or sized or items is not None:
            return Paging(kind="cursor", argument=cursor, next=pointer, items=items)
    page = next((named[name] for name in named if name in _PAGES), None)
    if page is not None and (sized or page.lower() != "p"):
        return Paging(kind="page", argument=page, items=items)
    offset = next((named[name] for name in named if name in _OFFSETS), None)
    if offset is not None and (sized or offset.lower() in ("offset", "skip", "$skip")):
        return Paging(kind="offset", argument=offset, items=items)
    return None


def gives_links(response: Response | None) -> bool:
    """Whether the answer names its next page in a `Link` header (RFC 8288)."""
    return response is not None and "link" in response.headers


def list_of(response: Response | None, document: Document) -> str | None:
    """The JSON pointer of the list in an answer."""
    return _items(response, dict(_properties(response, document)), document)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _properties(response: Response | None, document: Document) -> Iterator[tuple[str, tuple[object, str]]]:
    if response is None:
        return
    yield from _members(response.schema, response.pointer, document, 0)


def _members(schema: object, pointer: str, document: Document, depth: int) -> Iterator[tuple[str, tuple[object, str]]]:
    try:
        node, place = document.follow(schema, pointer)
    except RefError:
        return
    if not isinstance(node, dict) or depth > 4:
        return
    for key in ("allOf", "oneOf", "anyOf"):
        for number, each in enumerate(node[key] if isinstance(node.get(key), list) else ()):
            yield from _members(each, under(place, key, number), document, depth + 1)
    own = node.get("properties")
    for name, member in own.items() if isinstance(own, dict) else ():
        yield name, (member, under(place, "properties", name))


def _items(response: Response | None, properties: dict[str, tuple[object, str]], document: Document) -> str | None:
    if response is None:
        return None
    if _is_list(response.schema, response.pointer, document):
        return ""
    lists = [name for name, (member, place) in properties.items() if _is_list(member, place, document)]
    known = next((name for wanted in _ITEMS for name in lists if _plain(name) == wanted), None)
    chosen = known or (lists[0] if len(lists) == 1 else None)
    return None if chosen is None else under("", chosen)


def _is_list(schema: object, pointer: str, document: Document) -> bool:
    try:
        node, _ = document.follow(schema, pointer)
    except RefError:
        return False
    return isinstance(node, dict) and (node.get("type") == "array" or ("items" in node and "type" not in node))


def _next(properties: dict[str, tuple[object, str]], document: Document) -> str | None:
    """Where an answer has the cursor of the next page: at its top, or in what such answers are wrapped in."""
    direct = {_plain(name): name for name in reversed(properties)}
    nested: dict[str, str] = {}
    for name, (member, place) in properties.items():
        if _plain(name) in _WRAPPERS:
            for inner, (below, at) in _members(member, place, document, 0):
                nested.setdefault(_plain(inner), under("", name, inner))
                if _plain(inner) in _WRAPPERS:
                    for deepest, _ in _members(below, at, document, 0):
                        nested.setdefault(_plain(deepest), under("", name, inner, deepest))
    for wanted in _NEXT:
        if wanted in direct and not _is_wrapper(properties[direct[wanted]], document):
            return under("", direct[wanted])
        if wanted in nested:
            return nested[wanted]
    return None


def _is_wrapper(member: tuple[object, str], document: Document) -> bool:
    return next(_members(*member, document, 0), None) is not None or _is_list(*member, document)
