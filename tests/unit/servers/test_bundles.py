"""The same spec is the same folder, and nothing half-written has a name."""

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from bmm.errors import BadInput
from bmm.servers import bundles, uploads
from runner.contract import AllowedHost, Database, HttpTool, ServerSpec

SPEC = ServerSpec(
    name="Shop",
    hosts=(AllowedHost(name="shop.test"),),
    tools=(HttpTool(name="ping", description="Ping", input_schema={"type": "object"}, method="GET", server="https://shop.test", path="/"),),
)


def test_the_same_spec_has_the_same_name_and_another_has_another(tmp_path: Path) -> None:
    first, again, other = (bundles.store(tmp_path, one) for one in (SPEC, SPEC, replace(SPEC, name="Other")))
    assert first == again != other
    assert bundles.load(tmp_path, first) == SPEC
    assert sorted(path.name for path in (tmp_path / "bundles").iterdir()) == sorted([first, other])


def test_other_users_can_read_it(tmp_path: Path) -> None:
    folder = bundles.folder(tmp_path, bundles.store(tmp_path, SPEC))
    assert (folder.stat().st_mode & 0o777, (folder / "spec.json").stat().st_mode & 0o777) == (0o755, 0o644)


def test_a_half_written_bundle_of_a_crash_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "bundles" / ".partial-crash").mkdir(parents=True)
    assert bundles.load(tmp_path, bundles.store(tmp_path, SPEC)) == SPEC


def test_a_later_version_has_the_file_of_an_earlier_one_when_the_upload_is_long_gone(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"rows").hexdigest()
    uploads.path_of(tmp_path, digest).parent.mkdir()
    uploads.path_of(tmp_path, digest).write_bytes(b"rows")
    first = replace(SPEC, databases=(Database(name="main", kind="sqlite", file=digest),))
    bundles.store(tmp_path, first)
    uploads.path_of(tmp_path, digest).unlink()
    later = bundles.folder(tmp_path, bundles.store(tmp_path, replace(first, name="Later")))
    assert (later / "files" / digest).read_bytes() == b"rows"
    with pytest.raises(BadInput, match="was not uploaded"):
        bundles.store(tmp_path, replace(first, databases=(Database(name="main", kind="sqlite", file="0" * 64),)))
    assert len(list((tmp_path / "bundles").iterdir())) == 2, "what was not finished is gone"
