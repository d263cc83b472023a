"""What the JSON API takes and gives, for the handlers and for the command line; imports nothing heavy."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from bmm.core.difference import Difference
from bmm.core.draft import Draft, Round
from bmm.core.finding import Finding
from bmm.core.outline import Outline
from bmm.core.server import Version
from bmm.core.tool_list import ToolList
from bmm.servers.install import Snippet
from runner.contract import ServerSpec

MOST_SPEC_BYTES = 16 * 1024 * 1024
MOST_SECRET_BYTES = 64 * 1024


class Accepted(Struct, frozen=True, kw_only=True):
    build_id: str


class DraftAccepted(Struct, frozen=True, kw_only=True):
    draft_id: str


class DraftShown(Struct, frozen=True, kw_only=True):
    """A draft as its owner sees it. `spec` is what it suggests, `base` what it began from; `difference` what lies between the two.

    `by_model`: all of the difference was written by a model. `held`: secrets whose values stood in what was given; a build sets them.
    """

    draft: Draft
    rounds: tuple[Round, ...]
    findings: tuple[Finding, ...]
    plan: Outline | None
    spec: ServerSpec | None
    base: ServerSpec | None
    difference: Difference | None
    """None where there is nothing to compare with."""
    cost_micro_usd: int
    by_model: bool = False
    held: tuple[str, ...] = ()


class Confirmed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What to build of a draft: `spec` where a person edited it, else its suggestion; `slug` where the draft has none, or another one."""

    slug: str | None = None
    spec: msgspec.Raw = msgspec.Raw()


class Compared(Struct, frozen=True, kw_only=True):
    """Two versions of a server; the plan is the newer one's."""

    before: int
    after: int
    plan: Outline
    difference: Difference


class Settings(Struct, frozen=True, kw_only=True):
    """What may change while a server runs. `own_limit`: the server has a limit of its own, else the appliance's holds."""

    calls_per_minute: int
    own_limit: bool
    origins: tuple[str, ...]
    public: bool


class Shown(Struct, frozen=True, kw_only=True):
    """A server as its owner sees it."""

    id: str
    slug: str
    name: str
    status: str
    version: int | None
    url: str
    versions: tuple[Version, ...]
    settings: Settings
    snippets: tuple[Snippet, ...]
    tool_list: ToolList | None = None
    """None while no version answers."""


class CallLimit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """None: as the appliance's own setting says."""

    calls_per_minute: int | None


class Origin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    origin: str


class Publicity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    public: bool


class RollBack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Annotated[int, Meta(ge=1, le=2**53)] | None = None


class TokenWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    days: int = 30


class Token(Struct, frozen=True, kw_only=True):
    token: str
    expires_in_days: int


class SecretValue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ahead`: the running version does not use it, the next one will."""

    value: str
    ahead: bool = False


class SecretShown(Struct, frozen=True, kw_only=True):
    """`updated_at` is None while the secret is missing."""

    key: str
    hint: str
    required: bool
    updated_at: datetime | None
