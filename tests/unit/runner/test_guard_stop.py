"""Stopping and replacing a guard loses no request, and every call is counted."""

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.runner.guarded import Answer, Client, GuardProcess, Home, UnixHTTP, ask, http_tool, modern_request, spec
from tests.unit.runner.upstream import upstream
from tests.waiting import eventually


class Caddy(threading.Thread):
    """Sends requests over kept connections until told to stop, and gives up a connection that was idle for a second, like Caddy."""

    def __init__(self, client: Client, *, pauses: bool) -> None:
        super().__init__()
        self._client, self._pauses = client, pauses
        self.halt = threading.Event()
        self.answered = 0
        self.failures: list[str] = []

    def run(self) -> None:
        headers, body = modern_request("tools/call", {"name": "get_item", "arguments": {"id": 0}})
        document = json.dumps(body)
        sent = dict([*self._client.headers, *headers, ("Content-Type", "application/json")])
        connection: UnixHTTP | None = None
        while not self.halt.is_set():
            connection = connection or UnixHTTP(self._client.path)
            try:
                connection.request("POST", "/mcp", document, sent)
                response = connection.getresponse()
                result = json.loads(response.read())
                assert result["result"]["isError"]
                self.answered += 1
            except (OSError, http.client.HTTPException, KeyError, AssertionError) as error:
                self.failures.append(repr(error))
                connection.close()
                connection = None
                continue
            if response.getheader("Connection") == "close":
                connection.close()
                connection = None
            if self._pauses:
                self.halt.wait(0.4)
        if connection is not None:
            connection.close()


def test_no_request_is_lost_while_guards_replace_each_other_on_one_socket() -> None:
    home = Home()
    client = Client(home.socket)
    current = GuardProcess(home)
    callers = [Caddy(client, pauses=number % 2 == 0) for number in range(8)]
    for caller in callers:
        caller.start()
    leaving: list[GuardProcess] = []
    for _ in range(6):
        newer = GuardProcess(home)
        current.signal()
        leaving.append(current)
        current = newer
        time.sleep(0.1)  # the load has to meet every guard alone, too
    for guard in leaving:
        assert guard.wait() == 0
    for caller in callers:
        caller.halt.set()
    for caller in callers:
        caller.join(10)
    assert current.stop() == 0
    assert [failure for caller in callers for failure in caller.failures] == []
    answered = sum(caller.answered for caller in callers)
    assert answered > 200
    calls = home.calls()
    assert (len(calls), len({call["id"] for call in calls})) == (answered, answered)
    home.close()


def test_a_kept_connection_stays_open_after_the_stop_and_its_next_answer_closes_it() -> None:
    home = Home()
    guard = GuardProcess(home)
    connection = UnixHTTP(home.socket)
    assert _over(connection, Client(home.socket)).headers.get("connection") is None
    guard.signal()
    eventually(lambda: not _listens(guard))
    answer = _over(connection, Client(home.socket))
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert guard.wait() == 0
    assert home.events()[-1]["message"] == "version 3 has stopped"
    connection.close()
    home.close()


def test_an_idle_connection_delays_the_end_by_little_more_than_a_second() -> None:
    home = Home()
    guard = GuardProcess(home)
    connection = UnixHTTP(home.socket)
    _over(connection, Client(home.socket))
    began = time.monotonic()
    assert guard.stop() == 0
    assert 1.2 <= time.monotonic() - began < 3
    connection.close()
    home.close()


def test_without_connections_a_stop_takes_no_time(start: Callable[..., GuardProcess]) -> None:
    guard = start()
    began = time.monotonic()
    assert guard.stop() == 0
    assert time.monotonic() - began < 1


def test_a_call_that_runs_at_the_stop_is_finished_and_counted() -> None:
    home = Home(spec(http_tool(path="/wait", parameters=())))
    guard = GuardProcess(home)
    with upstream(home.egress(0)) as api, ThreadPoolExecutor(1) as pool:
        call = pool.submit(Client(home.socket).modern, "tools/call", {"name": "get_item", "arguments": {"id": 1}})
        assert api.arrived.acquire(timeout=10)
        guard.signal()
        eventually(lambda: not _listens(guard))
        api.released.set()
        answer: Answer = call.result(10)
        assert guard.wait() == 0
    assert not answer.json["result"]["isError"]
    assert answer.headers["connection"] == "close"
    assert [event["ok"] for event in home.calls()] == [True]
    home.close()


def test_a_call_that_outlasts_the_grace_is_told_so_and_counted() -> None:
    home = Home(spec(http_tool(path="/wait", parameters=())))
    guard = GuardProcess(home, options=("--grace", "1.5"))
    with upstream(home.egress(0)) as api, ThreadPoolExecutor(1) as pool:
        call = pool.submit(Client(home.socket).modern, "tools/call", {"name": "get_item", "arguments": {"id": 1}})
        assert api.arrived.acquire(timeout=10)
        began = time.monotonic()
        guard.signal()
        answer: Answer = call.result(10)
        assert guard.wait() == 0
    assert time.monotonic() - began < 3
    assert "was stopped while the tool ran" in answer.json["result"]["content"][0]["text"]
    assert [event["error"] for event in home.calls()] == ["interrupted"]
    home.close()


def test_the_name_of_the_socket_stays_and_others_still_accept_on_it(start: Callable[..., GuardProcess]) -> None:
    home = Home()
    first = GuardProcess(home)
    before = home.socket.stat().st_ino
    first.stop()
    assert home.socket.stat().st_ino == before
    start(home)
    assert Client(home.socket).modern("tools/list").status == 200


def test_a_queued_request_whose_client_has_gone_runs_no_tool() -> None:
    home = Home()
    headers, body = modern_request("tools/call", {"name": "get_item", "arguments": {"id": 1}})
    document = json.dumps(body).encode()
    client = Client(home.socket)
    lines = "".join(f"{name}: {value}\r\n" for name, value in [*client.headers, *headers])
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(home.socket))
        connection.sendall(f"POST /mcp HTTP/1.1\r\nHost: x\r\n{lines}Content-Length: {len(document)}\r\n\r\n".encode() + document)
    with upstream(home.egress(0)) as api:
        guard = GuardProcess(home)
        assert not client.call("get_item", {"id": 2})["isError"]
        guard.stop()
        assert [request["target"] for request in api.seen] == ["/items/2"]
    assert sorted(str(call["error"]) for call in home.calls()) == ["None", "client_gone"]
    home.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_ways_of_stopping_end_cleanly(start: Callable[..., GuardProcess], number: signal.Signals) -> None:
    guard = start()
    guard.signal(number)
    assert guard.wait() == 0
    assert guard.errors.read_text() == ""


def test_calls_are_answered_while_the_event_file_cannot_be_written(start: Callable[..., GuardProcess]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    home = Home()
    guard = start(home, event_descriptor=full)
    os.close(full)
    for _ in range(3):
        assert Client(home.socket).call("get_item", {})["isError"]
    assert ask(guard.private, method="GET", target="/health").json["events_waiting"] == 4


def _over(connection: UnixHTTP, client: Client) -> Answer:
    headers, body = modern_request("tools/list")
    connection.request("POST", "/mcp", json.dumps(body), dict([*client.headers, *headers, ("Content-Type", "application/json")]))
    response = connection.getresponse()
    return Answer(status=response.status, headers={name.lower(): value for name, value in response.getheaders()}, raw=response.read())


def _listens(guard: GuardProcess) -> bool:
    """Whether the guard takes connections from its public listening socket, which is ours as well."""
    ours = guard.home.listener
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5)
        probe.connect(ours.getsockname())
        for _ in range(10):
            if not select.select([ours], [], [], 0)[0]:
                return True
            time.sleep(0.01)
        with contextlib.suppress(BlockingIOError):
            ours.setblocking(False)
            ours.accept()[0].close()
            return False
        return True
