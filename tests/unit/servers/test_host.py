"""What is concluded from podman's own description of a host, and what an operator is told when something is missing."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bmm.config import Config
from bmm.errors import EngineFailed
from bmm.servers.host import HostFacts, PodmanInfo, check_runtime, choose, podman_info, probe

V1: dict[str, object] = {"cgroupVersion": "v1", "cgroupManager": "cgroupfs", "cgroupControllers": []}
V2: dict[str, object] = {"cgroupVersion": "v2", "cgroupManager": "systemd", "cgroupControllers": ["cpu", "io", "memory", "pids"]}
EVERYTHING, NOTHING = (lambda name: True), (lambda name: False)


def test_cgroup_v1_gets_runc_and_no_limits() -> None:
    assert choose(info(V1), wanted="auto", installed=EVERYTHING) == HostFacts(
        oci_runtime="runc", cgroup_version=1, limits_enforced=False, podman_version="4.3.1",
        why="runc, on cgroup v1; rootless podman cannot limit CPU and memory on cgroup v1",
    )  # fmt: skip


def test_cgroup_v2_with_a_session_gets_crun_and_limits() -> None:
    assert choose(info(V2), wanted="auto", installed=EVERYTHING) == HostFacts(
        oci_runtime="crun", cgroup_version=2, limits_enforced=True, podman_version="4.3.1",
        why="crun, which starts faster, on cgroup v2; CPU, memory and process limits are enforced",
    )  # fmt: skip


def test_cgroup_v2_without_crun_falls_back_to_runc() -> None:
    assert choose(info(V2), wanted="auto", installed=lambda name: name == "runc").oci_runtime == "runc"


@pytest.mark.parametrize(
    ("change", "said"),
    [({"cgroupManager": "cgroupfs"}, "enable-linger"), ({"cgroupControllers": ["memory", "pids"]}, "delegate cpu")],
)
def test_limits_that_would_be_ignored_are_reported_with_their_cause(change: dict[str, object], said: str) -> None:
    facts = choose(info(V2 | change), wanted="auto", installed=EVERYTHING)
    assert not facts.limits_enforced
    assert said in facts.why


def test_an_operators_choice_is_kept() -> None:
    facts = choose(info(V2), wanted="runc", installed=EVERYTHING)
    assert (facts.oci_runtime, facts.why.split(";")[0]) == ("runc", "runc, as oci_runtime says")


@pytest.mark.parametrize(
    ("wanted", "cgroup", "command"), [("auto", V1, "install runc"), ("auto", V2, "install crun"), ("crun", V1, "install crun")]
)
def test_a_missing_runtime_is_named_with_its_package(wanted: str, cgroup: dict[str, object], command: str) -> None:
    with pytest.raises(EngineFailed, match=command):
        choose(info(cgroup), wanted=wanted, installed=NOTHING)


def test_a_user_without_subordinate_ids_is_told_to_get_some() -> None:
    with pytest.raises(EngineFailed, match="usermod --add-subuids"):
        choose(info(V1, ids=[{"size": 1}]), wanted="auto", installed=EVERYTHING)


def test_root_is_refused() -> None:
    with pytest.raises(EngineFailed, match="ordinary user"):
        choose(info(V1, rootless=False), wanted="auto", installed=EVERYTHING)


def test_a_missing_podman_is_named_with_its_package(public: Path) -> None:
    with pytest.raises(EngineFailed, match="apt-get install podman"):
        podman_info(str(public / "no-podman"))


def test_a_failing_podman_is_quoted(public: Path) -> None:
    with pytest.raises(EngineFailed, match="info` failed: cannot re-exec process"):
        podman_info(program(public, "echo starting >&2; echo cannot re-exec process >&2; exit 125"))


def test_an_answer_that_is_no_description_is_refused(public: Path) -> None:
    with pytest.raises(EngineFailed, match="unexpected"):
        podman_info(program(public, "echo '{}'"))


def test_a_missing_runtime_folder_is_named_with_the_command_that_builds_it(public: Path) -> None:
    with pytest.raises(EngineFailed, match=rf"runtime.py --to {public}/runtime"):
        probe(Config(runtime_dir=str(public / "runtime")))


def test_a_runtime_below_a_private_folder_is_refused(public: Path) -> None:
    runtime = made_runtime(public / "private")
    (public / "private").chmod(0o700)
    with pytest.raises(EngineFailed, match=rf"chmod o\+x {public}/private"):
        check_runtime(runtime)


def test_a_runtime_that_all_may_reach_is_accepted(public: Path) -> None:
    check_runtime(made_runtime(public))


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that others may pass through; pytest's own is private."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def made_runtime(parent: Path) -> Path:
    (parent / "runtime/one/rootfs").mkdir(parents=True)
    (parent / "runtime/current").symlink_to("one")
    for folder in parent.rglob("*"):
        folder.chmod(0o755)
    return parent / "runtime"


def program(folder: Path, script: str) -> str:
    path = folder / "podman"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def info(cgroup: dict[str, object], *, rootless: bool = True, ids: list[dict[str, int]] | None = None) -> PodmanInfo:
    host = cgroup | {"security": {"rootless": rootless}, "idMappings": {"uidmap": ids or [{"size": 1}, {"size": 65536}]}}
    return msgspec.json.decode(json.dumps({"host": host, "version": {"Version": "4.3.1"}}), type=PodmanInfo)
