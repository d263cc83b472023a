"""The system calls a worker may make, beyond what its container allows: a classic BPF program, put together here.

An allow list. A worker computes, reads files, waits, has threads, and speaks over the one socket it was given. It starts no process,
opens no socket, sends no signal, changes no priority, looks into no process and writes no file. Refused calls fail with EPERM (EROFS where
they would write a file); all others with ENOSYS, so that libraries fall back as on an older kernel.

What workers are forked from has a list of its own: the same, and what it takes to fork one and make it a worker, which then loses that too.
"""

import ctypes
import errno
import fcntl
import os
import socket
import struct
import termios
from collections.abc import Mapping

from msgspec import Struct

from runner.worker.limits import prctl

_X86, _ARM = 0xC000003E, 0xC00000B7
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_LOAD, _AND, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_X32_BIT = 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_GET_TID_ADDRESS, _MODE_FILTER = 1, 22, 40, 2

# name: number on x86-64, number on aarch64; None where there is no such call.
_ALWAYS: dict[str, tuple[int | None, int | None]] = {
    # Ordered by how often they are made: a filter is read from its top.
    "epoll_wait": (232, None), "epoll_pwait": (281, 22), "read": (0, 63), "write": (1, 64), "futex": (202, 98),
    "mmap": (9, 222), "munmap": (11, 215), "brk": (12, 214), "madvise": (28, 233), "mprotect": (10, 226),
    "clock_gettime": (228, 113), "epoll_ctl": (233, 21), "newfstatat": (262, 79), "fstat": (5, 80), "close": (3, 57), "lseek": (8, 62),
    "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67), "getdents64": (217, 61), "stat": (4, None), "lstat": (6, None),
    "statx": (332, 291), "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None),
    "readlinkat": (267, 78), "getcwd": (79, 17), "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24),
    "close_range": (436, 436), "statfs": (137, 43), "fstatfs": (138, 44), "fadvise64": (221, 223),
    "mremap": (25, 216), "membarrier": (324, 283), "epoll_create1": (291, 20), "epoll_pwait2": (441, 441), "poll": (7, None),
    "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72), "eventfd2": (290, 19), "pipe": (22, None), "pipe2": (293, 59),
    "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "nanosleep": (35, 101), "gettimeofday": (96, 169), "time": (201, None),
    "times": (100, 153), "set_robust_list": (273, 99), "rseq": (334, 293), "getcpu": (309, 168), "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123), "gettid": (186, 178), "exit": (60, 93), "exit_group": (231, 94), "getpid": (39, 172),
    "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
    "getresuid": (118, 148), "getresgid": (120, 150), "getgroups": (115, 158), "getrusage": (98, 165), "getrlimit": (97, 163),
    "sysinfo": (99, 179), "uname": (63, 160), "getrandom": (318, 278), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "sigaltstack": (131, 132), "restart_syscall": (219, 128),
}  # fmt: skip
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281), "kill": (62, 129), "tkill": (200, 130),
    "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "process_madvise": (440, 440), "kcmp": (312, 272), "socket": (41, 198), "socketpair": (53, 199),
    "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242), "sendmsg": (46, 211),
    "recvmsg": (47, 212), "sendmmsg": (307, 269), "recvmmsg": (299, 243), "setpriority": (141, 140), "ioprio_set": (251, 30),
    "sched_setscheduler": (144, 119), "sched_setparam": (142, 118), "sched_setattr": (314, 274), "sched_setaffinity": (203, 122),
    "setrlimit": (160, 164), "prctl": (157, 167), "memfd_create": (319, 279), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40),
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180), "seccomp": (317, 277),
}  # fmt: skip
_WRITING: dict[str, tuple[int | None, int | None]] = {
    "creat": (85, None), "mkdir": (83, None), "mkdirat": (258, 34), "unlink": (87, None), "unlinkat": (263, 35), "rmdir": (84, None),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "link": (86, None), "linkat": (265, 37), "symlink": (88, None),
    "symlinkat": (266, 36), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "chown": (92, None), "fchown": (93, 55),
    "fchownat": (260, 54), "truncate": (76, 45), "ftruncate": (77, 46), "fallocate": (285, 47), "mknod": (133, None), "mknodat": (259, 33),
    "utimensat": (280, 88), "pwrite64": (18, 68), "setxattr": (188, 5),
}  # fmt: skip


class Test(Struct, frozen=True):
    """`argument & mask == value`, over the whole 64 bits where `wide`."""

    argument: int
    mask: int
    value: int
    wide: bool = False


class Sometimes(Struct, frozen=True):
    """A call allowed where all tests hold, and one of `either` where there are any; otherwise it fails with `error`."""

    numbers: tuple[int | None, int | None]
    tests: tuple[Test, ...] = ()
    error: int = errno.EPERM
    either: tuple[Test, ...] = ()


# O_WRONLY, O_RDWR, O_CREAT, O_TRUNC and the bit of O_TMPFILE.
_WRITES = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC | 0o20000000
# CLONE_THREAD must be there; CLONE_VFORK and new namespaces must not.
_THREAD, _NEVER = 0x00010000, 0x7E020000 | 0x00004000
_NULL = 0xFFFFFFFF
# All flags but MSG_DONTWAIT and MSG_NOSIGNAL.
_FLAGS = _NULL ^ (socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
_FIONBIO, _FIONCLEX, _FIOCLEX = 0x5421, 0x5450, 0x5451
_ASKED = (termios.TCGETS, termios.TIOCGWINSZ, termios.FIONREAD, _FIONBIO, _FIONCLEX, _FIOCLEX)
SOMETIMES: dict[str, Sometimes] = {
    "open": Sometimes((2, None), (Test(1, _WRITES, 0),), errno.EROFS),
    "openat": Sometimes((257, 56), (Test(2, _WRITES, 0),), errno.EROFS),
    "clone": Sometimes((56, 220), (Test(0, _THREAD | _NEVER, _THREAD),)),
    # On the connected socket only: an address could name another one. No urgent bytes: they are another path in the kernel.
    "sendto": Sometimes((44, 206), (Test(4, _NULL, 0, wide=True), Test(3, _FLAGS, 0))),
    "recvfrom": Sometimes((45, 207), (Test(3, _FLAGS, 0),)),
    # Duplicates and flags. F_SETOWN and F_SETSIG would have the kernel send any signal to any process of this user.
    "fcntl": Sometimes((72, 25), either=(Test(1, _NULL ^ 3, 0), Test(1, _NULL, fcntl.F_SETFL), Test(1, _NULL, fcntl.F_DUPFD_CLOEXEC))),
    # As harmless; FIOSETOWN is F_SETOWN again, and TIOCSTI types at the terminal of whoever runs `bmm dev`.
    "ioctl": Sometimes((16, 29), either=tuple(Test(1, _NULL, number) for number in _ASKED)),
    # Of itself, and only to read.
    "prlimit64": Sometimes((302, 261), (Test(0, _NULL, 0), Test(2, _NULL, 0, wide=True))),
}


_CLONE_PARENT, _SIGCHLD, _TIDS = 0x00008000, 17, 0x01000000 | 0x00200000
FORKS: dict[str, Sometimes] = SOMETIMES | {
    # A thread, or a plain fork to a sibling; threads are for the workers, who can never do more than what they are forked from.
    "clone": Sometimes(
        SOMETIMES["clone"].numbers,
        either=(Test(0, _THREAD | _NEVER, _THREAD), Test(0, _NULL ^ _TIDS, _CLONE_PARENT | _SIGCHLD)),
    ),
    # To take the socket of a new worker.
    "recvmsg": Sometimes((47, 212)),
    # A worker's event loop wakes itself by one; it leads nowhere else.
    "socketpair": Sometimes((53, 199), (Test(0, _NULL, socket.AF_UNIX),)),
    # A worker's own limits and filter, both of which only ever narrow.
    "prlimit64": Sometimes((302, 261), (Test(0, _NULL, 0),)),
    "prctl": Sometimes((157, 167), either=tuple(Test(0, _NULL, each) for each in (_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_GET_TID_ADDRESS))),
}


class Unsupported(OSError):
    """There is no filter for this machine."""


def confine(code: bytes) -> None:
    """Put a filter on, for this thread and all that it starts. Needs no_new_privs.

    Raises:
        OSError: the kernel refuses it.
    """
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    held = ctypes.create_string_buffer(header, len(header))
    prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(held))


def program(machine: str, sometimes: Mapping[str, Sometimes] = SOMETIMES) -> bytes:
    """The filter of a processor, as `struct sock_filter[]` (seccomp(2)).

    Raises:
        Unsupported: there is none.
    """
    try:
        column, arch = {"x86_64": (0, _X86), "aarch64": (1, _ARM)}[machine]
    except KeyError:
        raise Unsupported(errno.ENOSYS, f"workers cannot be confined on {machine}") from None
    code = [_op(_LOAD, _ARCH), _op(_JUMP_EQUAL, arch, yes=1), _op(_RETURN, _KILL), _op(_LOAD, _NUMBER)]
    if column == 0:
        # Calls of x32 have the same architecture and numbers of their own.
        code += [_op(_JUMP_AT_LEAST, _X32_BIT, no=1), _op(_RETURN, _KILL)]
    for numbers in _ALWAYS.values():
        code += _whole(numbers[column], _ALLOW)
    for rule in sometimes.values():
        code += _tested(rule.numbers[column], rule)
    for group, error in ((_REFUSED, errno.EPERM), (_WRITING, errno.EROFS)):
        for numbers in group.values():
            code += _whole(numbers[column], _ERRNO | error)
    return b"".join([*code, _op(_RETURN, _ERRNO | errno.ENOSYS)])


def _whole(number: int | None, action: int) -> list[bytes]:
    return [] if number is None else [_op(_JUMP_EQUAL, number, no=1), _op(_RETURN, action)]


def _tested(number: int | None, rule: Sometimes) -> list[bytes]:
    if number is None:
        return []
    # Offset, mask, value, and whether the call fails where it does not hold; an alternative allows where it does.
    checks: list[tuple[int, int, int, bool]] = []
    for place, test in enumerate((*rule.tests, *rule.either), 1):
        must = place <= len(rule.tests) or place == len(rule.tests) + len(rule.either)
        checks.append((test.argument * 8, test.mask, test.value, must))
        if test.wide:
            checks.append((test.argument * 8 + 4, test.mask, test.value, must))
    body: list[bytes] = []
    for place, (offset, mask, value, must) in enumerate(checks, 1):
        left = (len(checks) - place) * 3
        body += [_op(_LOAD, _ARGUMENTS + offset), _op(_AND, mask), _op(_JUMP_EQUAL, value, yes=0 if must else left, no=left + 1 if must else 0)]
    body += [_op(_RETURN, _ALLOW), _op(_RETURN, _ERRNO | rule.error)]
    return [_op(_JUMP_EQUAL, number, no=len(body)), *body]


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)
