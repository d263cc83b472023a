"""Through the real Caddy: which pages may use a server, by which address calls are counted, and settings that reach a running container."""

import itertools
import json
import time
from collections.abc import Iterable, Iterator

import httpx2
import pytest

from tests.real.appliance import Box, rpc
from tests.waiting import at_best, eventually

APP = "https://app.example"
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
PREFLIGHT = {
    "Origin": APP,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,mcp-param-region",
}


@pytest.fixture(scope="module")
def shop(box: Box) -> str:
    return box.deploy("shop", box.spec("listProducts"))


@pytest.fixture
def page(box: Box, shop: str) -> Iterator[httpx2.Client]:
    """Requests as a browser sends them for a page of the origin."""
    with httpx2.Client(headers={"Origin": APP, "Accept": "application/json, text/event-stream"}, timeout=90) as client:
        yield client


def test_a_page_is_refused_until_its_origin_is_allowed_and_again_afterwards(box: Box, shop: str, page: httpx2.Client) -> None:
    bearer = {"Authorization": f"Bearer {box.token('shop')}"}
    started = box.containers()[0]["Id"]

    def status(**headers: str) -> int:
        return page.post(shop, json=CALL, headers=headers).status_code

    assert (status(), status(**bearer), page.options(shop, headers=PREFLIGHT).status_code) == (403, 403, 403)

    def took() -> float:
        box.bmm("origins", "shop", "remove", APP, check=False)
        eventually(lambda: status(**bearer) == 403)
        assert APP in box.bmm("origins", "shop", "add", APP).stdout
        changed = time.monotonic()
        eventually(lambda: status(**bearer) == 200)
        return time.monotonic() - changed

    at_best(took, within=2)
    asked = page.options(shop, headers=PREFLIGHT)
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, APP)
    assert "mcp-param-region" in asked.headers["access-control-allow-headers"]
    challenged = page.post(shop, json=CALL)
    assert (challenged.status_code, challenged.headers["access-control-allow-origin"]) == (401, APP)
    assert "WWW-Authenticate" in challenged.headers["access-control-expose-headers"]
    answered = page.post(shop, json=CALL, headers=bearer)
    assert answered.headers["access-control-allow-origin"] == APP
    assert page.post(f"{box.origin}/register", json={}).headers["access-control-allow-origin"] == APP
    for other in ("https://evil.test", "null", f"{APP}.evil.test"):
        assert page.post(shop, json=CALL, headers={**bearer, "Origin": other}).status_code == 403
        assert page.post(shop, json=CALL, headers={"Origin": other}).status_code == 403
    box.bmm("origins", "shop", "remove", APP)
    eventually(lambda: status(**bearer) == 403)
    assert status() == 403
    assert [one["Id"] for one in box.containers()] == [started]


def test_settings_survive_a_restart(box: Box, shop: str, page: httpx2.Client) -> None:
    token = box.token("shop")
    box.bmm("origins", "shop", "add", APP)
    box.bmm("limits", "shop", "--calls-per-minute", "700")
    started = [one["Id"] for one in box.containers()]
    box.kill()
    box.serve()
    shown = json.loads(box.bmm("limits", "shop", "--json").stdout)
    assert shown == {"calls_per_minute": 700, "own_limit": True, "origins": [APP], "public": False}
    assert page.post(shop, json=CALL, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert [one["Id"] for one in box.containers()] == started
    box.bmm("origins", "shop", "remove", APP)
    assert f"{box.config.calls_per_minute} calls a minute" in box.bmm("limits", "shop", "--default").stdout


def test_the_call_after_the_last_one_of_a_minute_is_told_when_to_come_back(box: Box, shop: str) -> None:
    token = box.token("shop")
    box.bmm("limits", "shop", "--calls-per-minute", "3")
    call = {"name": "listProducts", "arguments": {}}
    answers: list[httpx2.Response] = []

    def is_refused() -> bool:
        answers.append(rpc(shop, token, "tools/call", call))
        return answers[-1].status_code == 429

    eventually(is_refused)
    refused = answers[-1]
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    body = refused.json()
    assert (body["jsonrpc"], body["id"]) == ("2.0", 1)
    assert "error" in body
    # Another grant has calls of its own, and listing costs none.
    assert rpc(shop, box.token("shop"), "tools/call", call).status_code == 200
    assert rpc(shop, token, "tools/list").status_code == 200
    box.bmm("limits", "shop", "--default")
    eventually(lambda: rpc(shop, token, "tools/call", call).status_code == 200)


def test_what_a_client_claims_about_its_address_changes_nothing(shop: str) -> None:
    def statuses(address: str, claims: Iterable[str]) -> Iterator[int]:
        with httpx2.Client(transport=httpx2.HTTPTransport(local_address=address), timeout=90) as client:
            for number, one in enumerate(claims):
                yield client.post(shop, json=CALL, headers=claimed(one, named=number % 2)).status_code

    def claimed(address: str, *, named: int) -> dict[str, str]:
        claims = {"X-Forwarded-For": address, "X-Real-IP": address, "Forwarded": f"for={address}", "Authorization": "Bearer not.a.token"}
        # RFC 9110 §7.6.1: what `Connection` names is not passed on; the address must be all the same.
        return claims | ({"Connection": "X-Forwarded-For"} if named else {})

    innocent, guilty = "127.0.0.2", "127.0.0.3"
    invented = (f"198.51.{number // 250}.{number % 250}" for number in range(10_000))
    # A hundred a minute: the slower this machine, the more of them.
    answered = list(itertools.takewhile(lambda status: status != 429, statuses(guilty, invented)))
    assert set(answered) == {401}
    assert 100 <= len(answered) < 5000
    assert list(statuses(innocent, [guilty] * 4)) == [401] * 4


def test_a_public_server_is_in_the_catalogue_and_nobody_may_call_it_for_that(box: Box, shop: str) -> None:
    card = f"{shop}/server-card"
    assert httpx2.get(card, timeout=90).status_code == 404
    assert card in box.bmm("publish", "shop").stdout
    shown = httpx2.get(card, timeout=90)
    assert (shown.status_code, shown.headers["access-control-allow-origin"]) == (200, "*")
    assert shown.json()["remotes"] == [{"type": "streamable-http", "url": shop}]
    assert httpx2.get(card, headers={"If-None-Match": shown.headers["etag"]}, timeout=90).status_code == 304
    listed = httpx2.get(f"{box.origin}/.well-known/ai-catalog.json", timeout=90).json()["entries"]
    assert [entry["url"] for entry in listed] == [card]
    assert rpc(shop, None, "tools/list").status_code == 401
    assert json.loads(box.bmm("ps", "--json").stdout)[0]["public"] is True
    assert json.loads(box.bmm("server-json", "shop").stdout)["remotes"] == shown.json()["remotes"]
    box.bmm("unpublish", "shop")
    assert httpx2.get(card, timeout=90).status_code == 404
    assert httpx2.get(f"{box.origin}/.well-known/ai-catalog.json", timeout=90).json()["entries"] == []


@pytest.mark.parametrize("origin", ["*", "null", "https://app.example/", "app.example"])
def test_what_is_not_an_origin_is_refused_with_a_reason(box: Box, shop: str, origin: str) -> None:
    refused = box.bmm("origins", "shop", "add", origin, check=False)
    assert refused.returncode == 2
    assert "error:" in refused.stderr
    assert box.bmm("origins", "shop").stdout.startswith("no pages")
