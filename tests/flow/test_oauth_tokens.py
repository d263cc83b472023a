"""Codes, access tokens, refresh tokens and revocation, raced and replayed."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from bmm.ids import now, text
from bmm.oauth.tokens import personal_token, read
from bmm.store.oauth import revoke_grants_of_server, revoked_grants
from tests.flow.apps import REDIRECT, Appliance, Browser, Client, appliance


@pytest.fixture
def app() -> Iterator[Appliance]:
    with appliance() as running:
        running.server("shop")
        running.server("blog")
        yield running


@pytest.fixture
def owner(app: Appliance) -> Browser:
    browser = app.browser()
    browser.signs_in()
    return browser


def header_of(token: str) -> dict[str, str]:
    part = token.split(".")[0]
    decoded: dict[str, str] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def revoked(app: Appliance, slug: str) -> list[str]:
    (server_id,) = app.values(f"SELECT id FROM servers WHERE slug = '{slug}'")
    return [row.value for row in app.store.all(revoked_grants(server_id, now()))]


def test_a_code_becomes_an_access_token_for_one_server(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop")
    answer = client.redeem(owner.consents(client), resource=app.endpoint("shop") + "/")
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 900, "read write")
    assert header_of(body["access_token"])["typ"] == "at+jwt"
    claims = read(app.keys, body["access_token"])
    assert claims is not None
    assert (claims.iss, claims.aud, claims.client_id, claims.scope) == (app.url, [app.endpoint("shop")], client.id, "read write")
    assert claims.exp - claims.iat == 900
    assert [claims.sid] == app.values("SELECT id FROM servers WHERE slug = 'shop'")
    assert [claims.gid] == app.values("SELECT id FROM grants")
    assert [claims.sub] == app.values("SELECT id FROM users")


def test_nothing_that_opens_anything_is_readable_in_the_database(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop")
    code = owner.consents(client)
    token = client.redeem(code).json()["refresh_token"]
    stored = str(app.values("SELECT hash FROM oauth_codes UNION SELECT hash FROM refresh_tokens UNION SELECT detail FROM audit"))
    assert code not in stored
    assert token not in stored


def test_of_many_redemptions_at_once_exactly_one_succeeds_and_the_replays_revoke_it(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop")
    code = owner.consents(client)
    assert client.http.get("/.well-known/jwks.json").status_code == 200
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: client.redeem(code), range(50)))
    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.json()["error"] for answer in answers if answer.status_code != 200} == {"invalid_grant"}
    claims = read(app.keys, won[0]["access_token"])
    assert claims is not None
    assert revoked(app, "shop") == [claims.gid]
    assert client.refresh(won[0]["refresh_token"]).json()["error"] == "invalid_grant"
    assert app.woken == [True]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": ""}, "invalid_request"),
        ({"code_verifier": "a" * 42}, "invalid_grant"),
        ({"code_verifier": "a" * 64}, "invalid_grant"),
        ({"code_verifier": "a" * 129}, "invalid_grant"),
        ({"redirect_uri": REDIRECT + "/"}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:7778/callback"}, "invalid_grant"),
        ({"code": "x" * 43}, "invalid_grant"),
        ({"code": ""}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"client_id": ""}, "invalid_client"),
        ({"client_id": "cli_unknown"}, "invalid_client"),
        ({"client_secret": "guess"}, "invalid_client"),
        ({"client_assertion": "x"}, "invalid_client"),
        ({"resource": "https://other.example/"}, "invalid_target"),
    ],
)
def test_what_does_not_fit_the_code_gets_nothing_and_does_not_use_it_up(
    app: Appliance, owner: Browser, changed: dict[str, str], error: str
) -> None:
    client = Client(app, "shop")
    code = owner.consents(client)
    answer = client.redeem(**{"code": code} | changed)
    assert answer.json()["error"] == error
    assert answer.status_code == (401 if error == "invalid_client" else 400)
    assert answer.headers["cache-control"] == "no-store"
    assert client.redeem(code).status_code == 200


def test_a_code_is_not_for_another_server_client_or_verifier(app: Appliance, owner: Browser) -> None:
    client, other = Client(app, "shop"), Client(app, "shop", client_name="Other")
    code, other_code = owner.consents(client), owner.consents(other)
    assert client.redeem(code, resource=app.endpoint("blog")).json()["error"] == "invalid_target"
    assert other.redeem(code).json()["error"] == "invalid_grant"
    assert client.redeem(other_code).json()["error"] == "invalid_grant"
    assert client.redeem(code, resource=app.url).status_code == 200


def test_a_code_lives_sixty_seconds(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop")
    code = owner.consents(client)
    (lives,) = app.values("SELECT round((julianday(expires_at) - julianday(created_at)) * 86400) FROM oauth_codes")
    assert lives == 60
    app.change("UPDATE oauth_codes SET expires_at = :past", past=text(now()))
    assert client.redeem(code).json()["error"] == "invalid_grant"


def test_a_code_is_worth_nothing_once_the_server_is_deleted_or_the_person_has_left(app: Appliance, owner: Browser) -> None:
    client, blog = Client(app, "shop"), Client(app, "blog")
    code, other = owner.consents(client), owner.consents(blog)
    app.change("UPDATE servers SET status = 'deleted', deleted_at = 'x' WHERE slug = 'shop'")
    assert client.redeem(code).json()["error"] == "invalid_grant"
    app.change("DELETE FROM memberships")
    assert blog.redeem(other).json()["error"] == "invalid_grant"


def test_a_confidential_client_proves_itself_by_header_or_form(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop", token_endpoint_auth_method="client_secret_basic")
    fields = {
        "grant_type": "authorization_code",
        "redirect_uri": REDIRECT,
        "code_verifier": client.verifier,
        "code": owner.consents(client),
    }
    secret = client.registered["client_secret"]

    def basic(value: str) -> str:
        return "Basic " + base64.b64encode(f"{client.id}:{value}".encode()).decode()

    wrong = client.post("/token", fields, Authorization=basic("wrong"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert wrong.headers["www-authenticate"].startswith("Basic")
    missing = client.post("/token", fields | {"client_id": client.id})
    assert (missing.status_code, "www-authenticate" in missing.headers) == (401, False)
    twice = client.post("/token", fields | {"client_secret": secret}, Authorization=basic(secret))
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
    first = client.post("/token", fields | {"client_id": client.id}, Authorization=basic(secret))
    assert first.status_code == 200
    again = {"grant_type": "refresh_token", "refresh_token": first.json()["refresh_token"], "client_id": client.id, "client_secret": secret}
    assert client.post("/token", again).status_code == 200


def test_only_a_form_is_read_and_nothing_twice(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop")
    code = owner.consents(client)
    assert client.http.post("/token", json={"code": code}).json()["error"] == "invalid_request"
    doubled = f"grant_type=authorization_code&code={code}&code=x&code_verifier={client.verifier}&client_id={client.id}"
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    assert client.http.post("/token", content=doubled, headers=form).json()["error"] == "invalid_request"
    assert client.http.post("/token", content=b"\xff\xfe", headers=form).json()["error"] == "invalid_request"
    assert client.http.post("/token", content=b"a=%ff", headers=form).json()["error"] == "invalid_request"
    assert client.http.get("/token").status_code == 405


def test_refreshing_rotates_and_keeps_server_and_scope(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop")
    first = client.redeem(owner.consents(client)).json()
    second = client.refresh(first["refresh_token"], resource=app.endpoint("shop")).json()
    assert second["refresh_token"] != first["refresh_token"]
    narrow = client.refresh(second["refresh_token"], scope="read offline_access").json()
    assert narrow["scope"] == "read"
    full = client.refresh(narrow["refresh_token"]).json()
    assert full["scope"] == "read write"
    claims = [read(app.keys, body["access_token"]) for body in (first, second, narrow, full)]
    assert len({(one.gid, tuple(one.aud)) for one in claims if one is not None}) == 1
    assert client.refresh(full["refresh_token"], scope="admin").json()["error"] == "invalid_scope"
    assert client.refresh(full["refresh_token"], resource=app.endpoint("blog")).json()["error"] == "invalid_target"
    assert Client(app, "shop", client_name="Thief").refresh(full["refresh_token"]).json()["error"] == "invalid_grant"
    assert client.refresh(full["refresh_token"]).status_code == 200
    assert app.woken == []


def test_a_lost_answer_can_be_asked_for_again_within_the_grace_in_the_same_family(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop")
    token = client.redeem(owner.consents(client)).json()["refresh_token"]
    with ThreadPoolExecutor(8) as pool:
        answers = [answer.json() for answer in pool.map(lambda _: client.refresh(token), range(8))]
    claims = [read(app.keys, body["access_token"]) for body in answers]
    assert len({body["refresh_token"] for body in answers}) == 8
    assert len({one.gid for one in claims if one is not None}) == 1
    assert client.refresh(answers[3]["refresh_token"]).status_code == 200
    assert revoked(app, "shop") == []


def test_using_a_replaced_refresh_token_later_revokes_the_whole_family(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop")
    stolen = client.redeem(owner.consents(client)).json()["refresh_token"]
    latest = client.refresh(stolen).json()["refresh_token"]
    app.change("UPDATE refresh_tokens SET rotated_at = :then WHERE rotated_at IS NOT NULL", then=text(now() - timedelta(seconds=31)))
    assert client.refresh(stolen).json()["error"] == "invalid_grant"
    assert client.refresh(latest).json()["error"] == "invalid_grant"
    assert app.values("SELECT id FROM grants WHERE revoked_at IS NOT NULL") == revoked(app, "shop")
    assert app.woken == [True]
    assert "grant.revoke" in app.values("SELECT action FROM audit")


def test_using_it_within_the_grace_does_not_prolong_the_grace(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop")
    token = client.redeem(owner.consents(client)).json()["refresh_token"]
    client.refresh(token)
    before = app.values("SELECT rotated_at FROM refresh_tokens WHERE rotated_at IS NOT NULL")
    client.refresh(token)
    assert app.values("SELECT rotated_at FROM refresh_tokens WHERE rotated_at IS NOT NULL") == before


def test_a_refresh_token_ends_after_sixty_days_and_with_server_or_membership(app: Appliance, owner: Browser) -> None:
    client, blog = Client(app, "shop"), Client(app, "blog")
    token, other = (one.redeem(owner.consents(one)).json()["refresh_token"] for one in (client, blog))
    (days,) = set(app.values("SELECT julianday(expires_at) - julianday(created_at) FROM refresh_tokens"))
    assert round(days) == 60
    app.change("DELETE FROM memberships")
    assert blog.refresh(other).json()["error"] == "invalid_grant"
    app.change("UPDATE refresh_tokens SET expires_at = :past", past=text(now()))
    assert client.refresh(token).json()["error"] == "invalid_grant"


def test_an_access_token_a_session_and_a_code_are_not_refresh_tokens(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop")
    code = owner.consents(client)
    body = client.redeem(code).json()
    for wrong in (body["access_token"], code, owner.http.cookies["bmm-session"]):
        assert client.refresh(wrong).json()["error"] == "invalid_grant"
    assert client.refresh(body["refresh_token"]).status_code == 200


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_revoking_either_token_ends_the_grant_and_wakes_reconcile(app: Appliance, owner: Browser, kind: str) -> None:
    client = Client(app, "shop")
    body = client.redeem(owner.consents(client)).json()
    assert client.post("/revoke", {"token": body[kind], "client_id": client.id}).status_code == 200
    assert client.refresh(body["refresh_token"]).json()["error"] == "invalid_grant"
    assert revoked(app, "shop") == app.values("SELECT id FROM grants")
    assert app.woken == [True]
    assert client.post("/revoke", {"token": body[kind], "client_id": client.id}).status_code == 200
    assert app.woken == [True]


def test_revoking_what_is_unknown_or_anothers_is_a_200_without_effect(app: Appliance, owner: Browser) -> None:
    client, other = Client(app, "shop"), Client(app, "shop", client_name="Other")
    body = client.redeem(owner.consents(client)).json()
    odd = base64.urlsafe_b64encode(b'{"alg":"RS256","crit":5}').decode().rstrip("=") + ".e30.AAAA"
    for token in ("nothing", "a.b.c", odd, "x" * 9000, body["refresh_token"], body["access_token"]):
        assert other.post("/revoke", {"token": token, "client_id": other.id}).status_code == 200
    assert other.post("/revoke", {"token": body["refresh_token"], "client_id": "cli_x"}).status_code == 401
    assert client.refresh(body["refresh_token"]).status_code == 200


def test_a_personal_token_is_for_one_server_and_can_be_revoked_until_it_expires(app: Appliance) -> None:
    (server_id,) = app.values("SELECT id FROM servers WHERE slug = 'shop'")
    token = personal_token(
        app.store,
        app.keys,
        server_id=server_id,
        slug="shop",
        scopes=("read", "write"),
        organisation_id=app.organisation(),
        user_id=None,
        days=30,
        now=now(),
        config=app.config,
    )
    claims = read(app.keys, token)
    assert claims is not None
    assert (claims.aud, claims.scope, claims.exp - claims.iat) == ([app.endpoint("shop")], "read write", 30 * 86400)
    app.store.apply(revoke_grants_of_server(server_id, why="test", now=now()))
    long_after = now() + timedelta(days=29)
    assert [row.value for row in app.store.all(revoked_grants(server_id, long_after))] == [claims.gid]
    assert app.store.all(revoked_grants(server_id, now() + timedelta(days=31))) == []


def test_keys_rotate_under_traffic_without_a_refused_token(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop")
    body = client.redeem(owner.consents(client)).json()
    app.keys.rotate(now() - timedelta(seconds=61))
    fresh = client.refresh(body["refresh_token"]).json()
    kids = {header_of(one["access_token"])["kid"] for one in (body, fresh)}
    assert len(kids) == 2
    assert kids == {key["kid"] for key in client.http.get("/.well-known/jwks.json").json()["keys"]}
    assert read(app.keys, body["access_token"]) is not None
