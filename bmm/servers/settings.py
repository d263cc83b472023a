"""What an owner changes of a server while it runs. Containers learn of it through their policy file, without a restart."""

import sqlite3
from datetime import datetime

from bmm.config import MOST_CALLS_PER_MINUTE
from bmm.core.origin import MOST_ORIGINS, check_origin
from bmm.core.server import Server
from bmm.core.settings import ServerSettings
from bmm.errors import BadInput, Conflict, NotFound
from bmm.store import audit, settings
from bmm.store.db import Statement, Store, one, run


def read(store: Store, server: Server) -> ServerSettings:
    """The settings of a server that exists."""
    found = store.one(settings.of_server(server.id))
    assert found is not None
    return found


def limit_calls(store: Store, server: Server, per_minute: int | None, *, actor: str, now: datetime) -> None:
    """Tool calls per minute of one grant; None: as many as the appliance's own setting says.

    Raises:
        BadInput: not between 1 and 100,000.
    """
    if per_minute is not None and not 1 <= per_minute <= MOST_CALLS_PER_MINUTE:
        raise BadInput(f"A server can allow 1 to {MOST_CALLS_PER_MINUTE} calls per minute and grant, not {per_minute}")
    change = settings.set_calls_per_minute(server.id, per_minute, now)
    store.apply(change, _wrote(server, "server.limits", actor, now, calls_per_minute=str(per_minute or "default")))


def allow_origin(store: Store, server: Server, text: str, *, actor: str, now: datetime) -> None:
    """Let pages of an origin use the server; twice is once.

    Raises:
        BadInput: not one origin.
        Conflict: there are too many already.
    """
    origin = check_origin(text)

    def act(db: sqlite3.Connection) -> None:
        present = one(db, settings.of_server(server.id))
        if present is None or origin in present.origins:
            return
        if len(present.origins) >= MOST_ORIGINS:
            raise Conflict(f"{server.slug} allows {MOST_ORIGINS} origins already; remove one first")
        run(db, settings.allow_origin(server.id, origin, now), _wrote(server, "server.origin.allow", actor, now, origin=origin))

    store.transact(act)


def forget_origin(store: Store, server: Server, text: str, *, actor: str, now: datetime) -> None:
    """Let pages of an origin no longer use the server.

    Raises:
        BadInput: not one origin.
        NotFound: it was not allowed.
    """
    origin = check_origin(text)

    def act(db: sqlite3.Connection) -> None:
        present = one(db, settings.of_server(server.id))
        if present is None or origin not in present.origins:
            raise NotFound(f"{server.slug} does not allow {origin}; `bmm origins {server.slug}` lists what it does")
        run(db, settings.forget_origin(server.id, origin), _wrote(server, "server.origin.forget", actor, now, origin=origin))

    store.transact(act)


def publish(store: Store, server: Server, *, public: bool, actor: str, now: datetime) -> None:
    """Show the server's card to everybody, or to nobody. Who may call it is another matter."""
    store.apply(settings.set_public(server.id, now, public=public), _wrote(server, f"server.{'' if public else 'un'}publish", actor, now))


def _wrote(server: Server, action: str, actor: str, now: datetime, **detail: str) -> Statement:
    return audit.wrote(actor=actor, action=action, target=server.id, now=now, organisation_id=server.organisation_id, detail=detail)
