"""What was tried with the candidate of a build, and so with the version it became."""

from datetime import datetime

import msgspec
from msgspec import Struct

from bmm.core.trial import Trial
from bmm.ids import text
from bmm.store.db import Query, Statement


class Kept(Struct, frozen=True, kw_only=True):
    """A row of `trials`; `trial` is JSON."""

    build_id: str
    trial: str

    @property
    def decoded(self) -> Trial:
        return msgspec.json.decode(self.trial, type=Trial)


def keep(build_id: str, trial: Trial, now: datetime) -> Statement:
    """The last trial of a build counts: one that was interrupted is repeated."""
    return Statement(
        "INSERT OR REPLACE INTO trials (build_id, at, trial) VALUES (:build_id, :at, :trial)",
        {"build_id": build_id, "at": text(now), "trial": msgspec.json.encode(trial).decode()},
    )


def of_build(build_id: str) -> Query[Kept]:
    return Query("SELECT build_id, trial FROM trials WHERE build_id = :build_id", {"build_id": build_id}, Kept)
