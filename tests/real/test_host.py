"""What the appliance does about a Podman that has lost its processes."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bmm import config
from bmm.servers import host
from tests.waiting import eventually

PROBE = "from bmm.servers import host; print(host.podman_info('podman').host.security.rootless)"
TRIES = 5
WAIT = "import time; time.sleep(120)"


def test_podman_whose_processes_were_all_killed_at_once_is_brought_back(podman_of_its_own: dict[str, str]) -> None:
    for _ in range(TRIES):
        kill_everything_of(podman_of_its_own, start_a_container(podman_of_its_own))
        lost = podman(podman_of_its_own, "info")
        if lost.returncode != 0:  # else it found something to join after all, which is Podman's affair
            break
    assert lost.returncode != 0
    assert "podman system migrate" in lost.stderr
    probed = subprocess.run((sys.executable, "-c", PROBE), env=podman_of_its_own, capture_output=True, text=True, timeout=60)
    assert (probed.returncode, probed.stdout) == (0, "True\n"), probed.stderr
    assert podman(podman_of_its_own, "info").returncode == 0


@pytest.fixture
def podman_of_its_own(components: None) -> Iterator[dict[str, str]]:
    """The environment of a Podman that shares nothing with this user's other containers."""
    with tempfile.TemporaryDirectory(prefix="bmm-home-") as home, tempfile.TemporaryDirectory(prefix="bmm-run-") as run:
        environ = os.environ | {"HOME": home, "XDG_RUNTIME_DIR": run}
        yield environ
        podman(environ, "rm", "--all", "--force", "--time=0")
        podman(environ, "unshare", "rm", "-rf", f"{home}/.local")
        kill_everything_of(environ, [])


def start_a_container(environ: dict[str, str]) -> list[int]:
    """The processes of a container that waits: conmon first, so that it cannot note the other's end."""
    rootfs = (config.load().runtime / "current/rootfs").resolve()
    usr = f"type=bind,source={rootfs.parent / 'usr'},target=/usr,ro"
    oci = f"--runtime={host.probe(config.load()).oci_runtime}"
    # Without these Podman makes folders of its own in the root file system that all containers share.
    options = ("--network=none", "--no-hosts", "--read-only", "--read-only-tmpfs=false", f"--mount={usr}", "--rootfs", str(rootfs))
    started = podman(environ, oci, "run", "--detach", *options, "/usr/bin/python3", "-c", WAIT)
    assert started.returncode == 0, started.stderr
    pids = podman(environ, "inspect", "--format={{.State.ConmonPid}} {{.State.Pid}}", started.stdout.strip())
    return [int(pid) for pid in pids.stdout.split()]


def kill_everything_of(environ: dict[str, str], pids: list[int]) -> None:
    """kill -9 for these and for the process that holds the user namespace; returns when they are dead, which can take the kernel a while."""
    pause = Path(environ["XDG_RUNTIME_DIR"], "libpod/tmp/pause.pid")
    doomed = (*pids, *([int(pause.read_text())] if pause.exists() else []))
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in doomed))


def alive(pid: int) -> bool:
    """Whether the process still runs; one that waits to be collected by its parent doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def podman(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:  # not pipes, which conmon would keep open
        done = subprocess.run(("podman", *words), env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=60)
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())
