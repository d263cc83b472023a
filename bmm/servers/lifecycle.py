"""What an owner does with a server that exists: choose a version, set secrets, delete."""

import contextlib
import re
import sqlite3
from datetime import datetime
from pathlib import Path

from bmm.core.server import Server
from bmm.errors import BadInput, Conflict, NotFound
from bmm.servers import bundles
from bmm.servers.reconcile import Reconciler
from bmm.store import audit, builds, oauth, secrets, servers
from bmm.store.db import Stale, Store, one, run
from bmm.vault import Vault
from runner.contract import SECRET_KEY, ServerSpec

MOST_SECRET_BYTES = 64 * 1024


def find(store: Store, organisation_id: str, slug: str) -> Server:
    """The organisation's server with this slug.

    Raises:
        NotFound: it has none.
    """
    server = store.one(servers.by_slug(organisation_id, slug))
    if server is None:
        raise NotFound(f"There is no server {slug!r}; `bmm ps` lists those there are")
    return server


def roll_back(store: Store, reconciler: Reconciler, server: Server, *, number: int | None, actor: str, now: datetime) -> int:
    """Run an older version again, by default the last good one before the present; returns its number once it answers.

    Raises:
        NotFound: there is no such version, or none before the present one.
        EngineFailed: it could not be started; the present version runs on.
    """
    with reconciler.alone(server.slug):
        return _roll_back(store, reconciler, server.id, number=number, actor=actor, now=now)


def _roll_back(store: Store, reconciler: Reconciler, server_id: str, *, number: int | None, actor: str, now: datetime) -> int:
    server = store.one(servers.by_id(server_id))
    if server is None or server.version is None:
        raise Conflict("There is no live version to roll back from")
    present = server.version
    if number is None:
        before = store.one(servers.last_live_before(server.id, present))
        number = before.value if before else None
        if number is None:
            raise NotFound(f"{server.slug} has no version before {present}")
    if store.one(servers.version(server.id, number)) is None:
        known = ", ".join(str(version.number) for version in store.all(servers.versions(server.id)))
        raise NotFound(f"{server.slug} has no version {number}; it has {known}")
    good = store.one(servers.last_live_before(server.id, number + 1))
    if good is None or good.value != number:
        raise Conflict(f"Version {number} of {server.slug} never went live; choose another")
    store.apply(
        servers.run_version(server.id, number, name=server.name, now=now),
        audit.wrote(
            actor=actor,
            action="server.rollback",
            target=server.id,
            now=now,
            organisation_id=server.organisation_id,
            detail={"version": str(number)},
        ),
    )
    try:
        reconciler.make_true(server.id)
    except Exception:
        with contextlib.suppress(Stale):  # deleted meanwhile
            store.apply(servers.run_version(server.id, present, name=server.name, now=now))
        reconciler.wake()
        raise
    return number


def delete(store: Store, reconciler: Reconciler, server: Server, *, actor: str, now: datetime) -> None:
    """End a server for good: its container, its address, its secrets and every token for it. The slug stays its owner's."""

    def mark(db: sqlite3.Connection) -> None:
        fresh = one(db, servers.by_id(server.id))
        if fresh is None or fresh.status == "deleted":
            raise NotFound(f"{server.slug} is already deleted")
        for build in db.execute("SELECT id FROM builds WHERE server_id = ? AND finished_at IS NULL", (server.id,)).fetchall():
            run(db, builds.finish_failed(build["id"], code="deleted", error="The server was deleted while it was being built", now=now))
        run(
            db,
            oauth.revoke_grants_of_server(server.id, why="server deleted", now=now),
            servers.mark_deleted(server.id, now),
            secrets.remove_all(server.id),
            audit.wrote(actor=actor, action="server.delete", target=server.id, now=now, organisation_id=server.organisation_id, detail={}),
        )

    store.transact(mark)
    reconciler.make_true(server.id)


def put_secret(
    store: Store, vault: Vault, data: Path, server: Server, *, key: str, value: str, ahead: bool, actor: str, now: datetime
) -> None:
    """Set or replace a secret; the running version is handed over to a container that has it.

    `ahead` allows a key that only the next version will use.

    Raises:
        BadInput: an illegal or superfluous key, an empty or too long value.
    """
    if not re.fullmatch(SECRET_KEY, key):
        raise BadInput(f"{key!r} cannot be a secret's name: use capital letters, digits and underscores, such as SHOP_API_KEY")
    if not value or len(value.encode()) > MOST_SECRET_BYTES:
        raise BadInput(f"The value of {key} must have between 1 and {MOST_SECRET_BYTES} bytes")
    spec = live_spec(store, data, server)
    if spec is not None and not ahead and key not in {need.key for need in spec.secrets}:
        needed = ", ".join(need.key for need in spec.secrets) or "none"
        raise BadInput(
            f"{server.slug} does not use a secret {key}; it uses {needed}. Add --next to set it for a version you are about to deploy"
        )
    wrapped = store.one(secrets.data_key(server.organisation_id))
    assert wrapped is not None
    sealed = vault.seal_secret(value, organisation_id=server.organisation_id, data_key=wrapped.data_key, server_id=server.id, key=key)
    secret = secrets.SealedSecret(key=key, organisation_id=server.organisation_id, sealed=sealed, updated_at=now)

    def put(db: sqlite3.Connection) -> None:
        fresh = one(db, servers.by_id(server.id))
        if fresh is None or fresh.status == "deleted":
            raise NotFound(f"{server.slug} has been deleted")
        run(
            db,
            secrets.put(server.id, secret),
            audit.wrote(
                actor=actor, action="secret.set", target=server.id, now=now, organisation_id=server.organisation_id, detail={"key": key}
            ),
        )

    store.transact(put)


def remove_secret(store: Store, data: Path, server: Server, *, key: str, actor: str, now: datetime) -> None:
    """Forget a secret.

    Raises:
        Conflict: the running version needs it.
        NotFound: it is not set.
    """
    spec = live_spec(store, data, server)
    if spec is not None and key in {need.key for need in spec.secrets if need.required}:
        raise Conflict(f"{server.slug} needs {key}; replace it with `bmm secret set {server.slug} {key}`")
    if key not in {secret.key for secret in store.all(secrets.of_server(server.id))}:
        raise NotFound(f"{server.slug} has no secret {key}")
    store.apply(
        secrets.remove(server.id, key),
        audit.wrote(
            actor=actor, action="secret.remove", target=server.id, now=now, organisation_id=server.organisation_id, detail={"key": key}
        ),
    )


def live_spec(store: Store, data: Path, server: Server) -> ServerSpec | None:
    """The spec of the version that runs; None before the first."""
    if server.version is None:
        return None
    version = store.one(servers.version(server.id, server.version))
    return bundles.load(data, version.bundle) if version else None
