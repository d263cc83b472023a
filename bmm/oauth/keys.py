"""The keys access tokens are signed with: made on first use, sealed at rest, replaced with an overlap."""

import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
from joserfc.jwk import KeySet, RSAKey

from bmm.ids import now as real_clock
from bmm.store import audit, oauth
from bmm.store.db import Store, run
from bmm.vault import Vault

PUBLISH_AHEAD = timedelta(seconds=60)
"""A new key is published this long before it signs, so that every guard and every cache knows it by then."""

Jwk = dict[str, str | list[str]]
Jwks = dict[str, list[Jwk]]


class Keys:
    """The signing keys of this appliance. Thread-safe; every method may make the first key (about 0.2 s)."""

    def __init__(self, store: Store, vault: Vault, clock: Callable[[], datetime] = real_clock) -> None:
        self._store, self._vault, self._clock = store, vault, clock
        self._opened: dict[str, RSAKey] = {}
        self._lock = threading.Lock()

    def current(self) -> RSAKey:
        """The private key to sign with now; its `kid` names it in the JWKS."""
        now = self._clock()
        signing = [row for row in self._rows(now) if row.retired_at is None or row.retired_at > now]
        return self._open(signing[0])

    def public_jwks(self) -> Jwks:
        """The JWKS that guards and `/.well-known/jwks.json` publish: every key by which a valid token may be signed."""
        return {"keys": [msgspec.json.decode(row.public, type=Jwk) for row in self._rows(self._clock())]}

    def public_set(self) -> KeySet:
        """The same as joserfc reads it."""
        return KeySet([RSAKey.import_key(key) for key in self.public_jwks()["keys"]])

    def rotate(self, now: datetime) -> str:
        """Bring in a new key; returns its id. The caller wakes reconcile, so that containers get the new JWKS at once."""
        row = self._generate(now)
        self._store.apply(
            oauth.retire_signing_keys(now + PUBLISH_AHEAD),
            oauth.insert_signing_key(row),
            audit.wrote("system", "signing_key.rotate", row.id, now),
        )
        return row.id

    def _rows(self, now: datetime) -> list[oauth.KeyRow]:
        rows = self._store.all(oauth.signing_keys(now))
        if any(row.retired_at is None for row in rows):
            return rows
        with self._lock:
            fresh = self._generate(now)
            self._store.transact(lambda db: _insert_unless_there(db, fresh, now))
        return self._store.all(oauth.signing_keys(now))

    def _generate(self, now: datetime) -> oauth.KeyRow:
        key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, private=True, auto_kid=True)
        assert key.kid is not None
        sealed = self._vault.seal(msgspec.json.encode(key.as_dict(private=True)), f"signing-key:{key.kid}")
        public = msgspec.json.encode(key.as_dict(private=False)).decode()
        return oauth.KeyRow(id=key.kid, public=public, sealed=sealed, created_at=now, retired_at=None)

    def _open(self, row: oauth.KeyRow) -> RSAKey:
        if (known := self._opened.get(row.id)) is not None:
            return known
        plain = self._vault.open(row.sealed, f"signing-key:{row.id}")
        return self._opened.setdefault(row.id, RSAKey.import_key(msgspec.json.decode(plain, type=Jwk)))


def _insert_unless_there(db: sqlite3.Connection, fresh: oauth.KeyRow, now: datetime) -> None:
    rows = db.execute("SELECT 1 FROM signing_keys WHERE retired_at IS NULL LIMIT 1").fetchone()
    if rows is None:
        run(db, oauth.insert_signing_key(fresh), audit.wrote("system", "signing_key.create", fresh.id, now))
