"""The gate before a server's endpoint: requests without credentials, and those whose server nobody could be reached at."""

from typing import Any

from litestar import Response, get, route
from litestar.params import FromPath

from bmm.core.access import Protected
from bmm.http import cross_origin
from bmm.http.parts import AnyRequest, TheConfig, TheStore
from bmm.oauth import metadata
from bmm.store import oauth

_METHODS: list[Any] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
# The codes JSON-RPC itself defines: MCP reserves or retires most of -32000 to -32099.
_INVALID_REQUEST, _INTERNAL_ERROR = -32600, -32603


@route("/s/{slug:str}/mcp", http_method=_METHODS, name="gate")
async def gate(request: AnyRequest, slug: FromPath[str], store: TheStore, config: TheConfig) -> Response[dict[str, Any] | None]:
    """Every method of an endpoint that did not lead to its container.

    Caddy sends requests without `Authorization` here, so that scanners wake nobody, and requests for servers whose socket is not
    in its place.
    """
    server = await store.aone(oauth.protected_by_slug(slug))
    if server is None:
        return _answer(404, _INVALID_REQUEST, f"There is no server called {slug[:63]!r} here. It may have been deleted or renamed.")
    origin = request.headers.get("origin")
    if origin is not None and origin not in (config.public_url, *server.origins):
        return _answer(403, _INVALID_REQUEST, "This Origin is not allowed.", {"Vary": "Origin"})
    if origin is not None and cross_origin.is_preflight(request):
        asked = request.headers.get("access-control-request-headers", "")
        return Response(None, status_code=204, headers=cross_origin.preflight(origin, "POST", cross_origin.endpoint_headers(asked)))
    shared = cross_origin.shared(origin) if origin is not None else {}
    if "authorization" in request.headers:
        return _unavailable(server, shared)
    return _answer(
        401,
        _INVALID_REQUEST,
        "Authorization is needed: follow the metadata in the WWW-Authenticate header.",
        {"WWW-Authenticate": metadata.challenge(config, server), **shared},
    )


@get("/health")
async def health() -> dict[str, bool]:
    return {"ok": True}


def _unavailable(server: Protected, shared: dict[str, str]) -> Response[dict[str, Any] | None]:
    if server.version is None:
        sentence, wait = f"{server.name} has not been deployed yet, or its first deploy failed.", "60"
    else:
        sentence, wait = f"{server.name} is not answering at the moment; it is being started. Try again.", "3"
    return _answer(503, _INTERNAL_ERROR, sentence, {"Retry-After": wait, **shared})


def _answer(status: int, code: int, sentence: str, headers: dict[str, str] | None = None) -> Response[dict[str, Any] | None]:
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": sentence}}
    return Response(body, status_code=status, media_type="application/json", headers={"Cache-Control": "no-store", **(headers or {})})


ROUTES = [gate, health]
