"""What strangers see: the cards of public servers and the catalogue of them, and nothing of the others."""

import re
from collections.abc import Iterator

import httpx2
import pytest

from bmm.ids import now
from bmm.store import settings
from tests.flow.apps import Appliance, appliance

CARD, CATALOGUE = "/s/shop/mcp/server-card", "/.well-known/ai-catalog.json"


@pytest.fixture(scope="module")
def app() -> Iterator[Appliance]:
    with appliance() as running:
        for slug in ("shop", "weather", "gone", "draft"):
            running.store.apply(settings.set_public(running.server(slug), now(), public=True))
        running.server("hidden")
        running.change("UPDATE servers SET deleted_at = 'x', status = 'deleted' WHERE slug = 'gone'")
        running.change("UPDATE servers SET version = NULL, status = 'failed' WHERE slug = 'draft'")
        yield running


@pytest.fixture
def http(app: Appliance) -> httpx2.Client:
    return app.http()


def test_a_public_server_shows_its_card_to_everybody(app: Appliance, http: httpx2.Client) -> None:
    answer = http.get(CARD, headers={"Accept": "application/mcp-server-card+json", "Origin": "https://anywhere.example"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/mcp-server-card+json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == "ETag"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.json() == {
        "$schema": "https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json",
        "name": "localhost/shop",
        "title": "The shop",
        "description": "The shop",
        "version": "1",
        "remotes": [{"type": "streamable-http", "url": app.endpoint("shop")}],
    }
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", answer.json()["name"])


def test_the_catalogue_lists_public_servers_that_run_and_each_card_is_there(app: Appliance, http: httpx2.Client) -> None:
    answer = http.get(CATALOGUE)
    assert answer.headers["content-type"] == "application/ai-catalog+json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.json()["specVersion"] == "1.0"
    entries = answer.json()["entries"]
    assert [entry["identifier"] for entry in entries] == ["urn:air:localhost:mcp:shop", "urn:air:localhost:mcp:weather"]
    assert {entry["type"] for entry in entries} == {"application/mcp-server-card+json"}
    assert all(http.get(entry["url"]).status_code == 200 for entry in entries)


def test_what_is_not_public_looks_like_what_does_not_exist(http: httpx2.Client) -> None:
    for accept in ("*/*", "text/html"):
        answers = [http.get(f"/s/{slug}/mcp/server-card", headers={"Accept": accept}) for slug in ("hidden", "gone", "draft", "nobody")]
        nothing = http.get("/s/nobody/mcp/else", headers={"Accept": accept})
        assert {(one.status_code, one.text, one.headers["content-type"]) for one in (*answers, nothing)} == {
            (404, nothing.text, nothing.headers["content-type"])
        }
        assert {frozenset(one.headers) for one in answers} == {frozenset(nothing.headers)}


@pytest.mark.parametrize("path", [CARD, CATALOGUE])
def test_who_has_it_already_is_told_so(http: httpx2.Client, path: str) -> None:
    tag = http.get(path).headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        again = http.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert http.get(path, headers={"If-None-Match": '"x"'}).status_code == 200


@pytest.mark.parametrize("path", [CARD, CATALOGUE])
def test_a_page_may_ask_with_the_tag_and_only_reading_is_possible(http: httpx2.Client, path: str) -> None:
    asked = {"Origin": "https://x.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "if-none-match"}
    answer = http.options(path, headers=asked)
    assert answer.status_code == 204
    assert "If-None-Match" in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-allow-methods"] == "GET"
    assert (http.head(path).status_code, http.head(path).content) == (200, b"")
    assert http.post(path).status_code == 405
