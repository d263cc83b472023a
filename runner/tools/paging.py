"""The next page: what a model has to pass to get it, and how that becomes a request again.

Where the `Link` header names a next page and the tool has the query parameter in question, the argument is that parameter's value in
the link. Otherwise the argument is a mark: the link's query under a seal, which replaces the query of the request that the other
arguments make. Scheme, host, port and path always stay the tool's own, and without the seal a caller could send parameters that the
owner has left out of the tool.
"""

import hmac
import os
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urljoin, urlsplit

import msgspec
from msgspec import Struct

from runner.contract import HttpTool, KeyCredential, Paging
from runner.tools.errors import ArgumentError
from runner.tools.links import related
from runner.tools.pick import NOTHING, at
from runner.tools.request import HttpRequest

_SEAL = 22
_MAX_MARK = 4096
_HOLDERS = ("pagination", "paging", "meta", "page_info", "pageInfo", "response_metadata", "links")
_MORE = ("has_more", "hasMore", "has_next", "hasNext", "has_next_page", "hasNextPage")
_PAGES = ("total_pages", "totalPages", "last_page", "lastPage", "page_count", "pageCount")
_URL_STARTS = ("http://", "https://", "/", "?")


class NextPage(Struct, frozen=True, kw_only=True):
    """`argument` and `value` to pass beside the others; None where there is more and no way to ask for it."""

    argument: str
    value: str | int | None
    certain: bool = True

    def sentence(self) -> str:
        if self.value is None:
            return "The API says that there is more, but not in a way this tool can ask for."
        shown = msgspec.json.encode(self.value).decode()
        return f"There {'is' if self.certain else 'may be'} more: call again with the same arguments and {self.argument}={shown}."


class Pager:
    """The pages of one tool."""

    def __init__(self, tool: HttpTool, paging: Paging, secrets: Mapping[str, str]) -> None:
        self._tool, self._paging = tool, paging
        named = [each.name for each in tool.parameters if each.place == "query" and each.argument == paging.argument]
        self._parameter = named[0] if named else None
        self._schema = _schema_of(tool, paging.argument)
        self._secrets = tuple(value for value in secrets.values() if len(value) >= 6)
        own = {each.name for each in tool.parameters if each.place == "query" and each.argument is None}
        keys = (each for alternative in tool.auth for each in alternative if isinstance(each, KeyCredential) and each.place == "query")
        self._own = own | {each.name for each in keys}
        # With secrets the seal outlives the process; without any a mark gives no power that is worth keeping it for.
        seed = msgspec.json.encode(sorted(secrets.items())) if secrets else os.urandom(32)
        self._key = hmac.digest(seed, f"next page of {tool.name}".encode(), sha256)

    @property
    def _sealed(self) -> bool:
        return self._paging.kind == "link" and not any(each.argument == self._paging.argument for each in self._tool.parameters)

    def applied(self, request: HttpRequest, arguments: Mapping[str, object]) -> HttpRequest:
        """The request for the page that the arguments name.

        Raises:
            ArgumentError: the mark is not one that this tool gave.
        """
        mark = arguments.get(self._paging.argument) if self._sealed else None
        if mark is None:
            return request
        seal, _, query = mark.partition(".") if isinstance(mark, str) and len(mark) <= _MAX_MARK else ("", "", "")
        if not hmac.compare_digest(seal.encode("utf-8", "replace"), self._seal(query).encode()):
            name = self._paging.argument
            raise ArgumentError(f"{name} must be what an earlier answer of this tool gave for it. Leave it out to start again.", name)
        base, _, built = request.url.partition("?")
        pairs = [pair for pair in built.split("&") if pair and self._is_own(pair)]
        pairs += [pair for pair in query.split("&") if pair and not self._is_own(pair)]
        return msgspec.structs.replace(request, url=f"{base}?{'&'.join(pairs)}" if pairs else base)

    def next_page(
        self, *, arguments: Mapping[str, object], url: str, headers: Mapping[str, str], value: Any, kept: Mapping[str, tuple[int, int]]
    ) -> NextPage | None:
        """What follows this answer; None when it is the last page or nothing tells.

        `value` is the whole answer, `kept` how many of how many items of its lists the model gets (by pointer, if not all).
        """
        paging, asked = self._paging, arguments.get(self._paging.argument)
        if paging.kind == "link":
            link = related(headers.get("link", ""), "next")
            return None if link is None else NextPage(argument=paging.argument, value=self._from_link(link, url))
        if paging.kind == "cursor":
            if paging.next is not None:
                return self._from_cursor(value, paging.next)
            link = related(headers.get("link", ""), "next")
            return self._from_last_item(value) if link is None else NextPage(argument=paging.argument, value=self._from_link(link, url))
        link_says = related(headers["link"], "next") is not None if "link" in headers else None
        pointer, items = self._items(value)
        if link_says is False or not items or _says_last(value, asked if paging.kind == "page" else None):
            return None
        start = asked if asked is not None else self._first()
        if not isinstance(start, int | float) or isinstance(start, bool) or int(start) != start:
            return None
        step = 1 if paging.kind == "page" else kept.get(pointer, (len(items), 0))[0]
        cut = paging.kind == "offset" and pointer in kept
        return NextPage(argument=paging.argument, value=int(start) + step, certain=bool(link_says) or cut)

    def _from_link(self, link: str, url: str) -> str | int | None:
        try:
            target = urlsplit(urljoin(url, link))
            same = target.hostname == urlsplit(self._tool.server).hostname
        except ValueError:
            return None
        if not same:
            return None
        if self._parameter is not None:
            return self._typed(dict(parse_qsl(target.query)).get(self._parameter))
        if not self._sealed:
            return None
        # Percent-encoded once more where it has to be, so that it can stand in a request as it is.
        pairs = [quote(pair, safe="%!$'()*+,;:@/?-._~=") for pair in target.query.split("&") if pair and not self._is_own(pair)]
        query = "&".join(pairs)
        leaks = any(secret in query or secret in unquote(query) for secret in self._secrets)
        mark = f"{self._seal(query)}.{query}"
        return mark if pairs and not leaks and len(mark) <= _MAX_MARK else None

    def _from_last_item(self, value: Any) -> NextPage | None:
        """`starting_after` and its like take the id of the last item, when the answer says that there is more."""
        _, items = self._items(value)
        last = items[-1].get("id") if items and isinstance(items[-1], dict) else None
        says_more = isinstance(value, dict) and any(value.get(name) is True for name in _MORE)
        if not says_more or not isinstance(last, str | int) or "after" not in self._paging.argument.lower():
            return None
        return NextPage(argument=self._paging.argument, value=self._typed(last))

    def _from_cursor(self, value: Any, pointer: str) -> NextPage | None:
        found = at(value, pointer)
        if isinstance(found, dict):
            found = found.get("href") or found.get("url")
        if found is NOTHING or isinstance(found, bool | list | float) or found in (None, "", 0) or _says_last(value, None):
            return None
        if isinstance(found, str) and self._parameter is not None and found.startswith(_URL_STARTS) and "?" in found:
            inside = dict(parse_qsl(found.partition("?")[2].partition("#")[0])).get(self._parameter)
            found = inside if inside is not None else found
        return NextPage(argument=self._paging.argument, value=self._typed(found))

    def _items(self, value: Any) -> tuple[str, list[Any]]:
        """Pointer and content of the list that the pages are made of: the one named, else the answer, else its longest."""
        if self._paging.items is not None:
            found = at(value, self._paging.items)
            return self._paging.items, found if isinstance(found, list) else []
        if isinstance(value, list):
            return "", value
        lists = [(name, each) for name, each in value.items() if isinstance(each, list)] if isinstance(value, dict) else []
        name, longest = max(lists, key=lambda pair: len(pair[1]), default=("", []))
        return "/" + name.replace("~", "~0").replace("/", "~1"), longest

    def _first(self) -> object:
        if isinstance(given := self._schema.get("default"), int):
            return given
        return 0 if self._paging.kind == "offset" or self._schema.get("minimum") == 0 else 1

    def _typed(self, value: str | int | None) -> str | int | None:
        kinds = self._schema.get("type")
        if isinstance(value, str) and kinds in ("integer", "number"):
            return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
        return str(value) if isinstance(value, int) and kinds == "string" else value

    def _is_own(self, pair: str) -> bool:
        return unquote(pair.partition("=")[0].replace("+", " ")) in self._own

    def _seal(self, query: str) -> str:
        return hmac.digest(self._key, query.encode("utf-8", "replace"), sha256).hex()[:_SEAL]


def _schema_of(tool: HttpTool, argument: str) -> dict[str, Any]:
    found = tool.input_schema.get("properties", {}).get(argument, {})
    return found if isinstance(found, dict) else {}


def _says_last(value: Any, page: object) -> bool:
    if not isinstance(value, dict):
        return False
    for holder in (value, *(value[name] for name in _HOLDERS if isinstance(value.get(name), dict))):
        if any(holder.get(name) is False for name in _MORE):
            return True
        if isinstance(page, int) and any(isinstance(last := holder.get(name), int) and page >= last for name in _PAGES):
            return True
    return False
