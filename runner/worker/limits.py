"""What a worker has lost before it sees any code: memory, priority, threads, files, and what others may see of it.

Most of it is taken from the process that it is forked from, and passed on; what counts a single process comes after the fork.
"""

import ctypes
import os
import resource
import signal
from contextlib import suppress

from runner.worker.frames import THREADS, WORKERS

MIB = 1024 * 1024
_SPARE = 16
"""Of what the container may have: for the guard, and for workers that are still to be forked."""
_OPEN_FILES = 64
_CPU_SECONDS = 3600
"""A backstop: the guard counts the time of each call."""
_NICE = 5
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_libc = ctypes.CDLL(None, use_errno=True)


def limit() -> None:
    """End with the guard, be the first to go when memory runs out, and take little of anything. Nothing of this can be undone later."""
    end_with_guard()
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    _most(resource.RLIMIT_CORE, 0)
    _most(resource.RLIMIT_CPU, _CPU_SECONDS)
    _most(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _most(resource.RLIMIT_FSIZE, 0)
    _most(resource.RLIMIT_MSGQUEUE, 0)


def hide() -> None:
    """From here on no process of the same user may read this one's memory, and none of its programs gains privileges."""
    prctl(_PR_SET_DUMPABLE, 0)
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def limit_fork(memory_mb: int) -> None:
    """What a fork does not pass on: the end with the guard, and limits that depend on what there is now. `memory_mb` is beyond what the process has."""
    end_with_guard()
    # The kernel counts threads per user: all workers, the guard, and on a developer's machine also the containers this user has started.
    # Whom the threads belong to only the guard can see: it ends a worker that has too many of them.
    _most(resource.RLIMIT_NPROC, most_tasks(_tasks(), "/sys/fs/cgroup"))
    _most(resource.RLIMIT_AS, _field("/proc/self/status", "VmSize:") * 1024 + memory_mb * MIB)


def most_tasks(there: int, cgroup: str) -> int:
    """How many threads all processes together may come to while workers start some: `there` are those there are now."""
    most = there + WORKERS * (THREADS + 1)
    with suppress(OSError, ValueError), open(f"{cgroup}/pids.max") as file:
        most = min(most, int(file.read()) - _SPARE)
    return max(most, there + THREADS)


def end_with_guard() -> None:
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def prctl(option: int, value: int, more: int = 0) -> None:
    arguments = [ctypes.c_ulong(each) for each in (value, more, 0, 0)]
    if _libc.prctl(option, *arguments) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _most(kind: int, number: int) -> None:
    _, hard = resource.getrlimit(kind)
    number = number if hard == resource.RLIM_INFINITY else min(number, hard)
    resource.setrlimit(kind, (number, number))


def _tasks() -> int:
    """Threads of all processes that can be seen here: in a container those of this user and no others."""
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                # A folder has two links of its own, and here one for each thread.
                total += os.stat(f"/proc/{name}/task").st_nlink - 2
    return total


def _field(path: str, name: str) -> int:
    with open(path) as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))
