"""Errors as HTTP, in one place: JSON for programs, a page for people, the protocol's own shape for OAuth."""

import errno
import logging
from collections.abc import Callable, Mapping
from typing import Any

from litestar import Response
from litestar.exceptions import HTTPException

from bmm.errors import BmmError
from bmm.http.parts import AnyRequest
from bmm.oauth.errors import OAuthError, PageError
from ui.page import answer
from ui.pages.message import MessagePage, message

_log = logging.getLogger("bmm.http")
_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not know that method.",
    413: "What was sent is too large.",
    500: "Something went wrong here. It is in the log of `bmm serve`.",
    507: "The disk of the appliance is full. Make room where data_dir is, then try again.",
}
AnyResponse = Response[Any]


def on_bmm_error(request: AnyRequest, error: BmmError) -> AnyResponse:
    title = error.title if isinstance(error, PageError) else "That did not work"
    return _respond(
        request,
        status=error.status,
        code=error.code,
        sentence=error.user_message,
        title=title,
        pointer=error.pointer,
        page=isinstance(error, PageError),
    )


def on_oauth_error(_: AnyRequest, error: OAuthError) -> AnyResponse:
    """RFC 6749 §5.2, RFC 7591 §3.2.2."""
    return Response(
        {"error": error.code, "error_description": error.user_message},
        status_code=error.status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", **error.headers},
    )


def on_http_error(request: AnyRequest, error: HTTPException) -> AnyResponse:
    status = error.status_code
    sentence = _SENTENCES.get(status) or (_detail(error) if status < 500 else _SENTENCES[500])
    code = "not_found" if status == 404 else "http_error"
    return _respond(request, status=status, code=code, sentence=sentence, title=_title(status), headers=error.headers)


def _detail(error: HTTPException) -> str:
    """Litestar says "Validation failed" and keeps what failed beside it."""
    problems = error.extra if isinstance(error.extra, list) else []
    said = [f"{one.get('key', 'it')}: {one['message']}" for one in problems if isinstance(one, dict) and "message" in one]
    return "; ".join(said) or error.detail


def on_surprise(request: AnyRequest, error: Exception) -> AnyResponse:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in str(error):  # the second is SQLite's
        return _respond(request, status=507, code="disk_full", sentence=_SENTENCES[507], title=_title(507))
    return _respond(request, status=500, code="internal_error", sentence=_SENTENCES[500], title=_title(500))


HANDLERS: dict[int | type[Exception], Callable[[AnyRequest, Any], AnyResponse]] = {
    OAuthError: on_oauth_error,
    BmmError: on_bmm_error,
    HTTPException: on_http_error,
    Exception: on_surprise,
}
"""For `Litestar(exception_handlers=HANDLERS)`."""


def _respond(
    request: AnyRequest,
    *,
    status: int,
    code: str,
    sentence: str,
    title: str,
    pointer: str | None = None,
    page: bool = False,
    headers: Mapping[str, str] | None = None,
) -> AnyResponse:
    if page or "text/html" in request.headers.get("accept", ""):
        return answer(message(MessagePage(title=title, text=sentence, kind="error")), status=status)
    body: dict[str, str] = {"code": code, "message": sentence}
    if pointer is not None:
        body["pointer"] = pointer
    extra = {"Cache-Control": "no-store", **(headers or {})}
    return Response({"error": body}, status_code=status, media_type="application/json", headers=extra)


def _title(status: int) -> str:
    return {404: "Not found", 405: "Not possible here", 413: "Too large"}.get(status, "That did not work")
