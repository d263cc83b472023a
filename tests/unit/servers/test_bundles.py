"""The same spec is the same folder, and nothing half-written has a name."""

from pathlib import Path

from msgspec.structs import replace

from bmm.servers import bundles
from runner.contract import AllowedHost, HttpTool, ServerSpec

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
