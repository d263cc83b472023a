"""What this host can do for containers: which OCI runtime works, whether limits are enforced, whether the shared runtime is usable."""

import contextlib
import logging
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from bmm.config import Config
from bmm.errors import EngineFailed

log = logging.getLogger("bmm.host")

LIMIT_CONTROLLERS = frozenset({"cpu", "memory", "pids"})
PROBE_SECONDS = 30.0
MIGRATE_SECONDS = 600.0
# runc lies in /usr/sbin, which is not in every user's PATH; podman looks there by itself.
RUNTIME_PLACES = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"


class HostFacts(Struct, frozen=True, kw_only=True):
    """The answer of a probe; `why` is a sentence for the operator about the choice and what is missing."""

    oci_runtime: str
    cgroup_version: int
    limits_enforced: bool
    podman_version: str
    why: str


class _IdRange(Struct, frozen=True):
    size: int


class _IdMappings(Struct, frozen=True):
    uidmap: list[_IdRange] | None = None


class _Security(Struct, frozen=True):
    rootless: bool


class _Host(Struct, frozen=True, rename="camel"):
    cgroup_version: str
    cgroup_manager: str
    security: _Security
    cgroup_controllers: list[str] | None = None
    id_mappings: _IdMappings = _IdMappings()


class _Version(Struct, frozen=True):
    Version: str


class PodmanInfo(Struct, frozen=True):
    """The part of `podman info --format json` that decides."""

    host: _Host
    version: _Version


def probe(config: Config) -> HostFacts:
    """Ask podman about this host and choose.

    Raises:
        EngineFailed: something is missing; names the command that installs it.
    """
    check_runtime(config.runtime)
    facts = choose(podman_info(config.podman), wanted=config.oci_runtime, installed=_is_installed)
    _answers(facts.oci_runtime)
    return facts


def podman_info(podman: str) -> PodmanInfo:
    missing = "Podman is not installed; run `apt-get install podman uidmap`"
    line = [podman, "info", "--format", "json"]
    try:
        out = _run(line, missing=missing)
    except EngineFailed as error:
        if "podman system migrate" not in error.user_message:
            raise
        _forget_the_dead(podman)
        out = _run(line, missing=missing)
    try:
        return msgspec.json.decode(out, type=PodmanInfo)
    except msgspec.DecodeError as error:
        raise EngineFailed(f"`{podman} info` answered something unexpected: {error}") from error


def _forget_the_dead(podman: str) -> None:
    """Bring Podman back after all processes of this user were killed at once, which no reboot followed.

    It has notes of containers and finds no process whose user namespace it could join. It says so only where none is left, so nothing
    ends by this. It complains about each container that it can't stop any more, after five seconds each; what counts is its next word.
    """
    log.warning("podman has lost its processes; telling it that nothing runs (podman system migrate)")
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([podman, "system", "migrate"], stdin=subprocess.DEVNULL, capture_output=True, timeout=MIGRATE_SECONDS)


def choose(info: PodmanInfo, *, wanted: str, installed: Callable[[str], bool]) -> HostFacts:
    """The facts that follow from what podman says and which runtimes are there."""
    if not info.host.security.rootless:
        raise EngineFailed("Podman runs as root here; start bmm as an ordinary user")
    # One range is the user himself; servers take their ids from the second.
    if sum(one.size for one in info.host.id_mappings.uidmap or []) <= 1:
        give = "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"
        raise EngineFailed(f"This user has no subordinate ids; run `{give}`, then `podman system migrate`")
    version = 2 if info.host.cgroup_version == "v2" else 1
    runtime, reason = _runtime(wanted, version, installed)
    enforced, limits = _limits(info.host, version)
    return HostFacts(
        oci_runtime=runtime, cgroup_version=version, limits_enforced=enforced,
        podman_version=info.version.Version, why=f"{reason}; {limits}",
    )  # fmt: skip


def _runtime(wanted: str, cgroup_version: int, installed: Callable[[str], bool]) -> tuple[str, str]:
    if wanted != "auto":
        if not installed(wanted):
            raise EngineFailed(f"{wanted} is not installed; run `apt-get install {Path(wanted).name}` or set oci_runtime to auto")
        return wanted, f"{wanted}, as oci_runtime says"
    # crun 1.8.1 stops with "cgroups in hybrid mode not supported"; runc runs on every layout.
    for name, reason in (("crun", "crun, which starts faster, on cgroup v2"), ("runc", f"runc, on cgroup v{cgroup_version}")):
        if (name == "runc" or cgroup_version == 2) and installed(name):
            return name, reason
    raise EngineFailed(f"No OCI runtime works here; run `apt-get install {'crun' if cgroup_version == 2 else 'runc'}`")


def _limits(host: _Host, cgroup_version: int) -> tuple[bool, str]:
    if cgroup_version == 1:
        return False, "rootless podman cannot limit CPU and memory on cgroup v1"
    if host.cgroup_manager != "systemd":
        return False, "there is no systemd session (`apt-get install dbus-user-session`, `loginctl enable-linger USER`)"
    if lacking := sorted(LIMIT_CONTROLLERS - set(host.cgroup_controllers or ())):
        return False, f"systemd does not delegate {', '.join(lacking)} (Delegate= of user@.service)"
    return True, "CPU, memory and process limits are enforced"


def check_runtime(runtime: Path) -> None:
    """Refuse a shared runtime that is not there, or that containers cannot reach.

    The root file system is opened with a container's own user ids, which are nobody's on this host: every folder above must let
    others pass.

    Raises:
        EngineFailed: names the folder and the command.
    """
    rootfs = (runtime / "current" / "rootfs").resolve()
    if not rootfs.is_dir():
        raise EngineFailed(f"The containers' runtime is not in {runtime}; run `python3 packaging/runtime.py --to {runtime}`")
    for folder in rootfs.parents:
        if not folder.stat().st_mode & 0o001:
            way_out = f"set runtime_dir to a place that all may pass, or run `chmod o+x {folder}`"
            raise EngineFailed(f"Containers cannot reach their runtime: others may not pass through {folder}; {way_out}")


def _is_installed(runtime: str) -> bool:
    return shutil.which(runtime) is not None or shutil.which(runtime, path=RUNTIME_PLACES) is not None


def _answers(runtime: str) -> None:
    path = shutil.which(runtime) or shutil.which(runtime, path=RUNTIME_PLACES) or runtime
    _run([path, "--version"], missing=f"{runtime} is not installed; run `apt-get install {runtime}`")


def _run(command: list[str], *, missing: str) -> bytes:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS)
    except FileNotFoundError as error:
        raise EngineFailed(missing) from error
    except subprocess.TimeoutExpired as error:
        raise EngineFailed(f"`{' '.join(command[:2])}` did not answer within {PROBE_SECONDS:.0f} s") from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise EngineFailed(f"`{' '.join(command[:2])}` failed: {words[-1][:300]}")
    return done.stdout
