"""Who ends a call: a client that hangs up (2026-07-28), or one that says so (before)."""

import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from tests.unit.runner.guarded import LEGACY, Client, GuardProcess, Home, UnixHTTP, ask, modern_request, token
from tests.unit.runner.protocol.test_asking import GREET
from tests.unit.runner.streams import Stream, initialize, legacy_stream, soon, talking
from tests.waiting import PATIENCE, eventually

Talker = tuple[GuardProcess, Any]


def running(guard: GuardProcess) -> int:
    return int(ask(guard.private, method="GET", target="/health").json["running"])


class Begun:
    """A call of a tool that waits for its API; nobody reads the answer yet."""

    opened: ClassVar[list[UnixHTTP]] = []

    def __init__(self, client: Client, talker: Talker, *, era: str, request_id: Any = 1, address: str | None = None) -> None:
        self.guard, api = talker
        api.released.clear()
        headers, body = modern_request("tools/call", {"name": "wait", "arguments": {}})
        if era == LEGACY:
            headers = [("MCP-Protocol-Version", LEGACY)]
            del body["params"]["_meta"]
        headers += [] if address is None else [("X-Forwarded-For", address)]
        self.connection = UnixHTTP(client.path)
        self.opened.append(self.connection)
        sent = {"Content-Type": "application/json", **dict(client.headers), **dict(headers)}
        self.connection.request("POST", "/mcp", json.dumps(body | {"id": request_id}), sent)
        assert api.arrived.acquire(timeout=PATIENCE)

    def answer(self) -> tuple[int, bytes]:
        with self.connection.getresponse() as response:
            return response.status, response.read()

    def last(self) -> str | None:
        return self.guard.home.calls()[-1]["error"] if self.guard.home.calls() else None


@pytest.fixture(autouse=True)
def _released(talker: Talker) -> Any:
    yield
    talker[1].released.set()
    eventually(lambda: running(talker[0]) == 0)
    while Begun.opened:
        Begun.opened.pop().close()


def test_a_modern_client_that_hangs_up_has_cancelled(person: Client, talker: Talker) -> None:
    call = Begun(person, talker, era="modern")
    assert running(talker[0]) == 1
    call.connection.close()
    eventually(lambda: running(talker[0]) == 0)
    assert call.last() == "cancelled"


def test_a_legacy_client_that_hangs_up_has_not(person: Client, talker: Talker) -> None:
    call = Begun(person, talker, era=LEGACY)
    call.connection.close()
    soon(0.7)
    assert running(talker[0]) == 1
    talker[1].released.set()
    eventually(lambda: running(talker[0]) == 0)
    assert call.last() is None


def cancel(client: Client, request_id: Any, *, address: str | None = None) -> None:
    body = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id, "reason": "enough"}}
    more = [] if address is None else [("X-Forwarded-For", address)]
    answer = ask(client.path, body, headers=[*client.headers, ("MCP-Protocol-Version", LEGACY), *more])
    assert (answer.status, answer.raw) == (202, b"")


@pytest.mark.parametrize("request_id", [1, "one"])
def test_a_legacy_client_cancels_by_the_id_and_gets_no_response(person: Client, talker: Talker, request_id: Any) -> None:
    call = Begun(person, talker, era=LEGACY, request_id=request_id)
    cancel(person, request_id)
    assert call.answer() == (202, b"")
    assert call.last() == "cancelled"


@pytest.mark.parametrize("wrong", ["id", "type of id", "grant", "address", "era", "malformed"])
def test_only_the_one_call_that_fits_is_cancelled(person: Client, talker: Talker, wrong: str) -> None:
    call = Begun(person, talker, era="modern" if wrong == "era" else LEGACY, address="192.0.2.1")
    stranger = Client(person.path, bearer=token(gid="grt_another"))
    cancel(
        stranger if wrong == "grant" else person,
        {"id": 2, "type of id": "1", "malformed": {}}.get(wrong, 1),
        address="192.0.2.2" if wrong == "address" else "192.0.2.1",
    )
    soon()
    assert running(talker[0]) == 1
    talker[1].released.set()
    assert call.answer()[0] == 200
    assert call.last() is None


def test_of_two_calls_with_the_same_id_none_is_cancelled(person: Client, talker: Talker) -> None:
    calls = [Begun(person, talker, era=LEGACY) for _ in range(2)]
    cancel(person, 1)
    soon()
    assert running(talker[0]) == 2
    talker[1].released.set()
    assert [call.answer()[0] for call in calls] == [200, 200]


def test_a_stream_that_is_cancelled_ends_without_a_response(person: Client) -> None:
    initialize(person, {"elicitation": {}})
    body = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": GREET, "arguments": {}}}
    stream = Stream(person, [("MCP-Protocol-Version", LEGACY)], body)
    stream.next()
    cancel(person, 9)
    assert stream.rest() == []
    stream.close()


def test_a_question_to_a_client_that_has_gone_is_given_up(start: Callable[..., GuardProcess]) -> None:
    guard = start(Home(talking()), options=("--patience", "600", "--keep-alive", "0.5"))
    client = Client(guard.home.socket)
    initialize(client, {"elicitation": {}})
    with legacy_stream(client, "tools/call", {"name": GREET, "arguments": {}}) as stream:
        stream.next()
    eventually(lambda: running(guard) == 0)
    assert guard.home.calls()[-1]["error"] == "unanswered"
