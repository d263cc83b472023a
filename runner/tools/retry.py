"""When a request that failed on the way may be sent again, and when a model should try again itself."""

import random
from collections.abc import Mapping
from http import HTTPStatus

from msgspec import Struct

MAX_TRIES = 3
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 8.0
# A reset as a moment, not a number of seconds, is about this large.
_EPOCH = 1_000_000_000.0
_WORTH_RETRYING = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)


class Rate(Struct, frozen=True, kw_only=True):
    """What an API says about its limit; `wait` in seconds, from `Retry-After` or else from the reset of a limit that is used up."""

    limit: str | None = None
    left: str | None = None
    reset: float | None = None
    wait: float | None = None


def worth_retrying(status: int) -> bool:
    return status in _WORTH_RETRYING


def pause(tries: int, asked: float | None) -> float:
    """Seconds before the next try, after `tries` of them: what the API asked for, else doubling, with jitter so that callers spread."""
    if asked is not None:
        return asked
    longest = min(_FIRST_WAIT * 2.0**tries, _LONGEST_WAIT)
    return longest / 2 + random.random() * longest / 2  # noqa: S311  nobody gains by guessing it


def rate(headers: Mapping[str, str], *, now: float) -> Rate:
    """What the headers of an answer say; `now` in seconds since the epoch."""
    limit, left, reset = (_header(headers, name) for name in ("limit", "remaining", "reset"))
    if left is None and (combined := headers.get("ratelimit")):
        found = dict(part.strip().partition("=")[::2] for part in combined.replace(",", ";").split(";"))
        limit, left, reset = limit or found.get("limit"), found.get("r") or found.get("remaining"), found.get("t") or found.get("reset")
    seconds = _number(reset)
    if seconds is not None and seconds > _EPOCH:
        seconds = max(seconds - now, 0.0)
    wait = _after(headers.get("retry-after", "").strip(), now)
    if wait is None and left is not None and _number(left) == 0:
        wait = seconds
    return Rate(limit=limit, left=left, reset=seconds, wait=wait)


def in_words(seconds: float) -> str:
    whole = int(-(-seconds // 1))
    if whole < 120:
        return f"{whole} second{'' if whole == 1 else 's'}"
    return f"{-(-whole // 60)} minutes" if whole < 7200 else f"{-(-whole // 3600)} hours"


def _header(headers: Mapping[str, str], name: str) -> str | None:
    for prefix in ("x-ratelimit-", "ratelimit-", "x-rate-limit-"):
        if found := headers.get(prefix + name):
            return found.partition(",")[0].partition(";")[0].strip()[:40]
    return None


def _after(text: str, now: float) -> float | None:
    """RFC 9110 section 10.2.3: seconds or a date."""
    if not text:
        return None
    seconds = _number(text)
    if seconds is not None:
        return seconds
    from email.utils import mktime_tz, parsedate_tz

    date = parsedate_tz(text)
    try:
        return max(mktime_tz(date) - now, 0.0) if date else None
    except (ValueError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.replace(".", "", 1).isdigit() and len(text) < 16 else None
