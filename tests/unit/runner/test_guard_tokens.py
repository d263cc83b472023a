"""Which tokens open the door, and what the others are told."""

import base64
import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OctKey, RSAKey

from tests.unit.runner.guarded import (
    ISSUER,
    KEY,
    METADATA,
    OTHER_KEY,
    RESOURCE,
    Answer,
    Client,
    GuardProcess,
    Home,
    ask,
    claims,
    jwks,
    modern_request,
    token,
)
from tests.waiting import at_best, eventually

PLACE = f'resource_metadata="{METADATA}", scope="read write"'
PUBLIC_PEM = KEY.as_pem(private=False)


def b64(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(alg: str) -> str:
    return f"{b64({'alg': alg, 'typ': 'at+jwt', 'kid': 'k1'})}.{b64(claims())}."


def confused() -> str:
    # joserfc refuses to sign with a public key as a secret; an attacker does not.
    secret = OctKey.import_key(base64.urlsafe_b64encode(PUBLIC_PEM).decode().rstrip("="))
    registry = jws.JWSRegistry(algorithms=["HS256"], strict_check_header=False)
    return jws.serialize_compact({"alg": "HS256", "typ": "at+jwt", "kid": "k1"}, json.dumps(claims()), secret, registry=registry)


def tampered() -> str:
    head, _, signature = token().split(".")
    return f"{head}.{b64(claims(sub='usr_admin'))}.{signature}"


def now() -> int:
    return int(time.time())


BARE_KEY = RSAKey.import_key({name: value for name, value in KEY.as_dict(private=True).items() if name not in ("alg", "use")})
THEIR_KEY = OTHER_KEY.as_dict(private=False)
REFUSED: dict[str, Callable[[], str]] = {
    "alg none": lambda: unsigned("none"),
    "alg RS256 and no signature": lambda: unsigned("RS256"),
    "HS256 with the public key": confused,
    "PS256": lambda: token(key=BARE_KEY, header={"alg": "PS256"}),
    "a changed claim": tampered,
    "another key under our kid": lambda: token(key=OTHER_KEY),
    "an unknown kid": lambda: token(key=OTHER_KEY, header={"kid": "k2"}),
    "no kid": lambda: token(header={"kid": None}),
    "its own key in jwk": lambda: token(key=OTHER_KEY, header={"jwk": THEIR_KEY}),
    "its own key in jwk and no kid": lambda: token(key=OTHER_KEY, header={"jwk": THEIR_KEY, "kid": None}),
    "its own key behind jku": lambda: token(key=OTHER_KEY, header={"jku": "https://evil.test/jwks", "kid": "k2"}),
    "its own key behind x5u": lambda: token(key=OTHER_KEY, header={"x5u": "https://evil.test/x5u", "kid": "k2"}),
    "typ JWT": lambda: token(header={"typ": "JWT"}),
    "no typ": lambda: token(header={"typ": None}),
    "an unknown crit": lambda: token(header={"crit": ["b64"], "b64": True}),
    "another audience": lambda: token(aud=["https://bmm.test/s/other/mcp"]),
    "another audience as text": lambda: token(aud="https://bmm.test/s/other/mcp"),
    "a longer audience": lambda: token(aud=RESOURCE + "/"),
    "no audience": lambda: token(aud=None),
    "an empty audience": lambda: token(aud=[]),
    "another server": lambda: token(sid="srv_2"),
    "no server": lambda: token(sid=None),
    "another issuer": lambda: token(iss="https://evil.test"),
    "an issuer with a slash": lambda: token(iss=ISSUER + "/"),
    "no issuer": lambda: token(iss=None),
    "expired": lambda: token(exp=now() - 1),
    "expired long ago": lambda: token(exp=0),
    "no expiry": lambda: token(exp=None),
    "an expiry as text": lambda: token(exp="9999999999"),
    "not valid yet": lambda: token(nbf=now() + 120),
    "issued in the future": lambda: token(iat=now() + 120),
    "no subject": lambda: token(sub=None),
    "no grant": lambda: token(gid=None),
    "a revoked grant": lambda: token(gid="grt_revoked"),
    "not a token": lambda: "hello",
    "empty": lambda: "",
    "two dots": lambda: "..",
    "a token and more": lambda: token() + ".x",
    "a token twice": lambda: f"{token()}, Bearer {token()}",
    "padding": lambda: token() + "=",
    "a token of 60 KB": lambda: token(scope="x" * 45_000),
}


@pytest.fixture(scope="module")
def home(guard: GuardProcess) -> Home:
    guard.home.put("policy.json", {"revoked_grants": ["grt_revoked"], "paused": False})
    eventually(lambda: _list(guard.home, token(gid="grt_revoked")).status == 401)
    return guard.home


@pytest.mark.parametrize("name", REFUSED)
def test_a_token_that_is_not_for_this_server_now_is_refused(home: Home, name: str) -> None:
    answer = _list(home, REFUSED[name]())
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token", error_description="')
    assert answer.headers["www-authenticate"].endswith(f'", {PLACE}')


OPENS: dict[str, Callable[[], dict[str, Any]]] = {
    "as issued": dict,
    "audience as text": lambda: {"aud": RESOURCE},
    "several audiences": lambda: {"aud": ["https://other.test", RESOURCE]},
    "a time before": lambda: {"nbf": now() - 10},
    "a clock half a minute ahead": lambda: {"iat": now() + 30},
    "no scopes": lambda: {"scope": None},
    "claims nobody knows": lambda: {"extra": {"a": [1]}},
}


@pytest.mark.parametrize("name", OPENS)
def test_a_token_for_this_server_opens(home: Home, name: str) -> None:
    assert _list(home, token(**OPENS[name]())).status == 200


def test_header_parameters_nobody_understands_are_ignored(home: Home) -> None:
    assert _list(home, token(header={"cty": "x", "whatever": 1})).status == 200


def test_a_megabyte_of_token_ends_the_connection_and_nothing_else(home: Home) -> None:
    with contextlib.suppress(OSError):  # closed while the client was still sending
        assert _list(home, "x" * 1_000_000).status in (400, 401)
    assert _list(home, token()).status == 200


def test_without_a_token_the_challenge_names_no_error(home: Home) -> None:
    answer = ask(home.socket, {"jsonrpc": "2.0", "id": 1, "method": "server/discover"})
    assert (answer.status, answer.headers["www-authenticate"]) == (401, f"Bearer {PLACE}")


@pytest.mark.parametrize("authorization", ["Basic dXNlcjpwYXNz", "DPoP abc", "bearer", ""])
def test_other_schemes_are_no_token(home: Home, authorization: str) -> None:
    assert ask(home.socket, {}, headers=[("Authorization", authorization)]).status == 401


def test_the_scheme_may_be_written_in_any_case(home: Home) -> None:
    headers, body = modern_request("tools/list")
    assert ask(home.socket, body, headers=[("Authorization", f"bEARER {token()}"), *headers]).status == 200


def test_two_authorization_headers_are_refused_even_when_both_are_good(home: Home) -> None:
    headers, body = modern_request("tools/list")
    twice = [("Authorization", f"Bearer {token()}"), ("Authorization", f"Bearer {token()}")]
    assert ask(home.socket, body, headers=twice + headers).status == 401


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS", "POST"])
def test_every_method_needs_a_token_before_anything_else(home: Home, method: str) -> None:
    assert ask(home.socket, b"not json", method=method).status == 401


def test_a_token_in_the_query_is_no_token(home: Home) -> None:
    assert ask(home.socket, {}, target=f"/mcp?access_token={token()}").status == 401


def test_a_cached_token_ends_with_its_time(home: Home) -> None:
    for seconds in (3, 10, 30):
        short = token(exp=int(time.time()) + seconds)
        if _list(home, short).status == 200:  # else this busy machine came to it too late
            break
    else:
        raise AssertionError("it never opens")
    eventually(lambda: _list(home, short).status == 401, seconds=60)
    assert "expired" in _list(home, short).headers["www-authenticate"]


@pytest.mark.parametrize("era", ["modern", "legacy"])
def test_a_missing_scope_is_named_with_all_others_the_tool_needs(home: Home, era: str) -> None:
    client = Client(home.socket, bearer=token(scope="read write"))
    answer = getattr(client, era)("tools/call", {"name": "admin_tool", "arguments": {"id": 1}})
    assert answer.status == 403
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith(f'Bearer error="insufficient_scope", scope="admin write", resource_metadata="{METADATA}"')
    assert home.calls()[-1]["error"] == "insufficient_scope"


def test_a_revoked_grant_ends_within_two_seconds(start: Callable[..., GuardProcess]) -> None:
    home = start().home
    revoked: list[str] = []

    def took() -> float:
        grant = f"grt_{len(revoked)}"
        bearer = token(gid=grant)
        assert _list(home, bearer).status == 200
        revoked.append(grant)
        home.put("policy.json", {"revoked_grants": revoked, "paused": False})
        return _until(home, bearer, 401)

    at_best(took, within=2)


def test_a_new_key_works_at_once_and_a_removed_one_ends_within_two_seconds(start: Callable[..., GuardProcess]) -> None:
    old, new = token(), token(key=OTHER_KEY, header={"kid": "k2"})
    ended: list[float] = []

    def took() -> float:
        home = start().home
        assert (_list(home, old).status, _list(home, new).status) == (200, 401)
        home.put("jwks.json", jwks(OTHER_KEY))
        seconds = _until(home, new, 200)
        ended.append(_until(home, old, 401))
        return seconds

    at_best(took, within=1)
    assert min(ended) < 2


def test_a_broken_policy_file_leaves_the_last_one_in_force_and_is_logged_once(start: Callable[..., GuardProcess]) -> None:
    home = start().home
    home.put("policy.json", {"revoked_grants": "all of them"})
    eventually(lambda: _list(home, token()).status == 200 and any("policy.json" in event.get("message", "") for event in home.events()))
    home.put("jwks.json", jwks(OTHER_KEY))
    eventually(lambda: _list(home, token()).status == 401)
    assert sum("policy.json" in event.get("message", "") for event in home.events()) == 1


def test_a_paused_server_says_so(start: Callable[..., GuardProcess]) -> None:
    home = start().home
    home.put("policy.json", {"revoked_grants": [], "paused": True})
    eventually(lambda: _list(home, token()).status == 503)
    assert _list(home, token()).headers["retry-after"] == "60"


def _list(home: Home, bearer: str) -> Answer:
    headers, body = modern_request("tools/list")
    return ask(home.socket, body, headers=[("Authorization", f"Bearer {bearer}"), *headers])


def _until(home: Home, bearer: str, status: int) -> float:
    """How many seconds it takes until a token is answered so."""
    began = time.monotonic()
    eventually(lambda: _list(home, bearer).status == status)
    return time.monotonic() - began
