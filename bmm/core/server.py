"""A server, its versions and the container that runs one of them."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

MOST_SERVERS = 1023
"""Each server has its own block of 64 ids out of the 65,536 subordinate ids of one user."""


class ServerStatus(StrEnum):
    DRAFT = "draft"
    LIVE = "live"
    FAILED = "failed"
    DELETED = "deleted"


class Server(Struct, frozen=True, kw_only=True):
    """A row of `servers`. `version` is the one that should run; None before the first."""

    id: str
    organisation_id: str
    slug: str
    name: str
    status: ServerStatus
    version: int | None
    uid_block: int
    created_at: datetime
    updated_at: datetime


class Version(Struct, frozen=True, kw_only=True):
    """A bundle that passed its checks."""

    server_id: str
    number: int
    bundle: str
    build_id: str
    created_at: datetime


class Container(Struct, frozen=True, kw_only=True):
    """One start of one version, with the event file it appends to."""

    id: str
    server_id: str
    version: int
    event_file: str
    event_offset: int
    started_at: datetime


class Overview(Struct, frozen=True, kw_only=True):
    """A line of `bmm ps`."""

    id: str
    slug: str
    name: str
    status: str
    version: int | None
    calls_24h: int
    failed_24h: int
    public: bool
    updated_at: datetime
