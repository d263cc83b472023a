"""When a request is sent again, and when the model is told to wait instead."""

import time
from email.utils import formatdate
from typing import Any

import pytest

from runner.tools.retry import in_words, pause, rate
from tests.unit.runner.guarded import http_tool
from tests.unit.runner.scripted import Cut, answers, said

OK = said({"ok": True})
NOW = 1_800_000_000.0


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_failure_that_passes_is_tried_again_where_the_tool_allows_it(status: int) -> None:
    (answer,), upstream = answers(http_tool(retry=True), [said(status=status, Retry_After="0"), OK])
    assert answer.structured == {"ok": True}
    assert len(upstream.targets) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_leave_nothing_that_was_answered_is_sent_again(method: str) -> None:
    (answer,), upstream = answers(http_tool(method=method), [said(status=503, Retry_After="0"), OK])
    assert answer.error_code == "upstream_failed"
    assert len(upstream.targets) == 1


@pytest.mark.parametrize("status", [400, 404, 500, 501])
def test_a_failure_that_stays_is_not_repeated(status: int) -> None:
    (answer,), upstream = answers(http_tool(retry=True), [said(status=status), OK])
    assert answer.is_error
    assert len(upstream.targets) == 1


@pytest.mark.parametrize("failure", [said(status=503, Retry_After="0"), Cut])
def test_after_three_tries_the_failure_is_the_answer(failure: Any) -> None:
    (answer,), upstream = answers(http_tool(retry=True), [failure])
    assert answer.is_error
    assert len(upstream.targets) == 3


def test_a_post_with_leave_is_tried_again_after_a_cut() -> None:
    (answer,), upstream = answers(http_tool(method="POST", retry=True), [Cut, OK])
    assert not answer.is_error
    assert len(upstream.targets) == 2


def test_waiting_longer_than_the_call_may_take_is_left_to_the_model() -> None:
    began = time.monotonic()
    (answer,), upstream = answers(http_tool(retry=True, timeout=60), [said({"message": "slow down"}, status=429, Retry_After="90")])
    assert time.monotonic() - began < 30
    assert len(upstream.targets) == 1
    assert "Try again after 90 seconds." in answer.words
    assert "slow down" in answer.words


def test_a_date_in_the_future_is_waited_for() -> None:
    moment = int(time.time()) + 2
    (answer,), upstream = answers(http_tool(retry=True), [said(status=503, Retry_After=formatdate(moment, usegmt=True)), OK])
    assert time.time() >= moment
    assert not answer.is_error
    assert len(upstream.targets) == 2


def test_a_connection_that_went_stale_costs_no_call() -> None:
    answered, upstream = answers(http_tool(), [OK, OK, Cut, OK], {"id": 1}, {"id": 2}, {"id": 3})
    assert [answer.is_error for answer in answered] == [False, False, False]
    assert upstream.targets == ["/items/1", "/items/2", "/items/3", "/items/3"]


def test_a_post_on_a_stale_connection_is_not_repeated() -> None:
    answered, upstream = answers(http_tool(method="POST"), [OK, Cut, OK], {"id": 1}, {"id": 2})
    assert answered[1].error_code == "upstream_closed"
    assert upstream.targets == ["/items/1", "/items/2"]


@pytest.mark.parametrize(
    ("headers", "wait", "limit", "left"),
    [
        ({"retry-after": "12"}, 12, None, None),
        ({"retry-after": "1.5"}, 1.5, None, None),
        ({"retry-after": formatdate(NOW + 60, usegmt=True)}, 60, None, None),
        ({"retry-after": formatdate(NOW - 60, usegmt=True)}, 0, None, None),
        ({"retry-after": "-5"}, None, None, None),
        ({"retry-after": "9" * 400}, None, None, None),
        ({"retry-after": "Fri, 99 Foo 99999 99:99:99 GMT"}, None, None, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) + 30), "x-ratelimit-limit": "60"}, 30, "60", "0"),
        ({"ratelimit-remaining": "3", "ratelimit-reset": "30"}, None, None, "3"),
        ({"ratelimit": "limit=100, remaining=0, reset=50"}, 50, "100", "0"),
        ({"ratelimit": '"burst";r=0;t=7'}, 7, None, "0"),
    ],
)
def test_what_an_api_says_about_its_limit(headers: dict[str, str], wait: float | None, limit: str | None, left: str | None) -> None:
    found = rate(headers, now=NOW)
    assert (found.wait, found.limit, found.left) == (wait, limit, left)


def test_pauses_double_and_differ() -> None:
    assert all(0.25 <= pause(1, None) <= 0.5 for _ in range(100))
    assert all(0.5 <= pause(2, None) <= 1 for _ in range(100))
    assert len({pause(2, None) for _ in range(20)}) > 1
    assert pause(1, 3.0) == 3.0


def test_times_are_words() -> None:
    assert [in_words(each) for each in (0.2, 1, 90, 120, 7200)] == ["1 second", "1 second", "90 seconds", "2 minutes", "2 hours"]
