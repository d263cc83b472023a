"""A run that no client waits for: nobody to ask, nobody to tell."""

from collections.abc import Mapping
from typing import Any, Literal

from runner.tools.context import Capability, Level, NotCapable, Question


class Alone:
    """A `Context` without a client."""

    modern = True

    def can(self, capability: Capability) -> bool:
        return False

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        pass

    async def log(self, level: Level, data: object, logger: str | None = None) -> None:
        pass

    async def ask(self, questions: Mapping[str, Question]) -> dict[str, dict[str, Any]]:
        raise NotCapable(frozenset(question.needs for question in questions.values()))

    def changed(self, what: Literal["tools", "prompts", "resources"]) -> None:
        pass

    def updated(self, uri: str) -> None:
        pass
