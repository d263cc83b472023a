"""Which tools have just cost their workers: code that hangs or crashes over and over must not take the processor from other tools."""

from collections.abc import Callable

_PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Seconds before the next call of a tool begins, by how many workers it has lost in a row."""
_REMEMBERED = 300.0


class Losses:
    """A tool that lost its worker gets one at a time, after a pause, until a call of it ends well or some time has gone by."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tools: dict[str, tuple[int, float]] = {}

    def add(self, tool: str) -> float:
        """One more; the seconds of its pause."""
        count = (self._tools[tool][0] if tool in self else 0) + 1
        self._tools[tool] = count, self._clock()
        return _pause(count)

    def forget(self, tool: str) -> None:
        self._tools.pop(tool, None)

    def pausing(self, tool: str) -> bool:
        count, since = self._tools.get(tool, (0, 0.0))
        return count > 0 and self._clock() - since < _pause(count)

    def __contains__(self, tool: str) -> bool:
        return tool in self._tools and self._clock() - self._tools[tool][1] < _REMEMBERED


def _pause(count: int) -> float:
    return _PAUSES[min(count, len(_PAUSES)) - 1]
