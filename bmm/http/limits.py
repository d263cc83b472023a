"""How often something may be done in this process: a sliding window per name."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from litestar.datastructures import State

_KEY = "bmm_limits"
_MOST_NAMES = 10_000


class Limits:
    """The recent times of each limited act."""

    def __init__(self) -> None:
        self._times: dict[str, deque[datetime]] = {}

    def wait(self, name: str, *, most: int, within: timedelta, now: datetime) -> int:
        """0 if it may be done now (and it is counted), else the seconds to wait."""
        if len(self._times) > _MOST_NAMES:
            self._times = {known: times for known, times in self._times.items() if times and times[-1] > now - within}
        times = self._times.setdefault(name, deque())
        while times and times[0] <= now - within:
            times.popleft()
        if len(times) < most:
            times.append(now)
            return 0
        return max(1, int((times[0] + within - now).total_seconds()) + 1)


def source_of(headers: Mapping[str, str]) -> str:
    """Who asks, as far as limits go: the address Caddy saw, of IPv6 the network, since one customer has a whole /64.

    Only Caddy dials the public socket, and it replaces what a client claims in this header.
    """
    try:
        address = ip_address(headers.get("x-forwarded-for", ""))
    except ValueError:
        return "unknown"
    return str(ip_network((address, 64), strict=False) if address.version == 6 else address)


def limits_of(state: State) -> Limits:
    """The limits of this application; they begin empty with it."""
    if _KEY not in state:
        state[_KEY] = Limits()
    found: Limits = state[_KEY]
    return found
