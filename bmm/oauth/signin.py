"""Signing in: one-time links printed in the terminal, the first organisation and its owner, sessions."""

import sqlite3
from datetime import datetime, timedelta

from bmm.config import Config
from bmm.core.person import Person
from bmm.ids import new_id, new_token
from bmm.oauth.errors import PageError
from bmm.oauth.hashing import digest
from bmm.store import audit, people
from bmm.store.db import Statement, Store, one, run
from bmm.vault import Vault

LINK_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(days=30)


def first_link(store: Store, config: Config, now: datetime) -> str | None:
    """The link `bmm serve` prints at its start; None once an owner has signed in."""
    if store.one(people.first_owner()) is not None:
        return None
    url, statement = _link(config, now)
    store.apply(statement)
    return url


async def new_link(store: Store, config: Config, now: datetime) -> str:
    """A fresh one-time link for the owner. It is built from the configured origin, never from a Host header."""
    url, statement = _link(config, now)
    await store.aapply(statement, audit.wrote("anonymous", "signin.link", None, now))
    return url


async def link_works(store: Store, token: str, now: datetime) -> bool:
    """Whether this link can still be used; looking does not use it, because mail scanners and previews look."""
    found = await store.aone(people.link(digest(token)))
    return found is not None and found.used_at is None and found.expires_at > now


async def redeem_link(store: Store, vault: Vault, token: str, *, old_session: str | None, now: datetime) -> str:
    """Use a link up and sign its person in; returns the new session's token. The first one makes organisation and owner.

    Raises:
        PageError: used, expired or unknown.
    """
    return await store.atransact(lambda db: _redeem(db, vault, token, old_session, now))


async def person_of(store: Store, session: str | None, now: datetime) -> Person | None:
    """Who this session is, if it is one."""
    if session is None:
        return None
    user = await store.aone(people.signed_in(digest(session), now))
    if user is None:
        return None
    found = await store.aall(people.organisations_of(user.id))
    return Person(id=user.id, name=user.name, email=user.email, organisations=frozenset(row.value for row in found))


async def sign_out(store: Store, session: str, person: Person, now: datetime) -> None:
    await store.aapply(people.end_session(digest(session), now), audit.wrote(person.id, "signin.end", None, now))


def ensure_organisation(db: sqlite3.Connection, vault: Vault, now: datetime) -> str:
    """The id of this appliance's organisation, made if there is none; for use inside `Store.transact`.

    Deploying through the admin socket can come before anybody has signed in, so both ways lead through here.
    """
    if (found := one(db, people.first_organisation())) is not None:
        return found.value
    organisation_id = new_id("org")
    run(
        db,
        people.insert_organisation(organisation_id, "My organisation", data_key=vault.new_data_key(organisation_id), now=now),
        audit.wrote("system", "organisation.create", organisation_id, now, organisation_id),
    )
    return organisation_id


def _link(config: Config, now: datetime) -> tuple[str, Statement]:
    token = new_token()
    statement = people.insert_link(digest(token), user_id=None, now=now, expires_at=now + LINK_LIFE)
    return f"{config.public_url}/signin/{token}", statement


def _redeem(db: sqlite3.Connection, vault: Vault, token: str, old_session: str | None, now: datetime) -> str:
    link = one(db, people.link(digest(token)))
    if link is None or link.used_at is not None or link.expires_at <= now:
        raise PageError("A sign-in link works once, for 15 minutes. Ask for a new one.", title="This link no longer works", status=410)
    user_id = link.user_id or _ensure_owner(db, vault, now)
    session = new_token()
    if old_session is not None:
        run(db, people.end_session(digest(old_session), now))
    run(
        db,
        people.use_link(digest(token), now),
        people.insert_session(digest(session), user_id=user_id, now=now, expires_at=now + SESSION_LIFE),
        audit.wrote(user_id, "signin.start", None, now, ensure_organisation(db, vault, now)),
    )
    return session


def _ensure_owner(db: sqlite3.Connection, vault: Vault, now: datetime) -> str:
    organisation_id = ensure_organisation(db, vault, now)
    if (found := one(db, people.first_owner())) is not None:
        return found.value
    user_id = new_id("usr")
    run(
        db,
        people.insert_user(user_id, "Owner", now=now),
        people.insert_membership(organisation_id=organisation_id, user_id=user_id, role="owner", now=now),
        audit.wrote(user_id, "user.create", user_id, now, organisation_id, {"role": "owner"}),
    )
    return user_id
