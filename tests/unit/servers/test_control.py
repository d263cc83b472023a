"""The control folder changes file by file, each whole, and only where something changed."""

import os
from pathlib import Path

from bmm.servers import control
from runner.contract import Manifest, Policy

MANIFEST = Manifest(
    server_id="srv_1", slug="shop", title="Shop", version=1, bundle="b", issuer="http://localhost", resource="r", metadata_url="m"
)


def write(path: Path) -> dict[str, int]:
    control.write(path, manifest=MANIFEST, jwks=b'{"keys":[]}', policy=Policy())
    return {file.name: file.stat().st_ino for file in path.iterdir()}


def test_a_container_can_read_what_is_there_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        names = write(tmp_path / "ctr_1")
    finally:
        os.umask(before)
    assert set(names) == {"manifest.json", "hosts", "jwks.json", "policy.json"}
    assert {(tmp_path / "ctr_1" / name).stat().st_mode & 0o777 for name in names} == {0o644}
    assert (tmp_path / "ctr_1").stat().st_mode & 0o777 == 0o755


def test_only_what_changed_is_replaced(tmp_path: Path) -> None:
    before = write(tmp_path)
    control.refresh(tmp_path, jwks=b'{"keys":[]}', policy=Policy(revoked_grants=frozenset({"grt_1"})))
    after = {file.name: file.stat().st_ino for file in tmp_path.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"policy.json"}


def test_a_partial_file_of_a_crash_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".policy.json.partial").write_bytes(b"half")
    assert "policy.json" in write(tmp_path)
    assert not (tmp_path / ".policy.json.partial").exists()


def test_removing_twice_is_fine(tmp_path: Path) -> None:
    write(tmp_path / "ctr_1")
    control.remove(tmp_path / "ctr_1")
    control.remove(tmp_path / "ctr_1")
    assert not (tmp_path / "ctr_1").exists()
