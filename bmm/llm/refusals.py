"""A service's refusals as our errors, by HTTP status; an error inside a stream has the status of its type."""

import email.utils
import math
import time
from collections.abc import Mapping

from bmm.llm.errors import (
    ModelError,
    ModelKeyRefused,
    ModelNotFound,
    ModelOutOfCredit,
    ModelOverloaded,
    ModelRateLimited,
    ModelRequestRefused,
    ModelTooLong,
)

STATUS_OF = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403, "not_found_error": 404,
    "request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504, "overloaded_error": 529,
}  # fmt: skip
_LONGEST_QUOTE = 300


def refusal(status: int, message: str, *, where: str, model: str, code: str = "", headers: Mapping[str, str] | None = None) -> ModelError:
    """`message` and `code` are the service's own words; `where` is its address."""
    said = quoted(message)
    if status in (401, 403):
        # Some services repeat a part of the key in their sentence.
        return ModelKeyRefused(f"{where} does not accept the key (HTTP {status}). Set model_key in the settings to a valid one.")
    if status == 402 or code.endswith("spend_limit_reached") or "credit balance" in message.lower():
        return ModelOutOfCredit(f"The account at {where} has no credit left or has reached its own limit. Raise it there, then ask again.")
    if status == 404 or 300 <= status < 400:
        return ModelNotFound(
            f"{where} knows no model {model!r}, or is no address of the Messages protocol{said}. "
            "Check model_base_url and the names of the models in the settings."
        )
    if status == 413 or "prompt is too long" in message.lower():
        return ModelTooLong(
            f"The request is too long for {model}{said}. Name fewer tables or a smaller document, or compile it without the model."
        )
    if status == 429:
        return _later(ModelRateLimited(f"{where} takes no more requests for now (HTTP 429)."), headers)
    if status >= 500:
        return _later(ModelOverloaded(f"{where} cannot answer at the moment (HTTP {status})."), headers)
    return ModelRequestRefused(
        f"{where} refused the request (HTTP {status}){said}. Check the names of the models and model_effort in the settings."
    )


def quoted(text: str) -> str:
    """A foreign sentence, as one short line in quotation marks after a colon; nothing where there is none."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text[: 4 * _LONGEST_QUOTE]).split())
    if not line:
        return ""
    return f': "{line[:_LONGEST_QUOTE]}{"…" if len(line) > _LONGEST_QUOTE else ""}"'


def _later(error: ModelError, headers: Mapping[str, str] | None) -> ModelError:
    error.retry_after = _seconds(headers or {})
    return error


def _seconds(headers: Mapping[str, str]) -> float | None:
    """How long to wait: `retry-after` in seconds or as a date (RFC 9110 10.2.3)."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = email.utils.parsedate_tz(value)
            seconds = email.utils.mktime_tz(date) - time.time() if date else math.nan
        except (ValueError, OverflowError):  # the year 99999
            return None
    return min(max(seconds, 0.0), 86_400.0) if seconds == seconds else None
