"""A sample of `make fuzz` through the real Caddy, which shares its connections to a guard between strangers; and names that are not ours."""

import asyncio
import contextlib
import http.client
from collections.abc import Iterator

import pytest

from tests.fuzz import oracle, schemas
from tests.fuzz.campaign import Campaign, repeating
from tests.fuzz.cases import Case, Place
from tests.fuzz.oracle import Wrong
from tests.fuzz.wire import UNKNOWN, Closed, Line, Silent
from tests.real.fronted import fronted
from tests.unit.runner.guarded import Home, token
from tests.waiting import PATIENCE

SAMPLE = 150
BAD_GATEWAY = (500, 502, 504)


class ThroughCaddy(Campaign):
    """Which requests Caddy takes is its own affair; what matters is that it and the guard never understand different things."""

    async def _converse(self, one: Case) -> None:
        line = await Line.to(self._where, seconds=PATIENCE)
        with contextlib.closing(line):
            await line.send(one.data, one.cuts)
            with contextlib.suppress(Silent, Closed):
                while True:
                    response = await line.answer(UNKNOWN, seconds=0.1)
                    self._count(response)
                    if response.status in BAD_GATEWAY:
                        raise Wrong(f"the guard answers what Caddy cannot pass on: {response.status}")
            oracle.check_bytes(line.received, one.mark)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Home]]:
    with fronted(tmp_path_factory.mktemp("edge"), schemas.spec()) as (port, _, home):
        home.put("policy.json", {"revoked_grants": [], "paused": False, "calls_per_minute": 1_000_000_000})
        yield port, home


@pytest.mark.parametrize("seed", [71, 20261121])
def test_nothing_of_one_client_reaches_another_through_caddy(shop: tuple[int, Home], seed: int) -> None:
    port, home = shop
    print(f"--seed {seed}")

    async def found() -> list[str]:
        bearers = tuple(token(sub=f"usr_{number}", gid=f"grt_{number}") for number in range(4))
        place = Place(target=b"/s/shop/mcp", host=b"localhost:%d" % port)
        async with repeating(home.egress(0)):
            campaign = ThroughCaddy(port, seed=seed, bearers=bearers, place=place)
            await campaign.run(range(SAMPLE), seconds=600)
        assert campaign.tally["status 200"] >= SAMPLE or campaign.findings
        return [f"{one.words}: {one.case.data[:1000]!r}" for one in campaign.findings]

    assert asyncio.run(found()) == []


@pytest.mark.parametrize(
    "host", ["rebound.test", "localhost.rebound.test", "127.0.0.1.nip.test", "0.0.0.0", "", "localhost:1@rebound.test"]
)
def test_a_page_that_rebinds_its_name_to_this_address_reaches_nothing(shop: tuple[int, Home], host: str) -> None:
    port, _ = shop
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
    for named, reached in ((host, False), (f"localhost:{port}", True)):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.putrequest("POST", "/s/shop/mcp", skip_host=True)
            sent = {
                "Host": named,
                "Authorization": f"Bearer {token()}",
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
            }
            for name, value in sent.items():
                connection.putheader(name, value)
            try:
                connection.endheaders(body)
                answer = connection.getresponse()
                found = answer.read()
            except ConnectionError:
                # Caddy refuses a malformed name without reading the body, and the kernel may take the refusal back.
                assert not reached
                continue
            assert (b'"tools"' in found) is reached, answer.status
            assert answer.status in ((200,) if reached else (400, 421))


@pytest.mark.parametrize(
    "origin", ["null", "http://rebound.test", "http://localhost", "http://localhost.rebound.test", "HTTP://LOCALHOST", "*"]
)
def test_a_page_elsewhere_is_refused_also_with_a_token(shop: tuple[int, Home], origin: str) -> None:
    port, _ = shop
    connection = http.client.HTTPConnection("localhost", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json", "Origin": origin}
        connection.request("POST", "/s/shop/mcp", b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}', headers)
        answer = connection.getresponse()
        assert answer.status == 403
        assert answer.getheader("Access-Control-Allow-Origin") is None
        assert b"tools" not in answer.read()
