"""Signing keys over time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from joserfc import jwt

from bmm.config import Config
from bmm.oauth.keys import PUBLISH_AHEAD, Keys
from bmm.oauth.signin import ensure_organisation
from bmm.oauth.tokens import Claims, claims_for, personal_token, read, signed
from bmm.store.db import Statement, Store
from bmm.vault import Vault, WrongKey

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
CONFIG = Config()


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "bmm.db")
    yield opened
    opened.close()


@pytest.fixture
def vault() -> Vault:
    return Vault(b"k" * 32)


def claims(now: datetime) -> Claims:
    return claims_for(
        CONFIG,
        slug="shop",
        server_id="srv",
        subject="usr",
        client_id="cli",
        scope="read",
        grant_id="grt",
        now=now,
        life=timedelta(minutes=15),
    )


def test_the_first_use_makes_the_key_and_a_restart_finds_it(store: Store, vault: Vault) -> None:
    first = Keys(store, vault).current()
    again = Keys(store, vault)
    assert again.current().kid == first.kid
    (public,) = again.public_jwks()["keys"]
    assert (public["kty"], public["alg"], public["use"], public["kid"]) == ("RSA", "RS256", "sig", first.kid)
    assert not {"d", "p", "q"} & set(public)


def test_a_private_key_is_sealed_and_another_master_key_does_not_open_it(store: Store, vault: Vault) -> None:
    Keys(store, vault).current()
    sealed = store.transact(lambda db: db.execute("SELECT sealed FROM signing_keys").fetchone()[0])
    assert b'"d"' not in sealed
    with pytest.raises(WrongKey):
        Keys(store, Vault(b"x" * 32)).current()


def test_a_token_is_an_at_jwt_for_one_server(store: Store, vault: Vault) -> None:
    keys = Keys(store, vault)
    token = signed(keys, claims(START))
    decoded = jwt.decode(token, keys.public_set(), algorithms=["RS256"])
    assert decoded.header == {"alg": "RS256", "typ": "at+jwt", "kid": keys.current().kid}
    assert decoded.claims["aud"] == ["http://localhost:8080/s/shop/mcp"]
    assert decoded.claims["exp"] - decoded.claims["iat"] == 900
    assert read(keys, token) == claims(START).__class__(**decoded.claims)
    assert read(keys, token[:-4] + "AAAA") is None
    assert read(keys, "a.b.c") is None


def test_a_rotated_key_is_published_before_it_signs_and_the_old_one_verifies_until_its_tokens_are_dead(store: Store, vault: Vault) -> None:
    clock = Clock()
    keys = Keys(store, vault, clock)
    old = keys.current().kid
    new = keys.rotate(START)
    assert {key["kid"] for key in keys.public_jwks()["keys"]} == {old, new}
    assert keys.current().kid == old
    clock.now = START + PUBLISH_AHEAD
    last_of_old = signed(Keys(store, vault, lambda: clock.now - timedelta(seconds=1)), claims(clock.now))
    assert keys.current().kid == new
    clock.now += timedelta(minutes=15)
    assert read(keys, last_of_old) is not None
    clock.now += timedelta(minutes=5)
    assert [key["kid"] for key in keys.public_jwks()["keys"]] == [new]
    assert read(keys, last_of_old) is None


def test_a_retired_key_stays_published_while_a_personal_token_of_its_time_lives(store: Store, vault: Vault) -> None:
    clock = Clock()
    keys = Keys(store, vault, clock)
    organisation_id = store.transact(lambda db: ensure_organisation(db, vault, START))
    store.apply(
        Statement(
            "INSERT INTO servers (id, organisation_id, slug, name, status, uid_block, created_at, updated_at) "
            "VALUES ('srv', :org, 'shop', 'Shop', 'live', 0, '', '')",
            {"org": organisation_id},
        )
    )
    token = personal_token(
        store,
        keys,
        server_id="srv",
        slug="shop",
        scopes=("read",),
        organisation_id=organisation_id,
        user_id=None,
        days=30,
        now=START,
        config=CONFIG,
    )
    keys.rotate(START)
    clock.now = START + timedelta(days=29)
    assert read(keys, token) is not None
    clock.now = START + timedelta(days=31)
    assert read(keys, token) is None
