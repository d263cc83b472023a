"""Names, descriptions and the documents made of them."""

import re
from typing import Any

import jsonschema_rs
import pytest

from bmm.core import card
from bmm.core.settings import Listed


@pytest.mark.parametrize(
    ("public_url", "name"),
    [
        ("https://mcp.example.com", "com.example.mcp/shop"),
        ("https://mcp.example.com:8443", "com.example.mcp/shop"),
        ("http://localhost:8080", "localhost/shop"),
        ("https://192.0.2.7", "192.0.2.7/shop"),
        ("http://[::1]:8080", "--1/shop"),
    ],
)
def test_a_name_is_the_host_in_reverse_order_and_the_slug(public_url: str, name: str) -> None:
    assert card.registry_name(public_url, "shop") == name
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", name)


def test_a_description_is_shortened_at_a_sentence_else_at_a_word() -> None:
    assert card.short("  All\nof it.  ") == "All of it."
    assert card.short("x" * 100) == "x" * 100
    assert card.short("The first sentence. The second one. " + "And a third that is far too long, " * 9) == "The first sentence. The second one."
    cut = card.short("Orders, products and customers of a shop, " + "with a great many words and no end, " * 9)
    assert cut.endswith("…")
    assert " " in cut
    assert len(cut) <= 100
    for text in ("x" * 500, "x" * 99 + " y", "x" * 100 + ". y", "a. " * 200, "\u2013" * 101):
        assert 1 <= len(card.short(text)) <= 100


def test_the_registrys_entry_names_the_endpoint() -> None:
    shop = Listed(slug="shop", name="Shop", version=3, description="Sells things.")
    assert card.registry_entry("https://mcp.example.com", shop) == {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": "com.example.mcp/shop",
        "title": "Shop",
        "description": "Sells things.",
        "version": "3",
        "remotes": [{"type": "streamable-http", "url": "https://mcp.example.com/s/shop/mcp"}],
    }


def closed(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


CARD: dict[str, Any] = closed(
    *("$schema", "name", "description", "version"),
    **{"$schema": {"const": "https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json"}},
    name={"type": "string", "pattern": "^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", "minLength": 3, "maxLength": 200},
    title={"type": "string", "minLength": 1, "maxLength": 100},
    description={"type": "string", "minLength": 1, "maxLength": 100},
    version={"type": "string", "maxLength": 255},
    remotes={"type": "array", "items": closed("type", "url", type={"const": "streamable-http"}, url={"pattern": r"^https?://[^\s{}]+$"})},
)
"""What SEP-2127 says of the fields that we use; it allows no others."""
ENTRY_SCHEMA = {"$schema": {"const": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"}}
ENTRY: dict[str, Any] = {**CARD, "properties": CARD["properties"] | ENTRY_SCHEMA}
"""The registry's schema says the same of them."""
CATALOGUE = closed(
    *("specVersion", "entries"),
    specVersion={"const": "1.0"},
    entries={
        "type": "array",
        "items": closed(
            *("identifier", "type", "url"),
            identifier={"type": "string", "pattern": "^urn:air:[a-z0-9.-]+:mcp:[a-z0-9-]+$"},
            type={"const": "application/mcp-server-card+json"},
            url={"type": "string", "pattern": "^https?://.+/mcp/server-card$"},
        ),
    },
)


@pytest.mark.parametrize("public_url", ["https://mcp.example.com", "http://localhost:8080", "https://192.0.2.7", "http://[::1]:8080"])
@pytest.mark.parametrize(
    ("name", "description"), [("Shop", "Sells things."), ("x" * 80, ""), (" ", " \n "), ("\u2003", "\u4e2d" * 500), ("Shop", "word " * 500)]
)
def test_the_documents_have_the_fields_of_their_schemas_and_no_others(public_url: str, name: str, description: str) -> None:
    shop = Listed(slug="shop-2", name=name, version=3, description=description)
    for schema, document in (
        (CARD, card.server_card(public_url, shop)),
        (ENTRY, card.registry_entry(public_url, shop)),
        (CATALOGUE, card.catalogue(public_url, [shop])),
    ):
        jsonschema_rs.Draft202012Validator(schema).validate(document)
