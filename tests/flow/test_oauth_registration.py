"""Dynamic registration as real clients do it, and as a flood."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bmm.ids import now, text
from bmm.store import oauth
from tests.flow.apps import Appliance, appliance


@pytest.fixture
def app() -> Iterator[Appliance]:
    with appliance() as running:
        yield running


def test_cursor_registers_with_its_three_redirect_uris(app: Appliance) -> None:
    body = {
        "client_name": "Cursor",
        "redirect_uris": [
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "http://localhost:8787/callback",
        ],
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
        "client_uri": None,
        "x-unknown": {"a": 1},
    }
    answer = app.http().post("/register", json=body)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    made = answer.json()
    assert made["redirect_uris"] == body["redirect_uris"]
    assert made["grant_types"] == ["authorization_code", "refresh_token"]
    assert made["application_type"] == "native"
    assert "client_secret" not in made
    assert None not in made.values()
    assert "x-unknown" not in made
    assert not made["client_id"].startswith("https://")


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", None])
def test_a_confidential_client_gets_a_secret_that_is_kept_as_a_hash(app: Appliance, method: str | None) -> None:
    body = {"redirect_uris": ["https://claude.ai/api/mcp/auth_callback"]} | (
        {} if method is None else {"token_endpoint_auth_method": method}
    )
    made = app.http().post("/register", json=body).json()
    assert made["token_endpoint_auth_method"] == (method or "client_secret_basic")
    assert (len(made["client_secret"]), made["client_secret_expires_at"]) == (43, 0)
    assert made["client_secret"] not in str(app.values("SELECT secret_hash || metadata FROM oauth_clients"))


def test_the_same_public_client_is_registered_once_and_a_confidential_one_each_time(app: Appliance) -> None:
    http = app.http()
    public = {"redirect_uris": ["http://127.0.0.1/cb"], "client_name": "One", "token_endpoint_auth_method": "none"}
    ids = {http.post("/register", json=public).json()["client_id"] for _ in range(3)}
    assert len(ids) == 1
    assert http.post("/register", json=public | {"client_name": "Two"}).json()["client_id"] not in ids
    secret = public | {"token_endpoint_auth_method": "client_secret_post"}
    assert len({http.post("/register", json=secret).json()["client_id"] for _ in range(3)}) == 3


def test_what_is_wrong_is_named_in_the_words_of_rfc_7591(app: Appliance) -> None:
    http = app.http()
    bad_uri = http.post("/register", json={"redirect_uris": ["https://ok.example/cb", "javascript:alert(1)"]})
    assert (bad_uri.status_code, bad_uri.json()["error"]) == (400, "invalid_redirect_uri")
    assert "redirect_uris[1]" in bad_uri.json()["error_description"]
    bad_body = http.post("/register", content=b"{")
    assert (bad_body.status_code, bad_body.json()["error"]) == (400, "invalid_client_metadata")


def test_a_flood_is_slowed_and_leaves_a_bounded_number_of_rows(app: Appliance) -> None:
    http = app.http()
    answers = [http.post("/register", json={"redirect_uris": [f"https://a.example/{number}"]}) for number in range(40)]
    assert [answer.status_code for answer in answers] == [201] * 30 + [429] * 10
    assert 0 < int(answers[-1].headers["retry-after"]) <= 61
    assert app.values("SELECT count(*) FROM oauth_clients") == [30]


def test_a_flood_from_one_network_does_not_keep_others_from_registering(app: Appliance) -> None:
    def status(source: str) -> int:
        made = app.http().post("/register", json={"redirect_uris": ["https://a.example/x"]}, headers={"X-Forwarded-For": source})
        return made.status_code

    assert [status(f"2001:db8::{number:x}") for number in range(31)] == [201] * 30 + [429]
    assert (status("2001:db8:0:1::1"), status("192.0.2.1")) == (201, 201)


def test_at_the_cap_the_oldest_unused_clients_make_room(app: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bmm.oauth.clients.MOST_CLIENTS", 3)
    http = app.http()
    ids = [http.post("/register", json={"redirect_uris": [f"https://a.example/{number}"]}).json()["client_id"] for number in range(3)]
    full = http.post("/register", json={"redirect_uris": ["https://a.example/x"]})
    assert (full.status_code, full.json()["error"]) == (503, "temporarily_unavailable")
    app.change("UPDATE oauth_clients SET created_at = :old WHERE id = :id", old=text(now() - timedelta(hours=1)), id=ids[1])
    assert http.post("/register", json={"redirect_uris": ["https://a.example/x"]}).status_code == 201
    assert ids[1] not in app.values("SELECT id FROM oauth_clients")


def test_clients_that_never_finished_are_forgotten_after_a_month_and_used_ones_are_kept(app: Appliance) -> None:
    http = app.http()
    used, _, fresh = (
        http.post("/register", json={"redirect_uris": [f"https://a.example/{number}"]}).json()["client_id"] for number in range(3)
    )
    app.change("UPDATE oauth_clients SET used_at = :now WHERE id = :id", now=text(now()), id=used)
    app.change("UPDATE oauth_clients SET created_at = :old WHERE id <> :id", old=text(now() - timedelta(days=31)), id=fresh)
    app.store.apply(*oauth.forget_expired(now()))
    assert set(app.values("SELECT id FROM oauth_clients")) == {used, fresh}
