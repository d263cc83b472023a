"""What a running tool may do towards the client that called it."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct

Level = Literal["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
Capability = Literal["elicitation", "sampling", "roots"]


class Question(Struct, frozen=True, kw_only=True):
    """A request to the client in the protocol's own form: `elicitation/create`, `sampling/createMessage` or `roots/list`."""

    method: Literal["elicitation/create", "sampling/createMessage", "roots/list"]
    params: dict[str, Any] = {}

    @property
    def needs(self) -> Capability:
        match self.method:
            case "elicitation/create":
                return "elicitation"
            case "sampling/createMessage":
                return "sampling"
            case _:
                return "roots"


class InputNeeded(Exception):
    """Ends this run of a tool: the client is asked, and calls again with the answers (2026-07-28, multi-round-trip requests)."""

    def __init__(self, questions: Mapping[str, Question]) -> None:
        super().__init__("the client is asked for more")
        self.questions = dict(questions)


class NotCapable(Exception):
    """The client cannot answer such questions, or has not said that it can."""

    def __init__(self, needed: frozenset[Capability]) -> None:
        super().__init__(f"the client does not offer {', '.join(sorted(needed))}")
        self.needed = needed


class Unanswered(Exception):
    """The client was asked and gave no usable answer; the text says why, for the model."""


class Context(Protocol):
    """Given to every run of a tool."""

    @property
    def modern(self) -> bool:
        """Whether the client speaks 2026-07-28, or an older version."""

    def can(self, capability: Capability) -> bool:
        """Whether the client has said that it answers such questions."""

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Tell how far the work is; goes nowhere when the client did not ask for it."""

    async def log(self, level: Level, data: object, logger: str | None = None) -> None:
        """A log message for the client, if it wants messages of this level."""

    async def ask(self, questions: Mapping[str, Question]) -> dict[str, dict[str, Any]]:
        """The client's results, by the keys of the questions. A tool is run again from its start once the answers are there,
        so what stands before a question must be harmless to repeat; the same keys then return at once.

        Raises:
            InputNeeded: let it pass.
            NotCapable: the client cannot be asked this.
            Unanswered: it was asked and did not answer.
        """

    def changed(self, what: Literal["tools", "prompts", "resources"]) -> None:
        """A list has changed: clients that listen are told."""

    def updated(self, uri: str) -> None:
        """A resource has changed: clients that listen to it are told."""
