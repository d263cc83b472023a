"""What a server did: calls of its tools and lines of its log."""

from datetime import datetime

from msgspec import Struct


class Call(Struct, frozen=True, kw_only=True):
    id: str
    version: int
    at: datetime
    tool: str
    ok: bool
    ms: float
    error: str | None
    subject: str | None
    client: str | None


class LogLine(Struct, frozen=True, kw_only=True):
    id: int
    version: int
    at: datetime
    level: str
    tool: str | None
    message: str
