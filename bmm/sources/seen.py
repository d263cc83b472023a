"""One HTTP request that somebody has made or written down: what curl commands and recordings have in common."""

import re
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from bmm.sources.credentials import OPEN, VARIABLE

Pairs = tuple[tuple[str, str], ...]
MOST_URL, MOST_SEGMENTS = 16_384, 100
"""Characters of a URL and parts of its path: more than any server takes."""
JSON = re.compile(r"(?i)^[\w.+-]+/([\w.+-]+\+)?json\b")
_BARE = re.compile(rf"(?<=[:\[,\s])({VARIABLE.pattern})(?=\s*[,\]}}])")
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


class FormPart(Struct, frozen=True, kw_only=True):
    """One part of a multipart body; a `file` has no text here."""

    name: str
    text: str = ""
    file: bool = False
    content_type: str | None = None


class Sent(Struct, frozen=True, kw_only=True):
    """The body of a request: text, parts, or (`file`) something that is not here."""

    media_type: str
    text: str = ""
    parts: tuple[FormPart, ...] = ()
    file: bool = False


class Answered(Struct, frozen=True, kw_only=True):
    """A successful answer with JSON in it."""

    status: int
    value: object
    headers: frozenset[str] = frozenset()


class Seen(Struct, frozen=True, kw_only=True):
    """A request. `where` says which one it was, such as "command 2". `url` has no user name; `basic` is what stood in its place.

    `digest` says that user name and password are for HTTP Digest; `certificate` whether a client certificate is shown, from a file
    that holds its key too, or from a pair of files.
    """

    where: str
    method: str
    url: str
    headers: Pairs = ()
    cookies: Pairs = ()
    basic: tuple[str, str] | None = None
    digest: bool = False
    certificate: Literal["file", "pair"] | None = None
    bearer: str | None = None
    body: Sent | None = None
    answer: Answered | None = None
    recorded: bool = False

    def __repr__(self) -> str:
        return f"Seen({self.where}, {self.method} {self.url.partition('?')[0]})"


class Place(Struct, frozen=True, kw_only=True):
    """The parts of a URL, percent-encoding taken off."""

    origin: str
    segments: tuple[str, ...]
    query: Pairs


def place_of(url: str) -> Place:
    """Where a URL leads. Raises ValueError where it is none."""
    if len(url) > MOST_URL or url.partition("?")[0].count("/") > MOST_SEGMENTS:
        raise ValueError(f"its URL is longer than {MOST_URL:,} characters or {MOST_SEGMENTS} parts")
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise ValueError("it is no http or https URL")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme.lower()]
    port = f":{parts.port}" if parts.port not in (None, default) else ""
    # Only a whole segment may be encoded, so an encoded slash stays inside of one.
    segments = tuple(unquote(each) for each in parts.path.split("/")[1:])
    return Place(origin=f"{parts.scheme.lower()}://{host}{port}", segments=segments, query=query_of(parts.query))


def query_of(text: str) -> Pairs:
    """The pairs of a query or a form. Unlike urllib's it keeps marked variables, and `+` is a space."""
    pairs = [each.partition("=") for each in text.split("&") if each]
    return tuple((unquote(name.replace("+", " ")), unquote(value.replace("+", " "))) for name, _, value in pairs)


def json_of(text: str) -> object:
    """The JSON in a text; variables that stand unquoted in it are read as text. Raises ValueError where it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        if OPEN not in text:
            raise ValueError(str(error)) from error
    try:
        return msgspec.json.decode(_BARE.sub(r'"\1"', text))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
