"""What a container appends to its event file, one JSON line each; part of `runner.contract`."""

from typing import Literal

from msgspec import Struct


class CallEvent(Struct, frozen=True, kw_only=True, tag="call", tag_field="type"):
    """One `tools/call`, counted whatever its outcome. `at` is UTC ISO 8601, `ms` the duration in milliseconds."""

    id: str
    at: str
    tool: str
    ok: bool
    ms: float
    version: int
    error: str | None = None
    subject: str | None = None
    client: str | None = None
    grant: str | None = None


class LogEvent(Struct, frozen=True, kw_only=True, tag="log", tag_field="type"):
    """One line for the owner's log. `at` is UTC ISO 8601."""

    at: str
    level: Literal["debug", "info", "warning", "error"]
    message: str
    tool: str | None = None


Event = CallEvent | LogEvent
