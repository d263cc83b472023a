"""Answers that are not what was asked for: what the status means here, what the API says, and what to try."""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

from runner.tools.result import ToolAnswer, failed
from runner.tools.retry import Rate, in_words
from runner.tools.said import said

_CODES = {
    400: "upstream_rejected",
    401: "upstream_unauthorized",
    402: "upstream_forbidden",
    403: "upstream_forbidden",
    404: "upstream_not_found",
    405: "upstream_wrong_method",
    406: "upstream_wrong_method",
    407: "upstream_unauthorized",
    408: "upstream_gave_up",
    409: "upstream_conflict",
    410: "upstream_not_found",
    412: "upstream_conflict",
    413: "upstream_rejected",
    415: "upstream_wrong_method",
    421: "upstream_wrong_method",
    422: "upstream_rejected",
    423: "upstream_conflict",
    425: "upstream_gave_up",
    429: "upstream_rate_limited",
    501: "upstream_wrong_method",
    505: "upstream_wrong_method",
    511: "upstream_unauthorized",
}
_ADVICE = {
    "upstream_not_found": "What the arguments name does not exist there, or the server's credential may not see it. Check identifiers, for "
    "example with a tool that lists them.",
    "upstream_gave_up": "The API gave up waiting. Try again.",
    "upstream_rejected": "The API did not accept the arguments. Read what it said, correct them and call again.",
    "upstream_conflict": "The API refuses because of the state things are in. Read it again, then decide whether the call is still right.",
    "upstream_wrong_method": "The API does not take requests of this form; the owner of this server must correct the tool.",
    "upstream_failed": "The API failed on its side. Try again later; other arguments rarely help.",
}


def refusal(status: int, headers: Mapping[str, str], body: bytes, *, request: str, keys: tuple[str, ...], rate: Rate) -> ToolAnswer:
    """An answer with status 400 or more. `keys` are the secrets that were sent."""
    try:
        reason = f" {HTTPStatus(status).phrase}"
    except ValueError:
        reason = ""
    code = _code(status, headers, rate)
    words = said(headers, body)
    quoted = f"\nThe API said: {words}" if words else ""
    return failed(code, f"{request} was answered with {status}{reason}. {_advice(code, keys, rate)}{quoted}")


def redirect(status: int, location: str, url_shown: str) -> ToolAnswer:
    """An answer that points elsewhere; it is never followed, because credentials went with the request."""
    try:
        host = urlsplit(urljoin(url_shown, location)).hostname if location else None
    except ValueError:
        host = None
    if host is None:
        return failed("upstream_redirect", f"The API answers with a redirect ({status}) that names no address. It was not followed.")
    if host == urlsplit(url_shown).hostname:
        path = urlsplit(urljoin(url_shown, location)).path
        sentence = f"The API redirects ({status}) to {path} on the same host. It was not followed; the owner must correct this tool's path."
    else:
        sentence = (
            f"The API redirects ({status}) to {host}, and the hosts this tool may call do not include it. The redirect was not followed; "
            "the owner of this server must decide whether to call that host directly."
        )
    return failed("upstream_redirect", sentence)


def _code(status: int, headers: Mapping[str, str], rate: Rate) -> str:
    # GitHub and others say 403 where the limit is used up.
    if status == HTTPStatus.FORBIDDEN and (rate.left == "0" or "retry-after" in headers):
        return "upstream_rate_limited"
    return _CODES.get(status, "upstream_rejected" if status < 500 else "upstream_failed")


def _advice(code: str, keys: tuple[str, ...], rate: Rate) -> str:
    secret = f"secret{'s' if len(keys) > 1 else ''} {' and '.join(keys)}"
    if code == "upstream_unauthorized":
        if not keys:
            return "The API wants a credential and this tool has none: the owner of this server must add one."
        return f"The API did not accept the server's credential: the owner of this server must check its {secret}."
    if code == "upstream_forbidden":
        whose = f"the server's credential ({secret})" if keys else "this server, which sends no credential"
        return f"The API does not allow this with {whose}: the owner of this server must check what it may do."
    when = f" Try again after {in_words(rate.wait)}." if rate.wait is not None else ""
    if code == "upstream_rate_limited":
        return f"The API wants fewer requests.{when or ' Try again after a minute.'}{_limit(rate)}"
    if code == "upstream_failed" and when:
        return f"The API failed on its side.{when}"
    return _ADVICE[code]


def _limit(rate: Rate) -> str:
    parts = [f"{rate.limit} requests allowed"] if rate.limit else []
    parts += [f"{rate.left} left"] if rate.left else []
    parts += [f"more in {in_words(rate.reset)}"] if rate.reset is not None else []
    return f" ({', '.join(parts)}.)" if parts else ""
