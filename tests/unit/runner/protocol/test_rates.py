"""How the limits of a grant and an address look from outside."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.unit.runner.guarded import OPEN_POLICY, Client, GuardProcess, Home, http_tool, spec, token
from tests.unit.runner.upstream import upstream
from tests.waiting import PATIENCE, eventually

CALL = {"name": "get_item", "arguments": {}}


def test_a_grant_that_calls_too_often_is_told_when_to_come_back(start: Callable[..., GuardProcess]) -> None:
    home = Home()
    home.put("policy.json", OPEN_POLICY | {"calls_per_minute": 3})
    start(home)
    client, other = Client(home.socket), Client(home.socket, bearer=token(gid="grt_2"))
    assert [client.modern("tools/call", CALL).status for _ in range(3)] == [200] * 3
    began = time.monotonic()
    for refused in (*(client.modern("tools/call", CALL) for _ in range(9)), client.legacy("tools/call", CALL)):
        assert (refused.status, refused.json["error"]["code"]) == (429, -32603)
        assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert refused.json["id"] == 7
    assert client.modern("tools/list").status == 200
    assert other.modern("tools/call", CALL).status == 200
    # Of a flood, one line in a second.
    assert 1 <= [call["error"] for call in home.calls()].count("rate_limited") <= 1 + (time.monotonic() - began)


def test_a_grant_runs_at_most_sixteen_calls_at_once(start: Callable[..., GuardProcess]) -> None:
    home = Home(spec(http_tool(path="/wait", parameters=(), input_schema={"type": "object"})))
    start(home)
    client, other = Client(home.socket), Client(home.socket, bearer=token(gid="grt_2"))
    with upstream(home.egress(0)) as api, ThreadPoolExecutor(17) as pool:
        waiting = [pool.submit(client.modern, "tools/call", CALL) for _ in range(16)]
        for _ in range(16):
            assert api.arrived.acquire(timeout=PATIENCE)
        refused = client.modern("tools/call", CALL)
        waiting.append(pool.submit(other.modern, "tools/call", CALL))
        assert api.arrived.acquire(timeout=PATIENCE)
        api.released.set()
        assert [each.result(PATIENCE).status for each in waiting] == [200] * 17
    assert (refused.status, refused.headers["retry-after"], refused.json["error"]["code"]) == (429, "1", -32603)
    assert client.modern("tools/call", CALL).status == 200


def test_a_person_with_many_grants_leaves_room_for_others(start: Callable[..., GuardProcess]) -> None:
    home = Home(spec(http_tool(path="/wait", parameters=(), input_schema={"type": "object"})))
    start(home)
    mine = [Client(home.socket, bearer=token(gid=f"grt_{number}")) for number in range(3)]
    other = Client(home.socket, bearer=token(gid="grt_9", sub="usr_2"))
    with upstream(home.egress(0)) as api, ThreadPoolExecutor(33) as pool:
        waiting = [pool.submit(mine[number % 2].modern, "tools/call", CALL) for number in range(32)]
        for _ in range(32):
            assert api.arrived.acquire(timeout=PATIENCE)
        refused = mine[2].modern("tools/call", CALL)
        waiting.append(pool.submit(other.modern, "tools/call", CALL))
        assert api.arrived.acquire(timeout=PATIENCE)
        api.released.set()
        assert [each.result(PATIENCE).status for each in waiting] == [200] * 33
    assert (refused.status, refused.headers["retry-after"], refused.json["error"]["code"]) == (429, "1", -32603)
    assert mine[2].modern("tools/call", CALL).status == 200


def test_large_calls_are_refused_before_they_take_the_memory_and_small_ones_never(start: Callable[..., GuardProcess]) -> None:
    home = Home(spec(http_tool(path="/wait", parameters=(), input_schema={"type": "object"})))
    start(home)
    client = Client(home.socket)
    large = CALL | {"arguments": {"x": "x" * 4_000_000}}
    with upstream(home.egress(0)) as api, ThreadPoolExecutor(9) as pool:
        waiting = [pool.submit(client.modern, "tools/call", large) for _ in range(8)]
        for _ in range(8):
            assert api.arrived.acquire(timeout=PATIENCE)
        refused = client.modern("tools/call", large)
        waiting.append(pool.submit(client.modern, "tools/call", CALL))
        assert api.arrived.acquire(timeout=PATIENCE)
        api.released.set()
        assert [each.result(PATIENCE).status for each in waiting] == [200] * 9
    assert (refused.status, refused.headers["retry-after"], refused.json["error"]["code"]) == (503, "1", -32603)
    assert client.modern("tools/call", large).status == 200


def test_an_address_that_tries_tokens_is_barred_and_those_that_are_known_go_on(start: Callable[..., GuardProcess]) -> None:
    home = Home()
    start(home)
    good, bad = Client(home.socket), Client(home.socket, bearer="a.b.c")
    assert good.modern("tools/list").status == 200
    began = time.monotonic()
    tried = list(iter(lambda: bad.modern("tools/list").status, 429))
    # A hundred, and as many more as a minute's hundred are in the time that it took.
    assert set(tried) == {401}
    assert 100 <= len(tried) <= 101 + (time.monotonic() - began) * 100 / 60
    eventually(lambda: "retry-after" in bad.modern("tools/list").headers)
    assert good.modern("tools/list").status == 200


def test_tokens_that_have_expired_bar_nobody_behind_the_same_address(start: Callable[..., GuardProcess]) -> None:
    home = Home()
    start(home)
    old = Client(home.socket, bearer=token(exp=int(time.time()) - 5))
    assert [old.modern("tools/list").status for _ in range(102)] == [401] * 102
    assert Client(home.socket, bearer=token(gid="grt_never_seen")).modern("tools/list").status == 200
