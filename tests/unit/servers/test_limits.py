"""What is concluded from the files of a container's cgroup: equal to the plan, or named."""

from pathlib import Path

import pytest

from bmm.errors import LimitsUnenforced
from bmm.servers.limits import InForce, check, differences, in_force
from bmm.servers.plan import Limits

ASKED = Limits(memory_mb=256, cpus=0.5, pids=64)
SCOPE = "user.slice/user-1000.slice/user@1000.service/user.slice/libpod-1f.scope"
AS_ASKED = {"memory.max": "268435456", "memory.swap.max": "0", "cpu.max": "50000 100000", "pids.max": "64"}
OPEN = {"memory.max": "max", "memory.swap.max": "max", "cpu.max": "max 100000", "pids.max": "max"}
PID = 4711


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host on which process 4711 is in the container's scope."""
    belongs(tmp_path, f"0::/{SCOPE}\n")
    return tmp_path


def belongs(root: Path, text: str) -> None:
    folder = root / "proc" / str(PID)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup").write_text(text)


def cgroup(root: Path, name: str, files: dict[str, str]) -> None:
    folder = root / "sys/fs/cgroup" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file).write_text(content + "\n")


def test_limits_as_asked_pass(root: Path) -> None:
    cgroup(root, SCOPE, AS_ASKED)
    assert in_force(PID, root=root) == InForce(memory_bytes=256 * 1024**2, swap_bytes=0, cpus=0.5, pids=64)
    check(PID, ASKED, root=root)


@pytest.mark.parametrize("limited", [SCOPE, f"{SCOPE}/container"])
def test_limits_may_be_on_the_scope_or_on_the_child_that_crun_makes(root: Path, limited: str) -> None:
    belongs(root, f"0::/{SCOPE}/container\n")
    for name in (SCOPE, f"{SCOPE}/container"):
        cgroup(root, name, AS_ASKED if name == limited else OPEN | {"pids.max": "3474"})  # as on Debian 12
    check(PID, ASKED, root=root)


def test_a_limit_of_a_slice_above_is_not_this_containers(root: Path) -> None:
    cgroup(root, str(Path(SCOPE).parent), AS_ASKED)
    cgroup(root, SCOPE, OPEN)
    with pytest.raises(LimitsUnenforced, match="memory: asked 256 MB, in force no limit"):
        check(PID, ASKED, root=root)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("memory.max", "max", "memory: asked 256 MB, in force no limit"),
        ("memory.max", "536870912", "memory: asked 256 MB, in force 512 MB"),
        ("memory.swap.max", "max", "swap: asked none, in force no limit"),
        ("memory.swap.max", "268435456", "swap: asked none, in force 256 MB"),
        ("cpu.max", "max 100000", "CPUs: asked 0.5, in force no limit"),
        ("cpu.max", "200000 100000", "CPUs: asked 0.5, in force 2"),
        ("pids.max", "max", "processes: asked 64, in force no limit"),
        ("pids.max", "2048", "processes: asked 64, in force 2048"),
    ],
)
def test_a_limit_that_differs_is_named_with_both_values(root: Path, file: str, content: str, said: str) -> None:
    cgroup(root, SCOPE, AS_ASKED | {file: content})
    found = in_force(PID, root=root)
    assert found is not None
    assert differences(ASKED, found) == [said]


@pytest.mark.parametrize("file", AS_ASKED)
def test_a_controller_that_is_not_delegated_counts_as_no_limit(root: Path, file: str) -> None:
    cgroup(root, SCOPE, {name: content for name, content in AS_ASKED.items() if name != file})
    with pytest.raises(LimitsUnenforced, match="in force no limit"):
        check(PID, ASKED, root=root)


def test_all_that_differ_are_in_one_sentence(root: Path) -> None:
    cgroup(root, SCOPE, OPEN)
    with pytest.raises(LimitsUnenforced) as refused:
        check(PID, ASKED, root=root)
    assert all(word in refused.value.user_message for word in ("memory:", "swap:", "CPUs:", "processes:"))


def test_what_systemd_rounds_is_not_a_difference(root: Path) -> None:
    cgroup(root, SCOPE, AS_ASKED | {"cpu.max": "34000 100000"})
    check(PID, Limits(memory_mb=256, cpus=0.333, pids=64), root=root)


def test_a_process_that_has_gone_is_not_judged(root: Path, tmp_path: Path) -> None:
    check(PID, ASKED, root=root)  # its cgroup has been removed
    assert in_force(PID + 1, root=tmp_path) is None


def test_the_hybrid_layout_is_read_by_its_version_2_line(root: Path) -> None:
    belongs(root, f"5:memory:/elsewhere\n1:name=systemd:/elsewhere\n0::/{SCOPE}\n")
    cgroup(root, SCOPE, AS_ASKED)
    check(PID, ASKED, root=root)
