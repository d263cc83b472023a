"""What a worker takes away from itself before it sees any code: memory, priority, threads, files, and what others may see of it."""

import ctypes
import os
import resource
import signal

MIB = 1024 * 1024
THREADS = 16
_OPEN_FILES = 64
_CPU_SECONDS = 3600
"""A backstop: the guard counts the time of each call."""
_NICE = 5
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38


def limit(memory_mb: int) -> None:
    """End with the guard, be the first to go when memory runs out, and take little of anything.

    `memory_mb` is beyond what the process has now. Nothing of this can be undone later.
    """
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    _most(resource.RLIMIT_CORE, 0)
    _most(resource.RLIMIT_CPU, _CPU_SECONDS)
    _most(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _most(resource.RLIMIT_FSIZE, 0)
    _most(resource.RLIMIT_MSGQUEUE, 0)
    # The kernel counts threads per user, over all workers and the guard.
    _most(resource.RLIMIT_NPROC, _tasks_of(os.getuid()) + THREADS)
    _most(resource.RLIMIT_AS, _field("/proc/self/status", "VmSize:") * 1024 + memory_mb * MIB)


def hide() -> None:
    """From here on no process of the same user may read this one's memory, and none of its programs gains privileges."""
    prctl(_PR_SET_DUMPABLE, 0)
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def prctl(option: int, value: int, more: int = 0) -> None:
    arguments = [ctypes.c_ulong(each) for each in (value, more, 0, 0)]
    if ctypes.CDLL(None, use_errno=True).prctl(option, *arguments) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _most(kind: int, number: int) -> None:
    _, hard = resource.getrlimit(kind)
    number = number if hard == resource.RLIM_INFINITY else min(number, hard)
    resource.setrlimit(kind, (number, number))


def _tasks_of(uid: int) -> int:
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == uid or name == "1":
                    total += _field(f"/proc/{name}/status", "Threads:")
            except OSError:
                continue
    return total


def _field(path: str, name: str) -> int:
    with open(path) as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))
