"""What a browser recorded (HAR 1.2) → requests: only calls of an API, and no value of a credential in what comes out."""

import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from bmm.errors import BadInput
from bmm.sources.finding import Compiled, Remarks, UnusableDocument
from bmm.sources.openapi.options import Options
from bmm.sources.recorded import compile_recorded
from bmm.sources.seen import FORM, JSON, MULTIPART, Answered, FormPart, Seen, Sent, place_of

MAX_HAR_ENTRIES = 20_000
MAX_HAR_ANSWER_BYTES = 2 * 1024 * 1024
"""Larger answers are left out of what the output schema is made of."""
_PORTS = {"http": 80, "https": 443}
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "QUERY"})
_TRACKERS = re.compile(
    r"(?i)(^|\.)(google-analytics|googletagmanager|analytics\.google|doubleclick|googlesyndication|google\.[a-z.]+|gstatic|googleapis|facebook|segment"
    r"|mixpanel|amplitude|sentry|ingest\.sentry|hotjar|fullstory|intercom|datadoghq|newrelic|nr-data|bugsnag|logrocket|clarity|posthog|heap"
    r"|optimizely|launchdarkly|statsig|cloudflareinsights|braze|appsflyer|branch|onetrust|cookielaw|recaptcha|hcaptcha|stripe\.network)\.[a-z.]+$"
)
_STATIC = re.compile(r"(?i)\.(m?js|css|png|jpe?g|gif|svg|ico|woff2?|ttf|map|webp|avif|mp4|wasm|html?|webmanifest)$|/(manifest|package)\.json$")


# Some programs write null for what they do not know, others leave it out.
class _Named(Struct):
    name: str = ""
    value: str | None = ""
    fileName: str | None = None  # noqa: N815 - the format's own name
    contentType: str | None = None  # noqa: N815


class _PostData(Struct):
    mimeType: str | None = ""  # noqa: N815
    text: str | None = ""
    params: list[_Named] | None = None


class _Request(Struct):
    method: str
    url: str
    headers: list[_Named] | None = None
    cookies: list[_Named] | None = None
    postData: _PostData | None = None  # noqa: N815


class _Content(Struct):
    mimeType: str | None = ""  # noqa: N815
    text: str | None = None
    encoding: str | None = None


class _Response(Struct):
    status: int = 0
    headers: list[_Named] | None = None
    content: _Content = msgspec.field(default_factory=_Content)


class _Entry(Struct):
    request: _Request
    response: _Response = msgspec.field(default_factory=_Response)
    resource_type: str | None = msgspec.field(default=None, name="_resourceType")


class _Log(Struct):
    entries: list[msgspec.Raw]


class _Har(Struct):
    log: _Log


def compile_har(data: bytes, *, options: Options | None = None, hosts: tuple[str, ...] = ()) -> Compiled:
    """The spec of a recording: requests to the same endpoint become one tool, with the arguments of all and the schema of their answers.

    `hosts` are globs of the hosts to take, with or without a port; where there is none, all that answer with JSON and are no trackers.

    Raises:
        UnusableDocument: it is no HAR file, or holds no call of an API.
        BadInput: it is larger than a limit, or an option does not fit.
    """
    options = options or Options()
    if len(data) > options.max_bytes:
        raise BadInput(f"The recording is larger than {options.max_bytes:,} bytes, the limit for HAR files; --max-size sets another")
    try:
        entries = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_Har).log.entries
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnusableDocument(f"This is no HAR file: {error}. Save one in the browser's network tools (Save all as HAR)") from error
    if len(entries) > MAX_HAR_ENTRIES:
        raise BadInput(f"The recording has {len(entries):,} requests; {MAX_HAR_ENTRIES:,} is the limit for HAR files. Record less at a time")
    remarks, skipped, asked = Remarks(), Counter[str](), Counter[str]()
    seen = list(_calls(entries, tuple(each.lower() for each in hosts), skipped, asked))
    for reason, count in skipped.most_common():
        remarks.note("", f"{count} of {len(entries)} requests are left out: {reason}")
    if not seen:
        raise UnusableDocument(_nothing(hosts, asked), findings=remarks.all())
    return compile_recorded(seen, options=options, remarks=remarks)


def _nothing(hosts: tuple[str, ...], asked: Counter[str]) -> str:
    if hosts:
        others = ", ".join(host for host, _ in asked.most_common(5))
        return f"No call of an API at {' or '.join(hosts)} is recorded here{f'; there are requests to {others}' if others else ''}"
    fix = "record while a page loads its data, or take a host that is left out with --host NAME"
    return f"No call of an API is recorded here, only pages and their parts; {fix}"


def _calls(entries: list[msgspec.Raw], hosts: tuple[str, ...], skipped: Counter[str], asked: Counter[str]) -> Iterator[Seen]:
    """The calls of an API; why others are none is counted in `skipped`, and in `asked` how often which host was."""
    for number, raw in enumerate(entries):
        try:
            entry = msgspec.json.decode(raw, type=_Entry, strict=False)
            place = urlsplit(entry.request.url)
            host, port = place.hostname or "", place.port
            place_of(entry.request.url)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
            skipped["they are incomplete, or no server takes their URL"] += 1
            continue
        asked[host] += 1
        if hosts and not any(fnmatchcase(name, each) for each in hosts for name in (host, f"{host}:{port or _PORTS.get(place.scheme)}")):
            skipped["another host"] += 1
            continue
        if (reason := _no_call(entry, host, chosen=bool(hosts))) is not None:
            skipped[reason] += 1
            continue
        yield _seen(entry, f"entry {number}")


def _no_call(entry: _Entry, host: str, *, chosen: bool) -> str | None:
    """Why an entry is not for a tool; None where it is. `chosen`: a person named its host."""
    if entry.request.method.upper() not in _METHODS:
        return "a browser's own questions (OPTIONS, HEAD)"
    if not chosen and _TRACKERS.search(host):
        return "they report to trackers or load a provider's own parts"
    path = urlsplit(entry.request.url).path
    if entry.resource_type not in (None, "xhr", "fetch", "other") or _STATIC.search(path):
        return "pages, scripts, styles and images"
    status = entry.response.status
    if not 200 <= status < 300:
        return "they failed, were cached or led elsewhere"
    if JSON.match(entry.response.content.mimeType or "") or (entry.request.method.upper() != "GET" and status in (201, 202, 204)):
        return None
    return "their answer is not JSON"


def _seen(entry: _Entry, where: str) -> Seen:
    request = entry.request
    headers = tuple((each.name, each.value or "") for each in request.headers or ())
    cookies = [pair.strip().partition("=") for name, value in headers if name.lower() == "cookie" for pair in value.split(";") if pair.strip()]
    cookies = cookies or [(each.name, "=", each.value or "") for each in request.cookies or ()]
    return Seen(
        where=where, method=request.method.upper(), url=_without_user(request.url), headers=headers,
        cookies=tuple((name, value) for name, _, value in cookies), body=_sent(request.postData), answer=_answer(entry.response), recorded=True,
    )  # fmt: skip


def _without_user(url: str) -> str:
    return re.sub(r"^(https?://)[^/@?#]*@", r"\1", url)


def _sent(data: _PostData | None) -> Sent | None:
    if data is None or not (data.text or data.params):
        return None
    media_type, text = data.mimeType or "text/plain", data.text or ""
    kind = media_type.partition(";")[0].strip().lower()
    if kind == MULTIPART:
        if data.params:
            parts = [
                FormPart(name=each.name, text="" if each.fileName else each.value or "", file=each.fileName is not None, content_type=each.contentType)
                for each in data.params
            ]
        else:
            parts = _parts(text)
        return Sent(media_type=MULTIPART, parts=tuple(parts))
    if kind == FORM and not text:
        return Sent(media_type=FORM, text=urlencode([(each.name, each.value or "") for each in data.params or ()]))
    return Sent(media_type=media_type, text=text)


def _parts(text: str) -> list[FormPart]:
    """The parts of a multipart body that was kept as text, without the content of files; its first line is the boundary."""
    boundary = text.lstrip("\r\n").partition("\n")[0].rstrip("\r")
    parts: list[FormPart] = []
    for piece in text.split(boundary)[1:] if boundary.startswith("--") else ():
        head, _, value = piece.lstrip("\r\n").replace("\r\n", "\n").partition("\n\n")
        if (named := re.search(r'\bname="([^"]*)"', head[:2000])) is not None:
            file = "filename=" in head[:2000]
            parts.append(FormPart(name=named.group(1), text="" if file else value.removesuffix("\n"), file=file))
    return parts


def _answer(response: _Response) -> Answered | None:
    text = response.content.text
    if not text or not JSON.match(response.content.mimeType or "") or len(text) > MAX_HAR_ANSWER_BYTES:
        return None
    try:
        value: Any = msgspec.json.decode(b64decode(text) if response.content.encoding == "base64" else text)
    except (msgspec.DecodeError, UnicodeError, ValueError, RecursionError):
        return None
    return Answered(status=response.status, value=value, headers=frozenset(each.name.lower() for each in response.headers or ()))
