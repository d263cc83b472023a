"""The sliding windows, and whose they are."""

from datetime import UTC, datetime, timedelta

import pytest

from bmm.http import limits
from bmm.http.limits import Limits, source_of

NOW, MINUTE = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=1)


def test_what_is_over_the_limit_is_told_how_long_to_wait() -> None:
    windows = Limits()
    assert [windows.wait("a", most=2, within=MINUTE, now=NOW) for _ in range(3)] == [0, 0, 61]
    assert windows.wait("b", most=2, within=MINUTE, now=NOW) == 0
    assert windows.wait("a", most=2, within=MINUTE, now=NOW + MINUTE) == 0


def test_names_nobody_has_used_lately_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_NAMES", 3)
    windows = Limits()
    for number in range(4):
        windows.wait(f"old {number}", most=1, within=MINUTE, now=NOW)
    later = NOW + timedelta(seconds=59)
    assert windows.wait("old 0", most=1, within=MINUTE, now=later) > 0
    windows.wait("new", most=1, within=MINUTE, now=NOW + 2 * MINUTE)
    assert len(windows._times) == 1


@pytest.mark.parametrize(
    ("header", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("192.0.2.7, 192.0.2.8", "unknown"),
        ("nonsense", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_source_is_an_address_or_an_ipv6_network(header: str | None, source: str) -> None:
    assert source_of({} if header is None else {"x-forwarded-for": header}) == source
