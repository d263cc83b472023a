"""What strangers may know: the cards of servers marked public, and the catalogue of them (SEP-2127)."""

from hashlib import sha256
from typing import Any

import msgspec
from litestar import Response, route
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from bmm.core import card
from bmm.http.parts import AnyRequest, TheConfig, TheStore
from bmm.store import settings

_METHODS: list[Any] = ["GET", "HEAD", "OPTIONS"]
_OPEN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET",
    "Access-Control-Allow-Headers": "Content-Type, If-None-Match",
    "Access-Control-Expose-Headers": "ETag",
    "Cache-Control": "public, max-age=3600",
}


@route("/s/{slug:str}/mcp/server-card", http_method=_METHODS, name="server_card")
async def server_card(request: AnyRequest, slug: FromPath[str], store: TheStore, config: TheConfig) -> Response[bytes]:
    """A server that is not public is answered like one that does not exist."""
    server = await store.aone(settings.public_by_slug(slug))
    if server is None:
        raise NotFoundException
    return _published(request, card.server_card(config.public_url, server), card.CARD_TYPE)


@route("/.well-known/ai-catalog.json", http_method=_METHODS, name="catalogue")
async def catalogue(request: AnyRequest, store: TheStore, config: TheConfig) -> Response[bytes]:
    return _published(request, card.catalogue(config.public_url, await store.aall(settings.all_public())), card.CATALOGUE_TYPE)


def _published(request: AnyRequest, document: card.Document, media_type: str) -> Response[bytes]:
    if request.method == "OPTIONS":
        return Response(b"", status_code=204, headers=_OPEN)
    body = msgspec.json.encode(document)
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {**_OPEN, "ETag": tag}
    # RFC 9110 §13.1.2: `*` is any, and weakness makes no difference.
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        return Response(b"", status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


ROUTES = [server_card, catalogue]
