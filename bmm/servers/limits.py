"""Reads back which limits the kernel holds a container to: podman drops what it cannot honour and still reports success."""

from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from bmm.errors import LimitsUnenforced
from bmm.servers.plan import Limits

# systemd counts CPU time in steps of 10 ms per second, so a third of a CPU comes back as 0.34.
CPU_STEP = 0.011
_UNLIMITED = "max"
Number = TypeVar("Number", int, float)


class InForce(Struct, frozen=True, kw_only=True):
    """What the container's cgroup says; None is no limit."""

    memory_bytes: int | None
    swap_bytes: int | None
    cpus: float | None
    pids: int | None


def check(pid: int, asked: Limits, *, root: Path = Path("/")) -> None:
    """Compare what was asked for a container with what holds its first process. One that has ended already is not judged.

    Raises:
        LimitsUnenforced: names every limit that differs.
    """
    found = in_force(pid, root=root)
    if found is None:
        return
    if wrong := differences(asked, found):
        raise LimitsUnenforced(f"This host does not enforce the limits of a server: {'; '.join(wrong)}")


def differences(asked: Limits, found: InForce) -> list[str]:
    """One phrase per limit that is not as asked; none where all are."""
    memory, mb = asked.memory_mb * 1024**2, 1024**2
    wrong = []
    if found.memory_bytes != memory:
        wrong.append(f"memory: asked {asked.memory_mb} MB, in force {_said(found.memory_bytes, mb, ' MB')}")
    if found.swap_bytes != 0:
        wrong.append(f"swap: asked none, in force {_said(found.swap_bytes, mb, ' MB')}")
    if found.cpus is None or abs(found.cpus - asked.cpus) > CPU_STEP:
        wrong.append(f"CPUs: asked {asked.cpus:g}, in force {_said(found.cpus)}")
    if found.pids != asked.pids:
        wrong.append(f"processes: asked {asked.pids}, in force {_said(found.pids)}")
    return wrong


def in_force(pid: int, *, root: Path = Path("/")) -> InForce | None:
    """The limits of a process's own cgroup (cgroups(7), version 2); None where the process or its cgroup has gone."""
    own = _own_cgroups(pid, root)
    if not own or not own[0].is_dir():
        return None
    return InForce(
        memory_bytes=_lowest([_number(one / "memory.max") for one in own]),
        swap_bytes=_lowest([_number(one / "memory.swap.max") for one in own]),
        cpus=_lowest([_cpus(one / "cpu.max") for one in own]),
        pids=_lowest([_number(one / "pids.max") for one in own]),
    )


def _own_cgroups(pid: int, root: Path) -> list[Path]:
    """What is above them is shared with other servers, so a limit there does not count as this one's."""
    try:
        lines = (root / "proc" / str(pid) / "cgroup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return []
    path = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), None)
    if path is None:
        return []
    leaf = root / "sys/fs/cgroup" / path.lstrip("/")
    # crun puts the process into a child named so of the scope that systemd made; the limits are on either, by its version.
    return [leaf, leaf.parent] if leaf.name == "container" else [leaf]


def _number(path: Path) -> int | None:
    text = _read(path)
    return None if text in ("", _UNLIMITED) else int(text)


def _cpus(path: Path) -> float | None:
    quota, _, period = _read(path).partition(" ")
    return None if quota in ("", _UNLIMITED) else int(quota) / int(period)


def _read(path: Path) -> str:
    """A controller that is not delegated has no file, and limits nothing."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _lowest(limits: list[Number | None]) -> Number | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _said(limit: float | None, unit: int = 1, name: str = "") -> str:
    return "no limit" if limit is None else f"{limit / unit:g}{name}"
