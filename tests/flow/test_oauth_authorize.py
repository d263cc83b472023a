"""The authorization request and the consent page."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.flow.apps import REDIRECT, Appliance, Browser, Client, appliance, form_of, sent_to


@pytest.fixture
def app() -> Iterator[Appliance]:
    with appliance() as running:
        running.server("shop")
        yield running


@pytest.fixture
def owner(app: Appliance) -> Browser:
    browser = app.browser()
    browser.signs_in()
    return browser


def test_from_the_request_through_sign_in_and_consent_to_a_code(app: Appliance) -> None:
    browser, client = app.browser(), Client(app, "shop", client_name="Claude Code")
    asked = browser.authorizes(client, state="s t/?&=é")
    assert "Claude Code" in asked.text
    assert browser.submit(asked).status_code == 200
    signed_in = browser.opens(app.printed[-1])
    page = browser.http.get(signed_in.headers["location"])
    for text in (
        "Claude Code",
        "127.0.0.1:7777",
        "The shop",
        app.endpoint("shop"),
        "May read things.",
        "May write things.",
        "Owner",
        "your own computer",
    ):
        assert text in page.text
    answer = browser.submit(page, {"answer": "approve"})
    target = urlsplit(answer.headers["location"])
    assert (target.scheme, target.netloc, target.path) == ("http", "127.0.0.1:7777", "/callback")
    given = sent_to(answer)
    assert set(given) == {"code", "state", "iss"}
    assert (given["state"], given["iss"]) == ("s t/?&=é", app.url)
    assert client.redeem(given["code"]).status_code == 200
    assert app.values("SELECT action FROM audit WHERE action LIKE 'consent%'") == ["consent.approve"]


def test_denying_tells_the_client_and_makes_no_grant(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop")
    given = sent_to(owner.submit(owner.authorizes(client), {"answer": "deny"}))
    assert (given["error"], given["state"], given["iss"]) == ("access_denied", "st-1", app.url)
    assert app.values("SELECT count(*) FROM grants") == [0]
    assert app.values("SELECT action FROM audit WHERE action LIKE 'consent%'") == ["consent.deny"]


def test_a_form_sent_without_a_button_is_not_an_approval(app: Appliance, owner: Browser) -> None:
    assert sent_to(owner.submit(owner.authorizes(Client(app, "shop"))))["error"] == "access_denied"


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": ""},
        {"client_id": "cli_unknown"},
        {"client_id": "https://169.254.169.254/x"},
        {"redirect_uri": "http://127.0.0.1:7777/callback2"},
        {"redirect_uri": "http://127.0.0.1:7777/callback?x=1"},
        {"redirect_uri": "http://127.0.0.1:7777/%63allback"},
        {"redirect_uri": "http://127.0.0.1:7777/callback#x"},
        {"redirect_uri": "http://a@127.0.0.1:7777/callback"},
        {"redirect_uri": "http://localhost:7777/callback"},
        {"redirect_uri": "http://[::1]:7777/callback"},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"state": "x" * 513},
        {"state": "x" * 8192},
    ],
)
@pytest.mark.parametrize("also_wrong", [{}, {"response_type": "token"}, {"prompt": "none"}])
def test_while_it_is_not_sure_whose_the_request_is_a_page_says_so_and_nothing_is_redirected(
    app: Appliance, changed: dict[str, str], also_wrong: dict[str, str]
) -> None:
    answer = app.browser().authorizes(Client(app, "shop"), **changed, **also_wrong)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "text/html" in answer.headers["content-type"]
    assert "evil.example" not in answer.text


def test_a_repeated_redirect_uri_or_client_is_a_page_and_a_repeated_other_parameter_an_error(app: Appliance, owner: Browser) -> None:
    asked = list(Client(app, "shop").request().items())
    for name in ("redirect_uri", "client_id", "state"):
        assert owner.http.get("/authorize", params=[*asked, (name, "x")]).status_code == 400
    for name in ("code_challenge", "response_type", "scope"):
        assert sent_to(owner.http.get("/authorize", params=[*asked, (name, "x"), (name, "y")]))["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": ""}, "unsupported_response_type"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": "a" * 42}, "invalid_request"),
        ({"code_challenge": "a" * 44}, "invalid_request"),
        ({"code_challenge": "a" * 129}, "invalid_request"),
        ({"code_challenge": "a" * 42 + "+"}, "invalid_request"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
        ({"resource": "http://localhost/s/shop/mcp"}, "invalid_target"),
        ({"prompt": "none"}, "interaction_required"),
    ],
)
def test_what_is_wrong_with_a_sound_clients_request_goes_back_to_it_before_anybody_signs_in(
    app: Appliance, changed: dict[str, str], error: str
) -> None:
    given = sent_to(app.browser().authorizes(Client(app, "shop"), **changed))
    assert (given["error"], given["state"], given["iss"]) == (error, "st-1", app.url)
    assert "code" not in given


def test_a_resource_that_does_not_exist_is_an_invalid_target(app: Appliance, owner: Browser) -> None:
    assert sent_to(owner.authorizes(Client(app, "shop"), resource=app.endpoint("nobody")))["error"] == "invalid_target"


def test_the_loopback_port_may_vary_and_the_answer_goes_to_the_one_that_was_asked_for(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop", redirect_uris=["http://127.0.0.1:33418/", "http://[::1]/cb"])
    for uri in ("http://127.0.0.1:50123/", "http://[::1]:50124/cb"):
        answer = owner.submit(owner.authorizes(client, redirect_uri=uri), {"answer": "approve"})
        assert answer.headers["location"].startswith(uri + "?code=")


def test_the_only_registered_redirect_uri_need_not_be_repeated(app: Appliance, owner: Browser) -> None:
    assert (
        owner.submit(owner.authorizes(Client(app, "shop"), redirect_uri=""), {"answer": "approve"}).headers["location"].startswith(REDIRECT)
    )
    two = Client(app, "shop", redirect_uris=[REDIRECT, "https://a.example/cb"])
    assert owner.authorizes(two, redirect_uri="").status_code == 400


def test_the_origin_or_no_resource_means_the_only_server_and_with_two_the_client_must_say_which(app: Appliance, owner: Browser) -> None:
    client = Client(app, None)
    for resource in ("", app.url, app.url + "/"):
        assert app.endpoint("shop") in owner.authorizes(client, resource=resource).text
    app.server("blog")
    given = sent_to(owner.authorizes(client))
    assert given["error"] == "invalid_target"
    assert "resource" in given["error_description"]
    assert "blog" not in given["error_description"]
    assert app.endpoint("blog") in owner.authorizes(client, resource=app.endpoint("blog") + "/").text


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ("", "read write"),
        ("read", "read"),
        ("write read", "read write"),
        ("read unknown offline_access", "read"),
        ("offline_access", "read write"),
        ("openid offline_access", "read write"),
    ],
)
def test_the_person_grants_what_is_asked_of_what_there_is(app: Appliance, owner: Browser, scope: str, granted: str) -> None:
    client = Client(app, "shop")
    assert client.redeem(owner.consents(client, scope=scope)).json()["scope"] == granted


def test_a_scope_that_openid_has_too_is_about_tools_where_the_server_has_it(app: Appliance, owner: Browser) -> None:
    app.server("mail", scopes="email admin")
    client = Client(app, "mail")
    assert "May admin things." not in owner.authorizes(client, scope="openid email").text
    assert client.redeem(owner.consents(client, scope="openid email")).json()["scope"] == "email"
    full = client.redeem(owner.consents(client)).json()
    assert full["scope"] == "email admin"
    assert client.refresh(full["refresh_token"], scope="email").json()["scope"] == "email"


def test_asking_only_for_what_does_not_exist_is_an_invalid_scope(app: Appliance, owner: Browser) -> None:
    assert sent_to(owner.authorizes(Client(app, "shop"), scope="admin"))["error"] == "invalid_scope"


def test_a_server_without_scopes_gives_a_token_without_any(app: Appliance, owner: Browser) -> None:
    app.server("bare", scopes="")
    client = Client(app, "bare")
    assert "Call every tool of this server." in owner.authorizes(client).text
    assert "scope" not in client.redeem(owner.consents(client, scope="anything")).json()


def test_only_members_of_the_servers_organisation_get_to_decide(app: Appliance, owner: Browser) -> None:
    app.server("foreign", organisation_id=app.organisation("Somebody else"))
    client = Client(app, "foreign")
    answer = owner.authorizes(client)
    assert (answer.status_code, "location" in answer.headers) == (403, False)
    assert "not a member" in answer.text
    assert "The foreign" not in answer.text
    # A server of another organisation is no choice either.
    assert app.endpoint("shop") in owner.authorizes(client, resource="").text


def test_losing_the_membership_between_page_and_answer_loses_the_decision(app: Appliance, owner: Browser) -> None:
    page = owner.authorizes(Client(app, "shop"))
    app.change("DELETE FROM memberships")
    assert owner.submit(page, {"answer": "approve"}).status_code == 403
    assert app.values("SELECT count(*) FROM grants") == [0]


def test_the_server_or_client_may_vanish_between_page_and_answer(app: Appliance, owner: Browser) -> None:
    page = owner.authorizes(Client(app, "shop"))
    app.change("DELETE FROM oauth_clients")
    assert owner.submit(page, {"answer": "approve"}).status_code == 409


def test_every_new_client_is_shown_even_with_the_name_of_one_that_was_approved(app: Appliance, owner: Browser) -> None:
    owner.consents(Client(app, "shop", client_name="Claude"))
    twin = Client(app, "shop", client_name="Claude", redirect_uris=["https://evil.example/cb"])
    page = owner.authorizes(twin)
    assert page.status_code == 200
    assert "Do you know evil.example?" in page.text


def test_the_page_cannot_be_framed_scripted_or_kept_and_its_form_may_lead_to_the_client(app: Appliance, owner: Browser) -> None:
    for client in (Client(app, "shop"), Client(app, "shop", redirect_uris=["https://claude.ai/api/mcp/auth_callback"])):
        page = owner.authorizes(client)
        policy = {part.split()[0]: part.split()[1:] for part in page.headers["content-security-policy"].split(";")}
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
        assert "script-src" not in policy
        uri = client.registered["redirect_uris"][0]
        assert policy["form-action"] == ["'self'", "https:", *(["http://127.0.0.1:7777"] if uri == REDIRECT else [])]
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["cache-control"] == "no-store"
        assert "<script" not in page.text
        assert " style=" not in page.text
    answer = owner.submit(page, {"answer": "approve"})
    assert (answer.headers["referrer-policy"], answer.headers["cache-control"]) == ("no-referrer", "no-store")


def test_what_others_wrote_is_only_ever_text(app: Appliance, owner: Browser) -> None:
    attack = "<img src=x onerror=alert(1)>{{7*7}}\"'"
    app.change("UPDATE servers SET name = :name", name=attack)
    app.change("UPDATE builds SET spec = replace(spec, 'May read', :bad)", bad="<script>alert(1)</script>{{7*7}}")
    page = owner.authorizes(Client(app, "shop", client_name=attack)).text
    assert "<img" not in page
    assert "<script" not in page
    assert page.count("{{7*7}}") >= 4
    assert page.count("&lt;img src=x") >= 3


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": "http://localhost"},
    ],
)
def test_a_forged_approval_is_refused(app: Appliance, owner: Browser, headers: dict[str, str]) -> None:
    assert owner.submit(owner.authorizes(Client(app, "shop")), {"answer": "approve"}, **headers).status_code == 403
    assert app.values("SELECT count(*) FROM grants") == [0]


def test_an_approval_needs_the_form_token_and_the_seal_of_this_very_session(app: Appliance, owner: Browser) -> None:
    client = Client(app, "shop")
    _, fields = form_of(owner.authorizes(client).text)
    other = app.browser()
    other.signs_in()
    _, foreign = form_of(other.authorizes(client).text)
    tries: list[tuple[dict[str, str], int]] = [
        ({"decision": fields["decision"]}, 403),
        ({"decision": fields["decision"], "form_token": foreign["form_token"]}, 403),
        ({"decision": foreign["decision"], "form_token": fields["form_token"]}, 400),
        ({"decision": fields["decision"][:-2] + "AA", "form_token": fields["form_token"]}, 400),
        ({"decision": "", "form_token": fields["form_token"]}, 400),
        ({"decision": "é", "form_token": fields["form_token"]}, 400),
    ]
    for sent, status in tries:
        assert owner.http.post("/consent", data=sent | {"answer": "approve"}).status_code == status, sent
    assert app.browser().http.post("/consent", data=fields | {"answer": "approve"}).status_code == 403
    assert app.values("SELECT count(*) FROM grants") == [0]
    assert owner.http.post("/consent", data=fields | {"answer": "approve"}).status_code == 303


def test_a_get_never_decides(owner: Browser) -> None:
    assert owner.get("/consent", answer="approve").status_code == 405
