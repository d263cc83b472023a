"""`subscriptions/listen`, from the acknowledgement to the last word."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.unit.runner.guarded import OPEN_POLICY, Client, GuardProcess, Home, token
from tests.unit.runner.protocol.test_asking import GREET
from tests.unit.runner.streams import SUBSCRIPTION, called, initialize, legacy_stream, modern_stream, said, talking
from tests.waiting import at_best, eventually

EVERYTHING = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True, "resourceSubscriptions": ["test://one"]}


def listening(client: Client, wanted: dict[str, Any], request_id: int | str = "sub", **more: Any) -> Any:
    return modern_stream(client, "subscriptions/listen", {"notifications": wanted}, request_id=request_id, **more)


@pytest.mark.parametrize("request_id", ["sub", 5])
def test_the_first_message_acknowledges_and_every_message_names_the_subscription(person: Client, request_id: int | str) -> None:
    with listening(person, EVERYTHING, request_id) as stream:
        assert (stream.status, stream.kind) == (200, "text/event-stream")
        first = stream.next()
        assert first["method"] == "notifications/subscriptions/acknowledged"
        assert first["params"] == {"_meta": {SUBSCRIPTION: request_id}, "notifications": EVERYTHING}
        called(person, "test_trigger_tool_change")
        assert stream.next() == {
            "jsonrpc": "2.0",
            "method": "notifications/tools/list_changed",
            "params": {"_meta": {SUBSCRIPTION: request_id}},
        }


def test_only_what_was_asked_for_is_sent(person: Client) -> None:
    with listening(person, {"promptsListChanged": True, "toolsListChanged": False}) as stream:
        assert stream.next()["params"]["notifications"] == {"promptsListChanged": True}
        called(person, "test_trigger_tool_change")
        called(person, "test_trigger_prompt_change")
        assert stream.next()["method"] == "notifications/prompts/list_changed"


def test_what_a_server_does_not_have_is_not_acknowledged(guard: GuardProcess) -> None:
    with listening(Client(guard.home.socket), EVERYTHING) as stream:
        assert stream.next()["params"]["notifications"] == {"toolsListChanged": True}


def test_a_quiet_stream_shows_signs_of_life(person: Client) -> None:
    with listening(person, EVERYTHING) as stream:
        stream.next()
        assert [stream.line(), stream.line()] == [":", ":"]


def test_a_client_that_takes_no_stream_is_told(person: Client) -> None:
    with listening(person, EVERYTHING, headers=(("Accept", "application/json"),)) as stream:
        assert (stream.status, json.loads(stream.response.read())["error"]["code"]) == (406, -32600)


def test_a_grant_has_at_most_eight_and_hanging_up_makes_room(person: Client) -> None:
    with ExitStack() as open_streams:
        streams = [open_streams.enter_context(listening(person, EVERYTHING)) for _ in range(8)]
        assert [stream.next()["method"].endswith("acknowledged") for stream in streams] == [True] * 8
        with listening(person, EVERYTHING) as refused:
            assert (refused.status, refused.response.getheader("Retry-After")) == (503, "30")
            assert json.loads(refused.response.read())["error"]["code"] == -32603
        with listening(Client(person.path, bearer=token(gid="grt_of_another")), EVERYTHING) as other:
            assert other.status == 200
    eventually(lambda: _status(person) == 200)


def test_a_person_with_many_grants_leaves_streams_for_others(person: Client) -> None:
    with ExitStack() as open_streams:
        for number in range(64):
            stream = open_streams.enter_context(listening(Client(person.path, bearer=token(gid=f"grt_{number // 8}", sub="usr_many")), EVERYTHING))
            assert stream.status == 200
        assert _status(Client(person.path, bearer=token(gid="grt_8", sub="usr_many"))) == 503
        assert _status(Client(person.path, bearer=token(gid="grt_9", sub="usr_2"))) == 200


def _status(client: Client) -> int:
    with listening(client, EVERYTHING) as stream:
        return int(stream.status)


def test_a_stream_keeps_nothing_of_the_body_that_opened_it(start: Callable[..., GuardProcess]) -> None:
    home = Home(talking())
    guard = start(home)
    before = guard.resident()
    with ExitStack() as open_streams:
        for number in range(24):
            client = Client(home.socket, bearer=token(gid=f"grt_{number // 8}"))
            params = {"notifications": EVERYTHING, "unknown": "x" * 4_000_000}
            open_streams.enter_context(modern_stream(client, "subscriptions/listen", params)).next()
        assert guard.resident() - before < 40_000_000


def test_an_expired_token_ends_its_stream(person: Client) -> None:
    for seconds in (3, 10, 30):
        client = Client(person.path, bearer=token(exp=int(time.time()) + seconds, gid="grt_expiring"))
        with listening(client, EVERYTHING) as stream:
            if stream.status == 401:  # it had expired before this busy machine came to it
                continue
            *_, last = stream.rest()
            break
    else:
        raise AssertionError("it never opens")
    assert (last["id"], last["result"]["resultType"]) == ("sub", "complete")


def test_a_revoked_grant_ends_its_stream(start: Callable[..., GuardProcess]) -> None:
    home = Home(talking())
    start(home, options=("--keep-alive", "0.3"))
    revoked: list[str] = []

    def took() -> float:
        grant = f"grt_{len(revoked)}"
        with listening(Client(home.socket, bearer=token(gid=grant)), EVERYTHING) as stream:
            stream.next()
            revoked.append(grant)
            home.put("policy.json", OPEN_POLICY | {"revoked_grants": revoked})
            began = time.monotonic()
            assert stream.rest()[-1]["result"]["resultType"] == "complete"
            return time.monotonic() - began

    at_best(took, within=3)


def test_a_revoked_grant_ends_a_stream_that_is_never_quiet(start: Callable[..., GuardProcess]) -> None:
    home = Home(talking())
    start(home)
    other = Client(home.socket, bearer=token(gid="grt_of_another"))
    with listening(Client(home.socket), EVERYTHING) as stream:
        stream.next()
        called(other, "test_trigger_tool_change")
        assert stream.next()["method"] == "notifications/tools/list_changed"
        home.put("policy.json", OPEN_POLICY | {"revoked_grants": ["grt_1"]})
        eventually(lambda: Client(home.socket).modern("tools/list").status == 401)
        called(other, "test_trigger_tool_change")
        assert stream.next()["result"]["resultType"] == "complete"


def test_addresses_that_are_too_long_or_too_many_are_not_listened_to(person: Client) -> None:
    uris = ["test://" + "x" * 2042, "test://" + "x" * 2041, *(f"test://{number}" for number in range(300))]
    with listening(person, {"resourceSubscriptions": uris}) as stream:
        assert stream.next()["params"]["notifications"] == {"resourceSubscriptions": uris[1:201]}


def test_at_the_stop_everybody_hears_that_the_lists_change_and_the_stream_ends_at_once(start: Callable[..., GuardProcess]) -> None:
    ended: list[float] = []

    def took() -> float:
        guard = start(Home(talking()))
        with listening(Client(guard.home.socket), EVERYTHING) as stream:
            stream.next()
            began = time.monotonic()
            guard.signal()
            *before, last = stream.rest()
            seconds = time.monotonic() - began
        assert [each["method"].removeprefix("notifications/") for each in before] == [
            *("tools/list_changed", "prompts/list_changed", "resources/list_changed", "resources/updated")
        ]
        assert before[-1]["params"]["uri"] == "test://one"
        assert last["result"]["_meta"][SUBSCRIPTION] == "sub"
        assert guard.wait() == 0
        ended.append(time.monotonic() - began)
        return seconds

    at_best(took, within=1)
    assert min(ended) < 3


def test_a_question_that_is_open_at_the_stop_does_not_delay_it(start: Callable[..., GuardProcess]) -> None:
    def took() -> float:
        guard = start(Home(talking()))
        client = Client(guard.home.socket)
        initialize(client, {"elicitation": {}})
        with legacy_stream(client, "tools/call", {"name": GREET, "arguments": {}}) as stream:
            stream.next()
            guard.signal()
            (last,) = stream.rest()
        assert "about to be replaced" in said(last["result"])
        began = time.monotonic()
        assert guard.wait() == 0
        return time.monotonic() - began

    at_best(took, within=3)
