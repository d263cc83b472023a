"""How a server presents itself before anybody connects: its card, the appliance's catalogue, the registry's entry. Pure functions.

The card and the catalogue follow the extension io.modelcontextprotocol/server-card (SEP-2127), the entry the registry's schema of 2025-12-11.
"""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from bmm.core import address
from bmm.core.settings import Listed

Document = dict[str, Any]
CARD_TYPE = "application/mcp-server-card+json"
CATALOGUE_TYPE = "application/ai-catalog+json"
CARD_SCHEMA = "https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json"
ENTRY_SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
MOST_IN_DESCRIPTION = 100


def server_card(public_url: str, server: Listed) -> Document:
    """What a client needs to connect, and nothing of what the server can do: that is for those who may ask it."""
    return {"$schema": CARD_SCHEMA, **_described(public_url, server)}


def catalogue(public_url: str, servers: Iterable[Listed]) -> Document:
    """The cards of the public servers, for `/.well-known/ai-catalog.json`."""
    # The parts of a URN stand between colons.
    host = (urlsplit(public_url).hostname or "").replace(":", "-")
    return {
        "specVersion": "1.0",
        "entries": [
            {"identifier": f"urn:air:{host}:mcp:{one.slug}", "type": CARD_TYPE, "url": address.card(public_url, one.slug)} for one in servers
        ],
    }


def registry_entry(public_url: str, server: Listed) -> Document:
    """The `server.json` with which the owner of the host's name can publish the server in the MCP registry."""
    return {"$schema": ENTRY_SCHEMA, **_described(public_url, server)}


def registry_name(public_url: str, slug: str) -> str:
    """The host in reverse order, which is the namespace its owner can prove, and the slug: `com.example.mcp/shop`."""
    host = urlsplit(public_url).hostname or ""
    try:
        # An address is not a name to turn round, and a colon may not stand in this one.
        namespace = str(ip_address(host)).replace(":", "-")
    except ValueError:
        namespace = ".".join(reversed(host.split(".")))
    return f"{namespace}/{slug}"


def short(text: str, most: int = MOST_IN_DESCRIPTION) -> str:
    """At most that many characters on one line: all of it, else its whole first sentences, else its first words."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    if (end := text.rfind(". ", 0, most + 1)) > 0:
        return text[: end + 1]
    words = text[:most].rsplit(" ", 1)[0] if " " in text[:most] else text[: most - 1]
    return words.rstrip(" ,;:-") + "…"


def _described(public_url: str, server: Listed) -> Document:
    title = short(server.name) or server.slug
    return {
        "name": registry_name(public_url, server.slug),
        "title": title,
        "description": short(server.description) or title,
        "version": str(server.version),
        "remotes": [{"type": "streamable-http", "url": address.endpoint(public_url, server.slug)}],
    }
