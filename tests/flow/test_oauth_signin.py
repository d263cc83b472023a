"""Signing in with one-time links, sessions, and forms that cannot be forged."""

from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest

from bmm.config import Config
from bmm.http.browser import session_cookie, then_cookie
from bmm.ids import now, text
from bmm.oauth.signin import ensure_organisation, first_link
from bmm.store import people
from tests.flow.apps import Appliance, Client, appliance, form_of


@pytest.fixture
def app() -> Iterator[Appliance]:
    with appliance() as running:
        yield running


def token_of(printed: str) -> str:
    return printed.rsplit("/", 1)[1]


def test_the_first_sign_in_makes_the_organisation_and_its_owner_and_later_ones_are_that_owner(app: Appliance) -> None:
    first = first_link(app.store, app.config, now())
    assert first is not None
    assert first.startswith(f"{app.url}/signin/")
    browser = app.browser()
    assert browser.opens(first).headers["location"] == "/signin"
    assert "Owner" in browser.get("/signin").text
    assert first_link(app.store, app.config, now()) is None
    app.browser().signs_in()
    assert app.values("SELECT name FROM organisations") == ["My organisation"]
    assert app.values("SELECT role FROM memberships") == ["owner"]
    assert app.values("SELECT count(*) FROM users") == [1]
    assert app.values("SELECT count(*) FROM audit WHERE action = 'signin.start'") == [2]


def test_the_owner_joins_the_organisation_that_a_deploy_has_already_made(app: Appliance) -> None:
    made = app.store.transact(lambda db: ensure_organisation(db, app.vault, now()))
    app.browser().signs_in()
    assert app.values("SELECT id FROM organisations") == [made]
    assert app.values("SELECT organisation_id FROM memberships") == [made]
    data_key = app.values("SELECT data_key FROM organisations")[0]
    sealed = app.vault.seal_secret("x", organisation_id=made, data_key=data_key, server_id="s", key="K")
    assert app.vault.open_secret(sealed, organisation_id=made, data_key=data_key, server_id="s", key="K") == "x"


def test_looking_at_a_link_does_not_use_it_and_using_it_twice_does_not_work(app: Appliance) -> None:
    browser = app.browser()
    browser.submit(browser.get("/signin"))
    link = app.printed[-1][app.printed[-1].index("http") :]
    scanner = app.http()
    for _ in range(3):
        assert scanner.get(link).status_code == 200
        assert scanner.head(link).status_code == 405
    page = browser.http.get(link)
    assert browser.submit(page).status_code == 303
    assert app.browser().http.get(link).status_code == 410
    assert browser.submit(page).status_code == 403  # the form token was bound to the time before the sign-in
    other = app.browser()
    _, fields = form_of(other.get("/signin").text)
    assert other.http.post(link, data=fields).status_code == 410


def test_an_expired_or_invented_link_says_what_to_do_next(app: Appliance) -> None:
    browser = app.browser()
    browser.submit(browser.get("/signin"))
    app.change("UPDATE sign_in_links SET expires_at = :past", past=text(now() - timedelta(seconds=1)))
    for link in (app.printed[-1][app.printed[-1].index("http") :], "/signin/" + "A" * 43):
        answer = browser.http.get(link)
        assert answer.status_code == 410
        assert "Ask for a new one." in answer.text


def test_links_sessions_and_their_tokens_are_kept_as_hashes(app: Appliance) -> None:
    browser = app.browser()
    browser.signs_in()
    stored = (
        str(app.values("SELECT hash FROM sign_in_links"))
        + str(app.values("SELECT hash FROM sessions"))
        + str(app.values("SELECT detail FROM audit"))
    )
    assert token_of(app.printed[-1]) not in stored
    assert browser.http.cookies["bmm-session"] not in stored


def test_links_are_limited_per_minute(app: Appliance) -> None:
    browser = app.browser()
    page = browser.get("/signin")
    assert [browser.submit(page).status_code for _ in range(7)] == [200] * 5 + [429] * 2
    assert len(app.printed) == 5


def test_every_sign_in_is_a_new_session_and_ends_the_one_before_it_in_that_browser(app: Appliance) -> None:
    browser = app.browser()
    browser.http.cookies.set("bmm-session", "planted", domain="localhost.local")
    browser.signs_in()
    first = browser.http.cookies["bmm-session"]
    assert first != "planted"
    other = app.browser()
    other.submit(other.get("/signin"))
    browser.opens(app.printed[-1])
    second = browser.http.cookies["bmm-session"]
    assert second != first
    thief = app.http()
    thief.cookies.set("bmm-session", first)
    assert "Print a sign-in link" in thief.get("/signin").text


def test_signing_out_ends_the_session_everywhere_the_cookie_was_copied(app: Appliance) -> None:
    browser = app.browser()
    browser.signs_in()
    copied = browser.http.cookies["bmm-session"]
    assert browser.submit(browser.get("/signin")).status_code == 303
    thief = app.http()
    thief.cookies.set("bmm-session", copied)
    assert "Print a sign-in link" in thief.get("/signin").text


def test_a_session_ends_after_thirty_days(app: Appliance) -> None:
    browser = app.browser()
    browser.signs_in()
    app.change("UPDATE sessions SET expires_at = :past", past=text(now()))
    assert "Print a sign-in link" in browser.get("/signin").text
    app.store.apply(*people.forget_expired(now()))
    assert app.values("SELECT count(*) FROM sessions") == [0]


@pytest.mark.parametrize("path", ["/signin", "/signin/" + "A" * 43, "/signout", "/consent"])
@pytest.mark.parametrize(
    "how",
    ["no cookie", "no token", "wrong token", "other site", "null origin", "not a form"],
)
def test_a_form_from_elsewhere_changes_nothing(app: Appliance, path: str, how: str) -> None:
    browser = app.browser()
    _, fields = form_of(browser.get("/signin").text)
    http: httpx2.Client = app.http() if how == "no cookie" else browser.http
    headers = {
        "other site": {"Origin": "https://evil.example"},
        "null origin": {"Origin": "null"},
        "not a form": {"Content-Type": "text/plain"},
    }.get(how, {})
    content = {"no token": "", "wrong token": "form_token=AAAA"}.get(
        how, f"form_token={fields['form_token']}{'x' if how == 'not a form' else ''}"
    )
    answer = http.post(path, content=content, headers={"Content-Type": "application/x-www-form-urlencoded"} | headers)
    assert answer.status_code == 403
    assert app.printed == []


def test_after_signing_in_one_comes_back_to_the_very_request_and_nowhere_else(app: Appliance) -> None:
    app.server("shop")
    client = Client(app, "shop")
    browser = app.browser()
    sent = browser.submit(browser.authorizes(client, state="same"))
    assert "I have signed in, go on" in sent.text
    location = browser.opens(app.printed[-1]).headers["location"]
    assert location.startswith("/authorize?response_type=code&client_id=" + client.id)
    assert "state=same" in location
    for planted in ("", "https://evil.example/", "AAAA", "é"):
        victim = app.browser()
        if planted:
            victim.http.cookies.set("bmm-then", planted.encode("ascii", "ignore").decode())
        victim.submit(victim.get("/signin"))
        assert victim.opens(app.printed[-1]).headers["location"] == "/signin"


def test_the_form_that_signs_in_may_lead_on_to_the_waiting_client(app: Appliance) -> None:
    app.server("shop")
    browser = app.browser()
    browser.submit(browser.authorizes(Client(app, "shop")))
    page = browser.http.get(app.printed[-1][app.printed[-1].index("http") :])
    assert "form-action 'self' https: http://127.0.0.1:7777" in page.headers["content-security-policy"]
    assert "form-action 'self'" in app.browser().get("/signin").headers["content-security-policy"]


def test_a_poisoned_host_header_does_not_reach_the_link(app: Appliance) -> None:
    browser = app.browser()
    _, fields = form_of(browser.get("/signin").text)
    browser.http.post("/signin", data=fields, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert "evil" not in app.printed[0]
    assert f"{app.url}/signin/" in app.printed[0]


def test_over_https_cookies_carry_the_host_prefix_and_are_secure() -> None:
    config = Config(public_url="https://mcp.example.com")
    for cookie in (session_cookie(config, "x"), then_cookie(config, "x")):
        assert cookie.key.startswith("__Host-bmm-")
        assert (cookie.secure, cookie.httponly, cookie.samesite, cookie.path, cookie.domain) == (True, True, "lax", "/", None)
    assert session_cookie(config, "x").max_age == 30 * 24 * 3600


def test_the_style_sheet_of_a_page_is_there_and_kept(app: Appliance) -> None:
    page = app.browser().get("/signin").text
    url = page.split('rel="stylesheet" href="')[1].split('"')[0]
    answer = app.http().get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in answer.headers["cache-control"]
    assert "url(" not in answer.text
