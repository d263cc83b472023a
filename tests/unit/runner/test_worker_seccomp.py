"""The filter as a program, for both processors: run here instruction by instruction, since this machine is only one of them."""

import struct
from collections.abc import Mapping

import pytest

from runner.worker.seccomp import FORKS, SOMETIMES, Sometimes, Unsupported, program

ALLOW, EPERM, EROFS, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x0005001E, 0x00050026, 0x80000000
ARCHS = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NULL = (0,) * 6


def decision(
    machine: str, number: int, *arguments: int, arch: int | None = None, sometimes: Mapping[str, Sometimes] = SOMETIMES
) -> int:
    """What the kernel would do (seccomp(2), classic BPF)."""
    code = list(struct.iter_unpack("<HBBI", program(machine, sometimes)))
    data = struct.pack("<IIQ6Q", number, ARCHS[machine] if arch is None else arch, 0, *(*arguments, *NULL)[:6])
    value = place = 0
    while True:
        kind, yes, no, k = code[place]
        place += 1
        match kind:
            case 0x20:
                (value,) = struct.unpack_from("<I", data, k)
            case 0x54:
                value &= k
            case 0x15:
                place += yes if value == k else no
            case 0x35:
                place += yes if value >= k else no
            case 0x06:
                return int(k)
            case _:
                raise AssertionError(f"an instruction that is not used here: {kind:#x}")


CASES: list[tuple[str, tuple[int, int], tuple[int, ...], int]] = [
    # name, numbers on both, arguments, decision
    ("read", (0, 63), (), ALLOW),
    ("write", (1, 64), (), ALLOW),
    ("execve", (59, 221), (), EPERM),
    ("kill", (62, 129), (1, 9), EPERM),
    ("socket", (41, 198), (1,), EPERM),
    ("connect", (42, 203), (3,), EPERM),
    ("ptrace", (101, 117), (), EPERM),
    ("prctl", (157, 167), (4, 1), EPERM),
    ("a thread", (56, 220), (0x003D0F00,), ALLOW),
    ("a fork", (56, 220), (17,), EPERM),
    ("a vfork", (56, 220), (0x4111,), EPERM),
    ("a thread in a new user namespace", (56, 220), (0x003D0F00 | 0x10000000,), EPERM),
    ("clone3", (435, 435), (), ENOSYS),
    ("io_uring", (425, 425), (), EPERM),
    ("openat to read", (257, 56), (0, 0, 0o2000000), ALLOW),
    ("openat to write", (257, 56), (0, 0, 1), EROFS),
    ("openat to write and read", (257, 56), (0, 0, 2), EROFS),
    ("openat to create", (257, 56), (0, 0, 0o100), EROFS),
    ("openat2", (437, 437), (), ENOSYS),
    ("mkdirat", (258, 34), (), EROFS),
    ("sendto on a connection", (44, 206), (3, 1, 1, 0, 0, 0), ALLOW),
    ("sendto to an address", (44, 206), (3, 1, 1, 0, 0x1000, 0), EPERM),
    ("sendto to a high address", (44, 206), (3, 1, 1, 0, 0x7F00_0000_0000, 0), EPERM),
    ("its own limits", (302, 261), (0, 7, 0, 0x1000), ALLOW),
    ("its own limits changed", (302, 261), (0, 7, 0x7F00_0000_0000, 0), EPERM),
    ("the limits of another", (302, 261), (1, 7, 0, 0x1000), EPERM),
    ("sendto with urgent bytes", (44, 206), (3, 1, 1, 1, 0, 0), EPERM),
    ("recvfrom", (45, 207), (3, 0, 9, 0x4040), ALLOW),
    ("recvfrom of urgent bytes", (45, 207), (3, 0, 9, 1), EPERM),
    *((f"fcntl {command}", (72, 25), (3, command), ALLOW) for command in (0, 1, 2, 3, 4, 1030)),
    *((f"fcntl {command}", (72, 25), (3, command), EPERM) for command in (5, 8, 10, 15, 1024, 1033)),
    *((f"ioctl {command:#x}", (16, 29), (3, command), ALLOW) for command in (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),
    *((f"ioctl {command:#x}", (16, 29), (3, command), EPERM) for command in (0x5402, 0x5412, 0x541C, 0x5452, 0x8901, 0x8902)),
    ("one that is not known yet", (999, 999), (), ENOSYS),
]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize(("numbers", "arguments", "expected"), [each[1:] for each in CASES], ids=[each[0] for each in CASES])
def test_a_call_is(machine: str, numbers: tuple[int, int], arguments: tuple[int, ...], expected: int) -> None:
    assert decision(machine, numbers[machine == "aarch64"], *arguments) == expected


FORKING: list[tuple[str, tuple[int, int], tuple[int, ...], int]] = [
    ("a fork to a sibling", (56, 220), (0x1208011,), ALLOW),
    ("one without the thread's number", (56, 220), (0x8011,), ALLOW),
    ("a fork to a child", (56, 220), (0x1200011,), EPERM),
    ("a fork that shares memory", (56, 220), (0x1208111,), EPERM),
    ("a fork that shares descriptors", (56, 220), (0x1208411,), EPERM),
    ("a fork into a new user namespace", (56, 220), (0x1208011 | 0x10000000,), EPERM),
    ("a thread", (56, 220), (0x003D0F00,), ALLOW),
    ("a thread in a new user namespace", (56, 220), (0x003D0F00 | 0x10000000,), EPERM),
    ("recvmsg", (47, 212), (3,), ALLOW),
    ("sendmsg", (46, 211), (3,), EPERM),
    ("a pair of sockets", (53, 199), (1, 1, 0), ALLOW),
    ("a pair of another family", (53, 199), (30, 1, 0), EPERM),
    ("socket", (41, 198), (1,), EPERM),
    ("connect", (42, 203), (3,), EPERM),
    ("execve", (59, 221), (), EPERM),
    ("execveat", (322, 281), (), EPERM),
    ("kill", (62, 129), (1, 9), EPERM),
    ("its own limits changed", (302, 261), (0, 7, 0x7F00_0000_0000, 0), ALLOW),
    ("the limits of another", (302, 261), (1, 7, 0x1000, 0), EPERM),
    ("the end with its parent", (157, 167), (1, 9), ALLOW),
    ("a filter", (157, 167), (22, 2), ALLOW),
    ("being dumpable", (157, 167), (4, 1), EPERM),
    ("a subreaper", (157, 167), (36, 1), EPERM),
    ("openat to write", (257, 56), (0, 0, 1), EROFS),
    ("setpriority", (141, 140), (0, 0, 19), EPERM),
]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize(("numbers", "arguments", "expected"), [each[1:] for each in FORKING], ids=[each[0] for each in FORKING])
def test_of_what_forks_workers_a_call_is(machine: str, numbers: tuple[int, int], arguments: tuple[int, ...], expected: int) -> None:
    assert decision(machine, numbers[machine == "aarch64"], *arguments, sometimes=FORKS) == expected


def test_numbers_of_another_processor_end_the_process() -> None:
    assert decision("x86_64", 0, arch=0x40000003) == KILL  # 32 bit
    assert decision("x86_64", 0x40000000) == KILL  # x32
    assert decision("aarch64", 63, arch=ARCHS["x86_64"]) == KILL


def test_a_processor_without_a_filter_runs_no_code() -> None:
    with pytest.raises(Unsupported):
        program("riscv64")
