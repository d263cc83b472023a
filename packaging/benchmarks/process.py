"""What the kernel says about a process: memory, processor time, when it was started; and about the machine."""

import os
import time
from pathlib import Path

from msgspec import Struct

_TICK = os.sysconf("SC_CLK_TCK")


class Memory(Struct, frozen=True, kw_only=True):
    """In MiB. `pss` shares out what several processes map; `own` is what would be free if it ended."""

    pss: float
    own: float


def memory(pid: int) -> Memory:
    fields = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        fields[name] = int(rest.split()[0]) / 1024
    return Memory(pss=fields["Pss"], own=fields["Private_Clean"] + fields["Private_Dirty"])


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads so far, to 10 ms."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICK


def started_at(pid: int) -> float:
    """Seconds since the epoch, to 10 ms."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + int(_stat(pid)[19]) / _TICK


def machine() -> str:
    """Processor, cores, memory, kernel and how busy it is, in a line."""
    model = next((line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown processor")
    total = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    kernel = os.uname().release.partition("-")[0]
    return f"{model}, {os.cpu_count()} cores, {total / 1024**2:.0f} GiB, Linux {kernel}; load average before the run {load}"


def _stat(pid: int) -> list[str]:
    # The name in brackets may hold anything; fields are counted from behind it (proc(5)).
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
