"""How often something may be done in this process: a sliding window per name."""

from collections import deque
from datetime import datetime, timedelta

from litestar.datastructures import State

_KEY = "bmm_limits"


class Limits:
    """The recent times of each limited act."""

    def __init__(self) -> None:
        self._times: dict[str, deque[datetime]] = {}

    def wait(self, name: str, *, most: int, within: timedelta, now: datetime) -> int:
        """0 if it may be done now (and it is counted), else the seconds to wait."""
        times = self._times.setdefault(name, deque())
        while times and times[0] <= now - within:
            times.popleft()
        if len(times) < most:
            times.append(now)
            return 0
        return max(1, int((times[0] + within - now).total_seconds()) + 1)


def limits_of(state: State) -> Limits:
    """The limits of this application; they begin empty with it."""
    if _KEY not in state:
        state[_KEY] = Limits()
    found: Limits = state[_KEY]
    return found
