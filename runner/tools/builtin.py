"""`builtin:echo`, the one tool that the guard answers itself: it asks nobody and runs nowhere else.

`make bench` measures with it what serving a call costs; what a worker adds is the difference to the same tool as code.
"""

from typing import Any

from runner.tools.context import Context
from runner.tools.result import ToolAnswer


class Echo:
    """Gives its argument `text` back."""

    async def run(self, arguments: dict[str, Any], context: Context) -> ToolAnswer:
        return ToolAnswer(text=str(arguments.get("text", "")))
