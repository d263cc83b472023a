"""Pages of other origins: what a browser is told before and after it asks, at an endpoint and at the authorization server."""

from collections.abc import Iterator

import httpx2
import pytest

from bmm.ids import now
from bmm.store import settings
from tests.flow.apps import Appliance, Client, appliance

APP, OTHER = "https://app.example", "https://other.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.fixture(scope="module")
def app() -> Iterator[Appliance]:
    with appliance() as running:
        running.store.apply(settings.allow_origin(running.server("shop"), APP, now()))
        running.store.apply(settings.allow_origin(running.server("other"), OTHER, now()))
        gone = running.server("gone")
        running.store.apply(settings.allow_origin(gone, "https://gone.example", now()))
        running.change("UPDATE servers SET status = 'deleted', deleted_at = 'x' WHERE id = :id", id=gone)
        yield running


@pytest.fixture
def http(app: Appliance) -> httpx2.Client:
    return app.http()


def test_a_preflight_of_an_allowed_origin_names_what_it_may_send(http: httpx2.Client) -> None:
    answer = http.options("/s/shop/mcp", headers={"Origin": APP, **PREFLIGHT})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-methods"] == "POST"
    named = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert named == ["authorization", "content-type", "accept", "mcp-protocol-version", "mcp-method", "mcp-name"]
    assert int(answer.headers["access-control-max-age"]) > 0
    assert "origin" in answer.headers["vary"].lower()
    assert "access-control-allow-credentials" not in answer.headers


def test_headers_of_arguments_are_repeated_and_nothing_else_is(http: httpx2.Client) -> None:
    asked = ["Mcp-Param-Region", "mcp-param-region", "x-own", "mcp-param-a b", "mcp-param-", "*", "mcp-param-\u00e4"]
    asked += [f"mcp-param-n{number}" for number in range(200)]
    headers = {"Origin": APP, **PREFLIGHT, "Access-Control-Request-Headers": ", ".join(asked)}
    answer = http.options("/s/shop/mcp", headers=[(name.encode(), value.encode("latin-1")) for name, value in headers.items()])
    named = answer.headers["access-control-allow-headers"].split(", ")[6:]
    assert named[:2] == ["mcp-param-region", "mcp-param-n0"]
    assert len(named) == len(set(named)) == 64


@pytest.mark.parametrize("origin", [OTHER, "https://gone.example", "null", "https://app.example.evil.test", "http://app.example", "*", ""])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}])
@pytest.mark.parametrize("method", ["OPTIONS", "POST", "GET"])
def test_an_origin_this_server_does_not_allow_is_refused_whatever_it_sends(
    http: httpx2.Client, origin: str, headers: dict[str, str], method: str
) -> None:
    answer = http.request(method, "/s/shop/mcp", headers={"Origin": origin, **PREFLIGHT, **headers})
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.json()["error"]["code"] == -32600


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Authorization": "Bearer x"}, 503)])
def test_an_allowed_page_can_read_the_way_to_a_token_and_when_to_try_again(
    http: httpx2.Client, headers: dict[str, str], status: int
) -> None:
    answer = http.post("/s/shop/mcp", json={}, headers={"Origin": APP, **headers})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-expose-headers"] == "WWW-Authenticate, Retry-After"
    assert answer.headers["vary"] == "Origin"


def test_the_appliances_own_pages_are_allowed_everywhere(app: Appliance, http: httpx2.Client) -> None:
    assert http.post("/s/shop/mcp", json={}, headers={"Origin": app.url}).status_code == 401


@pytest.mark.parametrize("path", ["/token", "/register", "/revoke"])
def test_pages_that_any_server_allows_can_register_and_get_tokens(http: httpx2.Client, path: str) -> None:
    for origin in (APP, OTHER):
        answer = http.options(path, headers={"Origin": origin, **PREFLIGHT})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, origin)
        # An answer that says no is as readable.
        refused = http.post(path, headers={"Origin": origin}, content=b"")
        assert refused.status_code in (400, 401)
        assert (refused.headers["access-control-allow-origin"], refused.headers["vary"]) == (origin, "Origin")
        assert "access-control-allow-credentials" not in refused.headers
    for origin in ("https://gone.example", "null", "https://evil.test"):
        assert http.options(path, headers={"Origin": origin, **PREFLIGHT}).status_code == 403
        assert "access-control-allow-origin" not in http.post(path, headers={"Origin": origin}, content=b"").headers


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server",
        "/s/shop/mcp/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource/s/shop/mcp",
        "/.well-known/jwks.json",
        "/.well-known/ai-catalog.json",
    ],
)
def test_every_page_may_ask_for_metadata_with_the_protocols_header(http: httpx2.Client, path: str) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "mcp-protocol-version"}
    answer = http.options(path, headers={"Origin": "https://anywhere.example", **asked})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert "mcp-protocol-version" in answer.headers["access-control-allow-headers"].lower()


def test_a_client_in_a_browser_gets_a_token_and_reads_it(app: Appliance) -> None:
    browser = app.browser()
    browser.signs_in()
    client = Client(app, "shop")
    client.http.headers["Origin"] = APP
    answer = client.redeem(browser.consents(client))
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["cache-control"] == "no-store"


def test_pages_for_people_are_closed_to_other_origins(http: httpx2.Client) -> None:
    for path in ("/signin", "/authorize", "/health"):
        assert not [name for name in http.get(path, headers={"Origin": APP}).headers if name.startswith("access-control")]
