"""Which pages of other origins may read our answers (Fetch standard, CORS protocol): named ones, never all, never with credentials."""

import re

from litestar import Request, Response
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from bmm.http.parts import AnyRequest
from bmm.store import settings
from bmm.store.db import Store

Headers = dict[str, str]
_ENDPOINT_HEADERS = ("Authorization", "Content-Type", "Accept", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name")
_PARAM_HEADER = re.compile(r"mcp-param-[a-z0-9][a-z0-9_.-]{0,99}")
_MOST_PARAM_HEADERS = 64
_MAX_AGE = 7200
"""Chromium remembers a preflight no longer than this; the requests themselves are looked at each time."""
_FOR_CLIENTS = frozenset({"/token", "/register", "/revoke"})
_CLIENT_HEADERS = ("Authorization", "Content-Type", "MCP-Protocol-Version")
_FOR_ALL = "/.well-known/"
_OPEN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "Content-Type, If-None-Match, MCP-Protocol-Version",
    "Access-Control-Max-Age": str(_MAX_AGE),
}


def is_preflight(request: AnyRequest) -> bool:
    return request.method == "OPTIONS" and "access-control-request-method" in request.headers


def preflight(origin: str, methods: str, headers: tuple[str, ...]) -> Headers:
    """What a browser learns before it sends a request of this origin."""
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": ", ".join(headers),
        "Access-Control-Max-Age": str(_MAX_AGE),
        "Vary": "Origin, Access-Control-Request-Headers",
    }


def shared(origin: str) -> Headers:
    """With these an answer can be read by a page of this origin, and the way to a token as well."""
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "WWW-Authenticate, Retry-After", "Vary": "Origin"}


def endpoint_headers(asked: str) -> tuple[str, ...]:
    """The headers of MCP. Those of arguments are named by each server's tools, so the asked ones are repeated: a wildcard would not do,
    it never covers `Authorization`."""
    params = [name for one in asked.split(",") if _PARAM_HEADER.fullmatch(name := one.strip().lower())]
    return (*_ENDPOINT_HEADERS, *list(dict.fromkeys(params))[:_MOST_PARAM_HEADERS])


class CrossOrigin:
    """For clients that live in a browser: pages that any server of this appliance allows can register and fetch, renew and revoke tokens,
    and every page can ask for metadata, which is public, with the headers MCP clients put on it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, app: ASGIApp) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP or not (scope["path"] in _FOR_CLIENTS or _FOR_ALL in scope["path"]):
                return await app(scope, receive, send)
            request: AnyRequest = Request(scope)
            if _FOR_ALL in scope["path"]:
                return await (_answer(request, 204, _OPEN) if is_preflight(request) else app)(scope, receive, send)
            origin = request.headers.get("origin")
            if origin is None or await self._store.aone(settings.allowed_somewhere(origin)) is None:
                return await (_answer(request, 403, {}) if is_preflight(request) else app)(scope, receive, send)
            if is_preflight(request):
                return await _answer(request, 204, preflight(origin, "POST", _CLIENT_HEADERS))(scope, receive, send)
            added = shared(origin)

            async def send_shared(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableScopeHeaders.from_message(message).update(added)
                await send(message)

            return await app(scope, receive, send_shared)

        return answer


def _answer(request: AnyRequest, status: int, headers: Headers) -> ASGIApp:
    return Response(b"", status_code=status, headers=headers).to_asgi_response(None, request)
