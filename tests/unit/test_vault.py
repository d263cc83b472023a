"""Keys and what is sealed under them."""

import stat
from pathlib import Path

import pytest

from bmm.vault import Vault, WrongKey

SECRET = {"organisation_id": "org_1", "server_id": "srv_1", "key": "API_KEY"}


def test_the_key_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"
    sealed = Vault.at(path).seal(b"words", "here")
    assert Vault.at(path).open(sealed, "here") == b"words"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["master.key"]


def test_a_lost_key_is_not_replaced_where_data_depends_on_it(tmp_path: Path) -> None:
    with pytest.raises(WrongKey, match="missing"):
        Vault.at(tmp_path / "master.key", may_make=False)
    assert not (tmp_path / "master.key").exists()


@pytest.mark.parametrize("content", [b"", b"k" * 16, b"k" * 33])
def test_a_file_that_is_not_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "master.key").write_bytes(content)
    with pytest.raises(WrongKey, match="not a key of 32"):
        Vault.at(tmp_path / "master.key")


@pytest.mark.parametrize("moved", [{"organisation_id": "org_2"}, {"server_id": "srv_2"}, {"key": "OTHER"}])
def test_a_secret_opens_only_where_it_was_sealed(moved: dict[str, str]) -> None:
    vault = Vault(b"k" * 32)
    keys = {one: vault.new_data_key(one) for one in ("org_1", "org_2")}
    sealed = vault.seal_secret("hush", data_key=keys["org_1"], **SECRET)
    assert vault.open_secret(sealed, data_key=keys["org_1"], **SECRET) == "hush"
    place = SECRET | moved
    with pytest.raises(WrongKey) as refused:
        vault.open_secret(sealed, data_key=keys[place["organisation_id"]], **place)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 40])
def test_damaged_bytes_do_not_open(damage: bytes) -> None:
    with pytest.raises(WrongKey):
        Vault(b"k" * 32).open(damage, "here")


def test_a_derived_key_is_the_same_after_a_restart_and_another_for_each_purpose_and_master() -> None:
    key = Vault(b"k" * 32).derived_key("request-state:srv_1")
    assert len(key) == 32
    assert Vault(b"k" * 32).derived_key("request-state:srv_1") == key
    others = {Vault(b"k" * 32).derived_key("request-state:srv_2"), Vault(b"l" * 32).derived_key("request-state:srv_1"), b"k" * 32}
    assert len(others | {key}) == 4
