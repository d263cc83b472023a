"""Wait for what another process does, which nothing here can be told of."""

import time
from collections.abc import Callable

PATIENCE = 10.0


def eventually(holds: Callable[[], bool], *, seconds: float = PATIENCE, what: str = "it") -> None:
    """Return as soon as this holds. It may hold already, and is asked often; AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.01)
