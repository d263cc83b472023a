"""What a model reads of an upstream's answer: text, the structured object, or an error that says what to try."""

import re
from collections.abc import Collection, Mapping
from html import unescape
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec
from msgspec import Struct

MAX_BODY = 10 * 1024 * 1024
_EXCERPT = 2000
_PAGE_EXCERPT = 500
# `\Z` lets an unclosed element swallow the rest, which also keeps the search linear on hostile pages.
_NOT_SHOWN = re.compile(r"(?is)<(script|style|head|template)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*>")
_ADVICE = {
    "upstream_unauthorized": "The API did not accept the server's credential: the owner of this server must check its secret.",
    "upstream_forbidden": "The API does not allow this with the server's credential: the owner of this server must check what it may do.",
    "upstream_not_found": "What the arguments name does not exist there. Check identifiers, for example with a tool that lists them.",
    "upstream_gave_up": "The API gave up waiting. Try again.",
    "upstream_rejected": "The API did not accept the arguments. Read what it said, correct them and call again.",
    "upstream_failed": "The API failed on its side. Try again later; other arguments rarely help.",
}
_TEXT_TYPES = ("xml", "yaml", "csv", "javascript", "json", "urlencoded", "ndjson")


class ToolAnswer(Struct, frozen=True, kw_only=True):
    """`text` is for the model; `structured` is the answer itself where it is a JSON object; `error_code` is for the call's event."""

    text: str
    structured: dict[str, Any] | None = None
    is_error: bool = False
    error_code: str | None = None


def answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    method: str,
    url_shown: str,
    secrets: Collection[str] = (),
) -> ToolAnswer:
    """The answer of a tool for an upstream's final response.

    `headers` are looked up by lower-case names. `url_shown` is the request's URL as a model may see it, so without its query.
    `secrets` are values to blot out where the upstream repeats them.
    """
    body = _blotted(body, secrets)
    fields = {name.lower(): value for name, value in headers.items()}
    if 300 <= status < 400 and status != HTTPStatus.NOT_MODIFIED:
        return _redirect(status, fields.get("location", ""), url_shown)
    if status >= 400:
        return _refusal(status, fields, body, f"{method} {url_shown}")
    return _success(status, fields, body)


def too_large(limit: int = MAX_BODY) -> ToolAnswer:
    advice = "Ask for less: a smaller page, fewer fields or a filter."
    return _error("upstream_too_large", f"The answer is larger than {limit // 1024**2} MiB and was not read. {advice}")


def timed_out(seconds: float) -> ToolAnswer:
    advice = "Whether it acted on the request is unknown: check before you repeat a change."
    return _error("upstream_timeout", f"The API did not answer within {seconds:g} seconds. {advice}")


def unreachable(host: str, reason: str) -> ToolAnswer:
    advice = "Try again later; if it stays so, the owner of this server must check the address."
    return _error("upstream_unreachable", f"{host} cannot be reached: {reason}. {advice}")


def _success(status: int, fields: Mapping[str, str], body: bytes) -> ToolAnswer:
    if not body:
        return ToolAnswer(text=f"Done ({status}, {'no content' if status == HTTPStatus.NO_CONTENT else 'empty answer'}).")
    kind = fields.get("content-type", "").partition(";")[0].strip().lower()
    if kind.endswith(("/json", "+json")) or not kind:
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if kind:
                start = _excerpt(fields, body, _PAGE_EXCERPT)
                return _error("upstream_not_json", f"The API said JSON and sent something else ({len(body)} bytes): {start}")
        else:
            return ToolAnswer(text=msgspec.json.encode(value).decode(), structured=value if isinstance(value, dict) else None)
    if kind in ("text/html", "application/xhtml+xml"):
        page = _excerpt(fields, body, _PAGE_EXCERPT)
        sentence = f"The API answered with a web page instead of data ({status}), perhaps to sign in or because the path is wrong: {page}"
        return _error("upstream_html", sentence)
    text = _text(fields, body)
    if text is None or not _is_text(kind, text):
        return ToolAnswer(text=f"The answer is a file of type {kind or 'unknown'} with {len(body)} bytes, which cannot be shown as text.")
    return ToolAnswer(text=text)


def _redirect(status: int, location: str, url_shown: str) -> ToolAnswer:
    try:
        host = urlsplit(urljoin(url_shown, location)).hostname if location else None
    except ValueError:
        host = None
    if host is None:
        return _error("upstream_redirect", f"The API answers with a redirect ({status}) that names no address. It was not followed.")
    if host == urlsplit(url_shown).hostname:
        path = urlsplit(urljoin(url_shown, location)).path
        sentence = f"The API redirects ({status}) to {path} on the same host. It was not followed; the owner must correct this tool's path."
    else:
        sentence = (
            f"The API redirects ({status}) to {host}, and the hosts this tool may call do not include it. The redirect was not followed; "
            "the owner of this server must decide whether to call that host directly."
        )
    return _error("upstream_redirect", sentence)


def _refusal(status: int, fields: Mapping[str, str], body: bytes, request: str) -> ToolAnswer:
    try:
        reason = f" {HTTPStatus(status).phrase}"
    except ValueError:
        reason = ""
    code, advice = _advice(status, fields)
    excerpt = _excerpt(fields, body, _EXCERPT)
    said = f"\nThe API said: {excerpt}" if excerpt else ""
    return _error(code, f"{request} was answered with {status}{reason}. {advice}{said}")


def _advice(status: int, fields: Mapping[str, str]) -> tuple[str, str]:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        after = fields.get("retry-after", "").strip()[:64]
        when = f"{after} seconds" if after.isdigit() else after or "a minute"
        return "upstream_rate_limited", f"The API wants fewer requests. Try again after {when}."
    named = {401: "upstream_unauthorized", 407: "upstream_unauthorized", 403: "upstream_forbidden", 404: "upstream_not_found"}
    named |= {410: "upstream_not_found", 408: "upstream_gave_up", 425: "upstream_gave_up"}
    code = named.get(status, "upstream_rejected" if status < 500 else "upstream_failed")
    return code, _ADVICE[code]


def _excerpt(fields: Mapping[str, str], body: bytes, limit: int) -> str:
    text = _text(fields, body)
    if not text or "\x00" in text:
        return f"({len(body)} bytes that are not text)" if body else ""
    if "<" in text[:200] and "html" in (fields.get("content-type", "") + text[:200]).lower():
        text = unescape(_NOT_SHOWN.sub(" ", text))
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _text(fields: Mapping[str, str], body: bytes) -> str | None:
    named = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", fields.get("content-type", ""))
    for encoding in (named.group(1) if named else "utf-8-sig", "utf-8-sig"):
        try:
            return body.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return body.decode("latin-1") if fields.get("content-type", "").startswith("text/") else None


def _is_text(kind: str, text: str) -> bool:
    return "\x00" not in text and (not kind or kind.startswith("text/") or kind.endswith(_TEXT_TYPES))


def _blotted(body: bytes, secrets: Collection[str]) -> bytes:
    # Shorter values would blot out ordinary words.
    for secret in secrets:
        if len(secret) >= 6:
            for form in {secret.encode(), msgspec.json.encode(secret)[1:-1]}:
                body = body.replace(form, b"[secret]")
    return body


def _error(code: str, text: str) -> ToolAnswer:
    return ToolAnswer(text=text, is_error=True, error_code=code)
