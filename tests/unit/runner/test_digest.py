"""HTTP Digest: the RFC's own examples, a server that was written from the RFC, and challenges that nobody should answer."""

import asyncio
import base64
import tempfile
from pathlib import Path
from typing import Any

import httpx2
import pytest

from runner.contract import Body, DigestCredential, HttpTool, KeyCredential
from runner.tools.challenges import MAX_CHARACTERS, challenges
from runner.tools.digest import authorization, strongest
from runner.tools.http import HttpRunner, Upstreams
from runner.tools.result import ToolAnswer
from tests.digest_server import Rules, digest_server, fields
from tests.unit.runner.guarded import http_tool
from tests.unit.runner.scripted import ENTRY, answers, said

DIGEST = DigestCredential(username="NAME", password="PASSWORD")
SECRETS = {"NAME": "ann", "PASSWORD": "s3cr3t-word"}
TOOL = http_tool(auth=((DIGEST,),))
CHANGE = http_tool(method="POST", auth=((DIGEST,),), body=Body(media_type="application/json", fields={"q": "q"}), parameters=(TOOL.parameters[0],))

OFFER = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
IN_UTF8 = (
    'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", '
    'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8'
)


def answered(header: str, **changes: Any) -> dict[str, str]:
    challenge = strongest(header)
    assert challenge is not None
    given: dict[str, Any] = {
        "username": "Mufasa", "password": "Circle of Life", "method": "GET", "target": "/dir/index.html", "body": b"", "count": 1,
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    }  # fmt: skip
    return fields(authorization(challenge, **given | changes))


@pytest.mark.parametrize(
    ("offers", "response"),
    [
        (("MD5",), "8ca523f5e9506fed4657c9700eebdbec"),
        (("MD5", "SHA-256"), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        (("SHA-256", "MD5"), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_the_standard(offers: tuple[str, ...], response: str) -> None:
    found = answered(", ".join(OFFER.format(each) for each in offers))
    assert found["response"] == response
    assert (found["username"], found["qop"], found["nc"], found["uri"]) == ("Mufasa", "auth", "00000001", "/dir/index.html")


def test_the_example_with_a_name_beyond_ascii_as_its_erratum_4897_has_it() -> None:
    given = {"username": "Jäsøn Doe", "password": "Secret, or not?", "target": "/doe.json", "cnonce": "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"}
    response = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
    hashed = answered(f"{IN_UTF8}, userhash=true", **given)
    assert (hashed["response"], hashed["userhash"]) == (response, "true")
    assert hashed["username"] == "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    plain = answered(IN_UTF8, **given)
    assert (plain["response"], plain["username*"]) == (response, "UTF-8''J%C3%A4s%C3%B8n%20Doe")
    assert "username" not in plain


def test_the_example_of_rfc_2617_and_the_form_before_it() -> None:
    old = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    given = {"password": "Circle Of Life", "cnonce": "0a4f113b"}
    assert answered(f'{old}, qop="auth,auth-int"', **given)["response"] == "6629fae49393a05397450978507c4ef1"
    assert answered(old, **given)["response"] == "670fd8c2df070c60b045671b8b24ff02"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('Negotiate YII=, Digest realm="a", nonce=b', [("negotiate", {}), ("digest", {"realm": "a", "nonce": "b"})]),
        ('Basic realm="a, Digest nonce=\\"x\\"", charset="UTF-8"', [("basic", {"realm": 'a, Digest nonce="x"', "charset": "UTF-8"})]),
        ("Digest a = b ,, c=\t\"d\"", [("digest", {"a": "b", "c": "d"})]),
        ("NTLM", [("ntlm", {})]),
        ("NTLM TlRM/a", [("ntlm", {})]),
        ('Basic realm="x", Digest a="open', [("basic", {"realm": "x"})]),
        ('Basic realm="x", Digest a="b\\', [("basic", {"realm": "x"})]),
        ('Basic realm="x", Digest nonce=a, nonce=b', [("basic", {"realm": "x"})]),
        ('Basic realm="x", Digest nonce=@', [("basic", {"realm": "x"})]),
        ("a=b", []),
        ("", []),
    ],
)
def test_challenges_are_read_as_far_as_they_are_sure(header: str, found: list[Any]) -> None:
    assert [(each.scheme, each.parameters) for each in challenges(header)] == found


GOOD = 'Digest realm="r", nonce="n", qop="auth"'


@pytest.mark.parametrize(
    "header",
    [
        'Basic realm="r"',
        'Digest realm="r"',
        'Digest nonce="n"',
        f"{GOOD}, algorithm=SHA-1",
        f"{GOOD}, algorithm=-sess",
        'Digest realm="r", nonce="n", qop="auth-conf"',
        'Digest realm="r\x01", nonce="n"',
        'Digest realm="r", nonce="n\r\nX-Evil: 1"',
        f'Digest realm="r", nonce="{"n" * 5000}"',
        f'{GOOD}, opaque="{"o" * 5000}"',
        f"{GOOD}, x={'y' * MAX_CHARACTERS}",
        f"{GOOD}, nonce=m",
        f"{GOOD}, " + ",".join(["x"] * 10_000),
        "Digest " + '"\\' * 4000,
    ],
)
def test_what_cannot_be_answered_safely_is_not(header: str) -> None:
    assert strongest(header) is None


def test_what_a_host_says_cannot_leave_its_quotes() -> None:
    challenge = strongest('Digest realm="a\\" , username=\\"root", nonce="\\\\", qop=auth')
    assert challenge is not None
    found = authorization(challenge, username='o"neil\\', password="p", method="GET", target="/", body=b"", count=1, cnonce="c")
    assert found.startswith('Digest username="o\\"neil\\\\", realm="a\\" , username=\\"root", nonce="\\\\", uri="/"')
    assert fields(found)["realm"] == 'a" , username="root'


def call(rules: Rules, *calls: tuple[HttpTool, dict[str, Any]], secrets: dict[str, str] = SECRETS, together: bool = False) -> list[ToolAnswer]:
    """The answers of calls, one after the other or all at once, from a server behind the way out."""

    async def go(folder: Path) -> list[ToolAnswer]:
        upstreams = Upstreams((ENTRY,), egress=folder)
        try:
            runs = [HttpRunner(tool, upstreams, secrets).run(arguments) for tool, arguments in calls]
            return list(await asyncio.gather(*runs)) if together else [await each for each in runs]
        finally:
            await upstreams.close()

    with tempfile.TemporaryDirectory() as folder, digest_server(rules, Path(folder) / "0.sock"):
        return asyncio.run(go(Path(folder)))


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"algorithms": ("MD5-sess",)},
        {"algorithms": ("SHA-256",)},
        {"algorithms": ("SHA-256-sess",)},
        {"algorithms": ("SHA-512-256",)},
        {"algorithms": ("MD5", "SHA-256", "SHA-512-256")},
        {"qop": "auth-int"},
        {"qop": "auth-int", "algorithms": ("SHA-256-sess",)},
        {"qop": "auth, auth-int"},
        {"qop": None},
        {"opaque": None},
        {"opaque": 'a "quoted" \\ one'},
        {"realm": 'the "shop" \\ other'},
        {"realm": "Büro", "username": "jäsøn", "charset": True},
        {"username": "jäsøn"},
        {"username": 'o"neil, \\'},
        {"username": "jäsøn", "password": "wört", "charset": True, "userhash": True, "algorithms": ("SHA-256",)},
    ],
    ids=str,
)
def test_a_host_is_asked_once_and_what_it_asked_is_answered_from_then_on(rules: dict[str, Any]) -> None:
    host = Rules(**rules)
    secrets = {"NAME": host.username, "PASSWORD": host.password}
    found = call(host, (TOOL, {"id": 1, "q": "a b"}), (CHANGE, {"id": 2, "q": "body"}), (TOOL, {"id": 3}), secrets=secrets)
    assert [each.is_error for each in found] == [False, False, False], found
    assert host.statuses == [401, 200, 200, 200]
    assert host.seen[2]["body"] == b'{"q":"body"}'
    counts = [fields(each).get("nc") for each in host.authorizations if each]
    assert counts == (["00000001", "00000002", "00000003"] if host.qop else [None, None, None])
    if len(host.algorithms) > 1:
        assert {fields(each)["algorithm"] for each in host.authorizations if each} == {"SHA-512-256"}


def test_a_change_is_sent_again_only_after_a_refusal_that_came_before_it_acted() -> None:
    host = Rules()
    (found,) = call(host, (CHANGE, {"id": 1, "q": "x"}))
    assert not found.is_error
    assert [(each["method"], each["body"], each["status"]) for each in host.seen] == [("POST", b'{"q":"x"}', 401), ("POST", b'{"q":"x"}', 200)]


def test_a_nonce_that_is_used_up_is_replaced_within_the_call() -> None:
    host = Rules(uses=1)
    found = call(host, *[(CHANGE, {"id": 1})] * 3)
    assert not any(each.is_error for each in found)
    assert host.statuses == [401, 200, 401, 200, 401, 200]


def test_the_next_nonce_saves_the_question() -> None:
    host = Rules(uses=1, next_nonce=True)
    found = call(host, *[(TOOL, {"id": 1})] * 3)
    assert not any(each.is_error for each in found)
    assert host.statuses == [401, 200, 200, 200]


@pytest.mark.parametrize(("uses", "fixed"), [(1, False), (5, False), (1000, True)], ids=str)
def test_calls_at_the_same_time_never_use_a_count_twice(uses: int, *, fixed: bool) -> None:
    host = Rules(uses=uses)
    host.challenge = host.challenges(stale=False) if fixed else None
    found = call(host, *[(TOOL, {"id": number}) for number in range(1, 17)], together=True)
    assert [each.is_error for each in found] == [False] * 16
    used = [(fields(each)["nonce"], fields(each)["nc"]) for each in host.authorizations if each]
    assert len(used) == len(set(used))


@pytest.mark.parametrize("tool", [TOOL, CHANGE])
def test_a_wrong_password_is_tried_once_and_never_told(tool: HttpTool) -> None:
    host = Rules(password="another")
    first, second = call(host, (tool, {"id": 1}), (tool, {"id": 1}))
    assert host.statuses == [401, 401, 401, 401]
    for each in (first, second):
        assert each.error_code == "upstream_unauthorized"
        assert "NAME and PASSWORD" in each.words
        assert "s3cr3t-word" not in each.words + repr(host.seen)


async def with_passwords(host: Rules, folder: Path, *passwords: str) -> None:
    """One call for each password that the host takes from then on."""
    upstreams = Upstreams((ENTRY,), egress=folder)
    with digest_server(host, folder / "0.sock"):
        try:
            for host.password in passwords:
                await HttpRunner(TOOL, upstreams, SECRETS).run({"id": 1})
        finally:
            await upstreams.close()


async def test_a_password_that_is_wrong_from_now_on_is_not_tried_again_with_the_same_nonce(tmp_path: Path) -> None:
    host = Rules()
    host.challenge = host.challenges(stale=False)
    await with_passwords(host, tmp_path, "s3cr3t-word", "changed")
    assert host.statuses == [401, 200, 401]


async def test_a_nonce_that_comes_again_is_counted_on(tmp_path: Path) -> None:
    host = Rules()
    host.challenge = host.challenges(stale=False)
    await with_passwords(host, tmp_path, "s3cr3t-word", "changed", "s3cr3t-word")
    assert host.statuses == [401, 200, 401, 401, 200]
    assert [fields(each)["nc"] for each in host.authorizations if each] == ["00000001", "00000002", "00000003"]


def test_another_realm_with_the_same_nonce_is_another_question() -> None:
    other = GOOD.replace('realm="r"', 'realm="q"')
    script = [said({}, status=401, WWW_Authenticate=GOOD), said({"ok": 1}), said({}, status=401, WWW_Authenticate=other), said({"ok": 2})]
    found, upstream = answers(TOOL, script, {"id": 1}, {"id": 2}, secrets=SECRETS)
    assert [each.structured for each in found] == [{"ok": 1}, {"ok": 2}]
    assert 'realm="q", nonce="n"' in upstream.heads[3]
    assert "nc=00000003" in upstream.heads[3]


def test_a_refusal_without_a_challenge_is_not_said_to_have_got_nothing() -> None:
    script = [said({}, status=401, WWW_Authenticate=GOOD), said({}, status=401), said({}, status=401, WWW_Authenticate="Basic realm=r")]
    for each in answers(TOOL, script, {"id": 1}, secrets=SECRETS)[0]:
        assert "NAME and PASSWORD" in each.words
        assert "did not ask" not in each.words


@pytest.mark.parametrize(("tool", "connections"), [(TOOL, 1), (CHANGE, 2)])
def test_a_change_is_not_repeated_on_the_connection_it_was_refused_on(tool: HttpTool, connections: int) -> None:
    (found,), upstream = answers(tool, [said({}, status=401, WWW_Authenticate=GOOD), said({"ok": True})], {"id": 1}, secrets=SECRETS)
    assert found.structured == {"ok": True}
    assert upstream.connections == connections


def test_a_host_that_never_has_enough_is_left() -> None:
    host = Rules(challenge=(f"{GOOD}, stale=true",))
    call(host, (TOOL, {"id": 1}))
    assert host.statuses == [401, 401]


@pytest.mark.parametrize(
    ("challenge", "words"),
    [
        (('Basic realm="shop"',), "but for Basic"),
        (('Bearer error="x"', "Negotiate"), "but for Bearer or Negotiate"),
        ((f"{GOOD}, algorithm=SHA-1",), "did not ask for HTTP Digest in a way this server knows,"),
        ((), "did not ask for HTTP Digest"),
    ],
)
def test_to_any_other_question_nothing_is_said(challenge: tuple[str, ...], words: str) -> None:
    host = Rules(challenge=challenge)
    (found,) = call(host, (CHANGE, {"id": 1}))
    assert words in found.words
    assert host.authorizations == [None]
    assert base64.b64encode(b"ann:s3cr3t-word").decode() not in repr(host.seen)


def test_a_challenge_with_basic_beside_it_is_answered_with_digest() -> None:
    host = Rules()
    host.challenge = ('Basic realm="shop"', *host.challenges(stale=False))
    (found,) = call(host, (TOOL, {"id": 1}))
    assert not found.is_error
    assert "Basic" not in repr(host.authorizations)


def test_a_redirect_and_another_failure_are_not_answered_with_a_credential() -> None:
    (first, second), upstream = answers(
        TOOL, [said(status=302, Location="http://evil.test/x", WWW_Authenticate=GOOD), said({}, status=403, WWW_Authenticate=GOOD)], {"id": 1}, {"id": 1},
        secrets=SECRETS,
    )  # fmt: skip
    assert (first.error_code, second.error_code) == ("upstream_redirect", "upstream_forbidden")
    assert not any("Authorization" in head for head in upstream.heads)


def test_a_key_goes_with_both_requests_and_a_missing_password_with_none() -> None:
    tool = http_tool(auth=((DIGEST, KeyCredential(place="header", name="X-Api-Key", secret="KEY")), ()))
    host = Rules(key="k-1")
    (found,) = call(host, (tool, {"id": 1}), secrets={**SECRETS, "KEY": "k-1"})
    assert not found.is_error
    assert host.statuses == [401, 200]
    host = Rules()
    (found,) = call(host, (tool, {"id": 1}), secrets={"NAME": "ann", "KEY": "k-1"})
    assert (host.statuses, host.authorizations, found.error_code) == ([401], [None], "upstream_unauthorized")


def test_a_name_with_a_line_break_is_refused_without_being_sent() -> None:
    host = Rules()
    (found,) = call(host, (TOOL, {"id": 1}), secrets={"NAME": "a\r\nX: 1", "PASSWORD": "p"})
    assert (found.error_code, "NAME" in found.words, host.statuses) == ("secret_unusable", True, [401])


@pytest.mark.parametrize("rules", [{}, {"algorithms": ("SHA-256",)}, {"algorithms": ("MD5-sess",)}, {"qop": None}], ids=str)
def test_the_server_of_these_tests_takes_a_client_that_is_not_ours(rules: dict[str, Any]) -> None:
    host = Rules(**rules)
    with digest_server(host) as port, httpx2.Client(auth=httpx2.DigestAuth("ann", "s3cr3t-word")) as client:
        assert client.get(f"http://127.0.0.1:{port}/items?x=1").status_code == 200
    with digest_server(host) as port, httpx2.Client(auth=httpx2.DigestAuth("ann", "wrong")) as client:
        assert client.get(f"http://127.0.0.1:{port}/items").status_code == 401
