"""What a model reads of an upstream's answer: text, the structured value, files, or an error that says what to try."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from runner.contract import Answer, HttpTool, keys_of
from runner.tools import retry
from runner.tools.credentials import choose
from runner.tools.errors import MissingSecret
from runner.tools.fit import cut_text, fitted
from runner.tools.media import bare, charset_text, file_blocks, is_text
from runner.tools.paging import NextPage, Pager
from runner.tools.pick import NOTHING, Tree, compiled, picked
from runner.tools.refusal import redirect, refusal
from runner.tools.result import ToolAnswer, failed
from runner.tools.said import excerpt

_PAGE_EXCERPT = 500
# What may stand in a description of a resource that has no body.
_TOLD_HEADERS = ("content-type", "content-length", "last-modified", "etag", "location")
_SIZES = ("per_page", "perPage", "page_size", "pageSize", "limit", "max_results", "maxResults", "count", "size", "first", "$top", "num")
_FIELD_LISTS = ("fields", "select", "$select", "_fields", "fields[]", "include_fields")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Reading(Struct, frozen=True, kw_only=True):
    """What is the same for all answers of one tool."""

    max_bytes: int = Answer().max_bytes
    pick: Tree | None = None
    pager: Pager | None = None
    secrets: tuple[bytes, ...] = ()
    """What is blotted out where the upstream repeats it, in every form it may take."""
    keys: tuple[str, ...] = ()
    """The names of the secrets that the tool sends."""
    narrowing: tuple[str, ...] = ()
    """Arguments of the tool that make an answer smaller."""


def reading(tool: HttpTool, secrets: Mapping[str, str]) -> Reading:
    rules = tool.answer
    try:
        keys = tuple(key for credential in choose(tool.auth, secrets) for key in keys_of(credential))
    except MissingSecret as error:
        keys = error.keys
    properties = tool.input_schema.get("properties", {})
    return Reading(
        max_bytes=rules.max_bytes,
        pick=compiled(rules.pick),
        pager=Pager(tool, rules.paging, secrets) if rules.paging is not None else None,
        # Shorter values would blot out ordinary words.
        secrets=tuple({form for value in secrets.values() if len(value) >= 6 for form in (value.encode(), _encode(value)[1:-1])}),
        keys=keys,
        narrowing=tuple(name for name in (*_SIZES, *_FIELD_LISTS) if name in properties),
    )


PLAIN = Reading()


def answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    method: str,
    url_shown: str,
    read: Reading = PLAIN,
    arguments: Mapping[str, object] = {},
    now: float = 0.0,
) -> ToolAnswer:
    """The answer of a tool for an upstream's final response.

    `headers` have lower-case names. `url_shown` is the request's URL as a model may see it, so without its query. `now`: seconds since
    the epoch, for headers that name a moment.
    """
    for secret in read.secrets:
        if secret in body:
            body = body.replace(secret, b"[secret]")
    if 200 <= status < 300:
        return _success(status, headers, body, method, url_shown, read, arguments)
    if 300 <= status < 400 and status != HTTPStatus.NOT_MODIFIED:
        return redirect(status, headers.get("location", ""), url_shown)
    if status >= 400:
        return refusal(status, headers, body, request=f"{method} {url_shown}", keys=read.keys, rate=retry.rate(headers, now=now))
    return ToolAnswer(text=f"Not modified ({status}): nothing has changed since the version that the arguments name.")


def _success(
    status: int, headers: Mapping[str, str], body: bytes, method: str, url: str, read: Reading, arguments: Mapping[str, object]
) -> ToolAnswer:
    if not body:
        return ToolAnswer(text=_empty(status, headers, told=method == "HEAD"))
    content_type = headers.get("content-type", "")
    kind = bare(content_type)
    if kind == "application/json" or not kind or kind.endswith(("/json", "+json")):
        value = _json(content_type, body)
        if value is not NOTHING:
            return _of_json(value, url, headers, read, arguments)
        if kind and not _is_lines(body):
            start = excerpt(headers, body, _PAGE_EXCERPT)
            return failed("upstream_not_json", f"The API said JSON and sent something else ({len(body)} bytes): {start}")
    if kind in ("text/html", "application/xhtml+xml"):
        page = excerpt(headers, body, _PAGE_EXCERPT)
        sentence = f"The API answered with a web page instead of data ({status}), perhaps to sign in or because the path is wrong: {page}"
        return failed("upstream_html", sentence)
    text = charset_text(content_type, body)
    if text is None or not is_text(kind, text):
        sentence, blocks = file_blocks(kind, body, url)
        return ToolAnswer(text=sentence, blocks=blocks)
    return _of_text(text, url, headers, read, arguments)


def _of_json(value: Any, url: str, headers: Mapping[str, str], read: Reading, arguments: Mapping[str, object]) -> ToolAnswer:
    shown, notes, kept = value, [], {}
    if read.pick is not None:
        shown = picked(value, read.pick)
        if shown is NOTHING:
            shown = [] if isinstance(value, list) else {}
            notes.append("The answer has none of the fields that this tool shows.")
    encoded = _encode(shown)
    if len(encoded) > read.max_bytes:
        shown, cuts = fitted(shown, read.max_bytes)
        encoded, kept = _encode(shown), cuts.lists
        notes.append(f"Left out because the whole is longer than {read.max_bytes} bytes: {cuts.sentence()}. {_narrower(read)}")
    page = None
    if read.pager is not None:
        page = read.pager.next_page(arguments=arguments, url=url, headers=headers, value=value, kept=kept)
    if len(encoded) > read.max_bytes:
        # Nothing that has a structure could be kept, such as an object inside an object inside …
        return _told(cut_text(encoded.decode(), read.max_bytes, lines=False), None, notes, page)
    return _told(encoded.decode(), shown, notes, page)


def _of_text(text: str, url: str, headers: Mapping[str, str], read: Reading, arguments: Mapping[str, object]) -> ToolAnswer:
    notes: list[str] = []
    if len(text) * 4 > read.max_bytes and len(whole := text.encode("utf-8", "replace")) > read.max_bytes:
        text = cut_text(text, read.max_bytes, lines=True)
        notes.append(f"This is the beginning, {len(text.encode())} of {len(whole)} bytes. {_narrower(read)}")
    page = None
    if read.pager is not None and "link" in headers:
        page = read.pager.next_page(arguments=arguments, url=url, headers=headers, value=None, kept={})
    return _told(text, None, notes, page)


def _told(text: str, structured: Any, notes: list[str], page: NextPage | None) -> ToolAnswer:
    if page is None and not notes:
        return ToolAnswer(text=text, structured=structured)
    following = None
    if page is not None:
        notes = [*notes, page.sentence()]
        following = {page.argument: page.value} if page.value is not None else None
    return ToolAnswer(text=text, structured=structured, note=" ".join(notes), following=following)


def _narrower(read: Reading) -> str:
    if read.narrowing:
        return f"To get the rest, ask for less at once ({', '.join(read.narrowing)}) or narrow the other arguments."
    return "To get the rest, narrow the arguments."


def _empty(status: int, headers: Mapping[str, str], *, told: bool) -> str:
    sentence = f"Done ({status}, {'no content' if status == HTTPStatus.NO_CONTENT else 'empty answer'})."
    names = _TOLD_HEADERS if told else ("location",)
    return " ".join([sentence, *(f"{name.title()}: {headers[name][:500]}." for name in names if headers.get(name))])


def _json(content_type: str, body: bytes) -> Any:
    """The value in a body; `NOTHING` where it is not JSON, not even in another charset or with the numbers JSON lacks."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    import json

    text = charset_text(content_type, body)
    try:
        # Python's and JavaScript's servers write NaN and Infinity, which no model needs to see as an error.
        return NOTHING if text is None else json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return NOTHING


def _is_lines(body: bytes) -> bool:
    """Whether this is one JSON value per line, whatever it is called."""
    first, _, rest = body.partition(b"\n")
    try:
        _decode(first)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return bool(rest.strip())
