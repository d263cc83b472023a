"""The audit log: who did what to what; a row is written in the transaction of the change it tells of."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from bmm.ids import text
from bmm.store.db import Statement


def wrote(
    actor: str,
    action: str,
    target: str | None,
    now: datetime,
    organisation_id: str | None = None,
    detail: Mapping[str, str] | None = None,
) -> Statement:
    """`actor` is a user id, `client:<id>`, `operator` or `system`; `action` is `noun.verb`; `detail` never holds a secret."""
    return Statement(
        """
        INSERT INTO audit (at, organisation_id, actor, action, target, detail)
        VALUES (:at, :organisation_id, :actor, :action, :target, :detail)
        """,
        {
            "at": text(now),
            "organisation_id": organisation_id,
            "actor": actor,
            "action": action,
            "target": target,
            "detail": msgspec.json.encode(detail or {}).decode(),
        },
    )
