"""Finding the way: metadata at every address clients try, and the gate before an endpoint."""

import re
from collections.abc import Iterator

import httpx2
import pytest

from tests.flow.apps import Appliance, appliance

EVERYWHERE = [
    place
    for name in ("oauth-authorization-server", "openid-configuration")
    for place in (f"/.well-known/{name}", f"/.well-known/{name}/s/shop/mcp", f"/s/shop/mcp/.well-known/{name}")
]


@pytest.fixture(scope="module")
def app() -> Iterator[Appliance]:
    with appliance() as running:
        running.server("shop")
        running.server("bare", scopes="")
        gone = running.server("gone")
        running.change("UPDATE servers SET status = 'deleted', deleted_at = 'x' WHERE id = :id", id=gone)
        draft = running.server("draft")
        running.change("UPDATE servers SET status = 'failed', version = NULL WHERE id = :id", id=draft)
        yield running


@pytest.fixture
def http(app: Appliance) -> httpx2.Client:
    return app.http()


def test_the_metadata_is_the_same_everywhere_and_every_address_in_it_answers(app: Appliance, http: httpx2.Client) -> None:
    documents = [http.get(place) for place in EVERYWHERE]
    assert {answer.status_code for answer in documents} == {200}
    assert {answer.headers["content-type"] for answer in documents} == {"application/json"}
    assert {answer.headers["access-control-allow-origin"] for answer in documents} == {"*"}
    first = documents[0].json()
    assert all(answer.json() == first for answer in documents)
    assert first == {
        "issuer": app.url,
        "authorization_endpoint": f"{app.url}/authorize",
        "token_endpoint": f"{app.url}/token",
        "registration_endpoint": f"{app.url}/register",
        "revocation_endpoint": f"{app.url}/revoke",
        "jwks_uri": f"{app.url}/.well-known/jwks.json",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["offline_access"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": False,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    for name in ("authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint", "jwks_uri"):
        assert http.get(first[name]).status_code != 404


@pytest.mark.parametrize(
    "path", [*EVERYWHERE, "/.well-known/oauth-protected-resource/s/shop/mcp", "/.well-known/oauth-protected-resource", "/.well-known/jwks.json"]
)
def test_metadata_can_be_asked_for_without_its_body(http: httpx2.Client, path: str) -> None:
    whole, head = http.get(path), http.head(path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", whole.headers["content-length"])
    assert http.post(path).status_code == 405


def test_the_keys_are_public_halves_only(http: httpx2.Client) -> None:
    (key,) = http.get("/.well-known/jwks.json").json()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}


def test_a_server_describes_itself_as_a_protected_resource(app: Appliance, http: httpx2.Client) -> None:
    answer = http.get("/.well-known/oauth-protected-resource/s/shop/mcp")
    assert answer.json() == {
        "resource": f"{app.url}/s/shop/mcp",
        "authorization_servers": [app.url],
        "scopes_supported": ["read", "write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "The shop",
    }
    assert answer.headers["access-control-allow-origin"] == "*"
    assert http.get("/.well-known/oauth-protected-resource").json()["resource"] == app.url
    for slug in ("nobody", "gone"):
        assert http.get(f"/.well-known/oauth-protected-resource/s/{slug}/mcp").status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_without_credentials_every_method_is_challenged_and_no_error_is_named(app: Appliance, http: httpx2.Client, method: str) -> None:
    answer = http.request(method, "/s/shop/mcp", headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        f'Bearer resource_metadata="{app.url}/.well-known/oauth-protected-resource/s/shop/mcp", scope="read write"'
    )
    assert "access-control-allow-origin" not in answer.headers


def test_the_challenge_leads_to_a_document_about_this_very_endpoint(app: Appliance, http: httpx2.Client) -> None:
    challenge = http.post("/s/bare/mcp", json={}).headers["www-authenticate"]
    found = re.fullmatch(r'Bearer resource_metadata="([^"]+)"', challenge)
    assert found is not None
    assert http.get(found[1]).json()["resource"] == app.endpoint("bare")


def test_an_unknown_or_deleted_server_is_a_404_with_and_without_a_token(http: httpx2.Client) -> None:
    for slug in ("nobody", "gone", "x" * 500, "%3Cimg%3E"):
        for headers in ({}, {"Authorization": "Bearer x"}):
            answer = http.post(f"/s/{slug}/mcp", json={}, headers=headers)
            assert answer.status_code == 404
            body = answer.json()
            assert (body["jsonrpc"], body["id"], body["error"]["code"]) == ("2.0", None, -32600)


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer x"}, {"Authorization": "Basic eA=="}]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_server_nobody_could_be_reached_at_is_a_503_that_says_when_to_try_again(
    http: httpx2.Client, method: str, headers: dict[str, str]
) -> None:
    for slug, wait in (("shop", "3"), ("draft", "60")):
        answer = http.request(method, f"/s/{slug}/mcp", headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, wait)
        assert answer.json()["error"]["code"] == -32603


def test_everything_else_is_closed(http: httpx2.Client) -> None:
    for path in (
        "/",
        "/s/shop",
        "/s/shop/mcp/x",
        "/s/shop/",
        "/.well-known/x",
        "/static/app.css.map",
        "/static/../page.py",
        "/docs",
        "/schema",
    ):
        assert http.get(path).status_code == 404, path
    assert http.get("/nowhere").json()["error"]["code"] == "not_found"
    page = http.get("/nowhere", headers={"Accept": "text/html"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "There is nothing at this address." in page.text
    assert http.get("/health").json() == {"ok": True}


def test_what_is_too_large_is_refused_before_it_is_read(http: httpx2.Client) -> None:
    for path in ("/register", "/token", "/revoke", "/consent", "/signin"):
        assert http.post(path, content=b"x" * 20_000, headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code == 413, (
            path
        )
