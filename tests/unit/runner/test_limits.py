"""How often a grant and an address may call, and what an address with refused tokens has to wait."""

import pytest

from runner.guard.limits import CALLS_AT_ONCE, REFUSED_PER_MINUTE, Limits, Meter, address_of

START = 1_000_000.0


def limits_of(per_minute: int = 100) -> Limits:
    return Limits(lambda: per_minute)


def admitted(limits: Limits, count: int, *, grant: str = "g", address: str = "192.0.2.1", now: float = START) -> int:
    return sum(limits.admit(grant=grant, address=address, now=now) is None for _ in range(count))


@pytest.mark.parametrize("per_minute", [1, 7, 100, 999, 60_000])
@pytest.mark.parametrize("now", [0.0, START, 123_456.789])
def test_a_minutes_worth_is_admitted_at_once_and_one_more_has_to_wait(per_minute: int, now: float) -> None:
    limits = limits_of(per_minute)
    assert admitted(limits, per_minute, now=now) == per_minute
    wait = limits.admit(grant="g", address="192.0.2.1", now=now)
    assert wait == pytest.approx(60 / per_minute, abs=1e-3)


def test_calls_come_back_at_the_rate_and_never_more_than_a_minutes_worth() -> None:
    limits = limits_of()
    admitted(limits, 100)
    assert limits.admit(grant="g", address="a", now=START + 0.5) is not None
    assert admitted(limits, 5, now=START + 0.6) == 1
    assert admitted(limits, 20, now=START + 6.6) == 10
    assert admitted(limits, 500, now=START + 3600) == 100


def test_an_even_stream_at_the_rate_is_never_refused() -> None:
    limits = limits_of()
    assert all(limits.admit(grant="g", address="a", now=START + number * 0.6) is None for number in range(5000))


def test_one_grant_does_not_use_up_what_another_has() -> None:
    limits = limits_of()
    admitted(limits, 101, grant="one")
    assert admitted(limits, 101, grant="two") == 100


def test_all_grants_of_an_address_together_have_ten_times_as_much() -> None:
    limits = limits_of()
    assert sum(admitted(limits, 100, grant=str(number)) for number in range(11)) == 1000
    assert admitted(limits, 1, grant="11", address="192.0.2.2") == 1


def test_a_call_that_has_to_wait_is_counted_nowhere() -> None:
    limits = limits_of()
    admitted(limits, 5000, grant="greedy")
    assert sum(admitted(limits, 100, grant=str(number)) for number in range(20)) == 900
    # The address had nothing left; these grants are as full as before.
    assert admitted(limits, 100, grant="19", address="192.0.2.2") == 100


def test_a_rate_that_changes_applies_at_once() -> None:
    rate = 100
    limits = Limits(lambda: rate)
    admitted(limits, 50)
    rate = 10
    assert admitted(limits, 100) == 5
    rate = 1000
    assert admitted(limits, 100, now=START + 6) == 100


def test_refused_tokens_bar_an_address_and_no_other_for_no_longer_than_a_minute() -> None:
    limits = limits_of()
    for _ in range(REFUSED_PER_MINUTE):
        assert limits.barred("192.0.2.1", START) is None
        limits.refused("192.0.2.1", START)
    assert limits.barred("192.0.2.1", START) == pytest.approx(0.6, abs=1e-3)
    assert limits.barred("192.0.2.2", START) is None
    for _ in range(10_000):
        limits.refused("192.0.2.1", START)
    assert limits.barred("192.0.2.1", START + 1) is None


def test_what_one_grant_runs_at_once_is_bounded_and_what_ended_makes_room() -> None:
    limits = limits_of()
    assert [limits.enter("g", "p") for _ in range(CALLS_AT_ONCE + 1)] == [True] * CALLS_AT_ONCE + [False]
    assert limits.enter("other", "p")
    limits.leave("g", "p")
    assert [limits.enter("g", "p"), limits.enter("g", "p")] == [True, False]


def test_no_more_than_the_most_recent_keys_are_remembered() -> None:
    meter = Meter(keys=3)
    for number in range(10):
        meter.take("kept", 1, START + number)
        meter.take(str(number), 1, START + number)
    assert len(meter) == 3
    assert meter.wait("kept", 1, START + 10) > 0
    assert meter.wait("0", 1, START + 10) == 0


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (b"192.0.2.7", "192.0.2.7"),
        (b"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (b"2001:db8:1:2::9", "2001:db8:1:2::/64"),
        (b"fe80::1%eth0", "fe80::/64"),
        (b"::1", "::/64"),
        (b"::ffff:192.0.2.7", "192.0.2.7"),
        (b"192.0.2.7, 192.0.2.8", "unknown"),
        (b"\xff", "unknown"),
        (None, "unknown"),
    ],
)
def test_an_address_is_an_ipv4_address_or_an_ipv6_network(header: bytes | None, address: str) -> None:
    assert address_of(header) == address
