"""Stopping and replacing a guard loses no request, and every call is counted."""

import contextlib
import http.client
import json
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.unit.runner.guarded import Answer, Client, GuardProcess, Home, UnixHTTP, ask, http_tool, modern_request, spec
from tests.unit.runner.upstream import upstream
from tests.waiting import PATIENCE, at_best, eventually

IDLE = 1.0
"""Seconds after which Caddy gives up a connection."""


class Caddy(threading.Thread):
    """Sends requests over kept connections until told to stop, and gives up a connection that was idle for a second, like Caddy."""

    def __init__(self, client: Client, *, pauses: bool) -> None:
        super().__init__()
        self._client, self._pauses = client, pauses
        self.halt = threading.Event()
        self.answered = 0
        self.failures: list[str] = []

    def _anew(self, old: UnixHTTP | None) -> UnixHTTP:
        if old is not None:
            old.close()
        return UnixHTTP(self._client.path)

    def run(self) -> None:
        headers, body = modern_request("tools/call", {"name": "get_item", "arguments": {"id": 0}})
        document = json.dumps(body)
        sent = dict([*self._client.headers, *headers, ("Content-Type", "application/json")])
        connection: UnixHTTP | None = None
        used_at = math.inf
        while not self.halt.is_set():
            if connection is None or time.monotonic() - used_at > IDLE:
                connection, used_at = self._anew(connection), math.inf
            try:
                try:
                    connection.request("POST", "/mcp", document, sent)
                finally:
                    sent_at = time.monotonic()
                response = connection.getresponse()
                result = json.loads(response.read())
                assert result["result"]["isError"]
                self.answered += 1
                used_at = time.monotonic()
            except (OSError, http.client.HTTPException, KeyError, AssertionError) as error:
                if sent_at - used_at < IDLE:  # else this machine was too busy to send what it had begun to
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

    def answered() -> int:
        return sum(caller.answered for caller in callers)

    def answers_more() -> None:
        before = answered()
        eventually(lambda: answered() > before + 40)

    for _ in range(6):
        newer = GuardProcess(home)
        current.signal()
        leaving.append(current)
        current = newer
        answers_more()  # the load has to meet every guard alone, too
    for guard in leaving:
        assert guard.wait() == 0
    for caller in callers:
        caller.halt.set()
    for caller in callers:
        caller.join(PATIENCE)
    assert current.stop() == 0
    assert [failure for caller in callers for failure in caller.failures] == []
    calls = home.calls()
    assert (len(calls), len({call["id"] for call in calls})) == (answered(), answered())
    home.close()


def test_a_kept_connection_stays_open_after_the_stop_and_its_next_answer_closes_it() -> None:
    home = Home()
    guard = GuardProcess(home)
    connection = UnixHTTP(home.socket)
    assert _over(connection, Client(home.socket)).headers.get("connection") is None
    guard.signal()
    stops_listening(guard)
    answer = _over(connection, Client(home.socket))
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert guard.wait() == 0
    assert home.events()[-1]["message"] == "version 3 has stopped"
    connection.close()
    home.close()


def test_an_idle_connection_delays_the_end_by_little_more_than_a_second(start: Callable[..., GuardProcess]) -> None:
    def took() -> float:
        guard = start()
        with contextlib.closing(UnixHTTP(guard.home.socket)) as connection:
            _over(connection, Client(guard.home.socket))
            seconds = _stopped(guard)
        assert seconds >= 1.2
        return seconds

    at_best(took, within=3)


def test_without_connections_a_stop_takes_no_time(start: Callable[..., GuardProcess]) -> None:
    at_best(lambda: _stopped(start()), within=1)


def test_a_call_that_runs_at_the_stop_is_finished_and_counted() -> None:
    home = Home(spec(http_tool(path="/wait", parameters=())))
    guard = GuardProcess(home)
    with upstream(home.egress(0)) as api, ThreadPoolExecutor(1) as pool:
        call = pool.submit(Client(home.socket).modern, "tools/call", {"name": "get_item", "arguments": {"id": 1}})
        assert api.arrived.acquire(timeout=PATIENCE)
        guard.signal()
        stops_listening(guard)
        api.released.set()
        answer: Answer = call.result(PATIENCE)
        assert guard.wait() == 0
    assert not answer.json["result"]["isError"]
    assert answer.headers["connection"] == "close"
    assert [event["ok"] for event in home.calls()] == [True]
    home.close()


def test_a_call_that_outlasts_the_grace_is_told_so_and_counted(start: Callable[..., GuardProcess]) -> None:
    def took() -> float:
        home = Home(spec(http_tool(path="/wait", parameters=())))
        guard = start(home, options=("--grace", "1.5"))
        with upstream(home.egress(0)) as api, ThreadPoolExecutor(1) as pool:
            call = pool.submit(Client(home.socket).modern, "tools/call", {"name": "get_item", "arguments": {"id": 1}})
            assert api.arrived.acquire(timeout=PATIENCE)
            seconds = _stopped(guard)
            answer: Answer = call.result(PATIENCE)
        assert "was stopped while the tool ran" in answer.json["result"]["content"][0]["text"]
        assert [event["error"] for event in home.calls()] == ["interrupted"]
        return seconds

    at_best(took, within=3)


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


def _stopped(guard: GuardProcess) -> float:
    """How many seconds a stop takes."""
    began = time.monotonic()
    assert guard.stop() == 0
    return time.monotonic() - began


def stops_listening(guard: GuardProcess) -> None:
    """Wait until the guard has closed its own socket, and see that it takes no connection from the public one, which is ours as well."""
    eventually(lambda: not _dials(guard.private))
    public = guard.home.listener
    public.settimeout(20)
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(public.getsockname())
        public.accept()[0].close()


def _dials(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
