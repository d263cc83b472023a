"""The profile as data: what it allows, refuses and leaves to "no such call"."""

import json
from collections import Counter

from bmm.servers import seccomp

ALLOWED = [name for names in seccomp.ALLOWED.values() for name in names.split()]
REFUSED = [name for names in seccomp.REFUSED.values() for name in names.split()]


def test_a_call_stands_in_one_place_only() -> None:
    repeated = {name for name, count in Counter([*ALLOWED, *REFUSED, "clone", "clone3", "ioctl", "socket"]).items() if count > 1}
    assert repeated == set()


def test_calls_that_opened_containers_before_are_not_allowed() -> None:
    known = "unshare setns mount pivot_root open_tree ptrace process_vm_readv bpf io_uring_setup keyctl userfaultfd perf_event_open"
    assert set(known.split()) <= set(REFUSED)
    assert not {"personality", "name_to_handle_at", "init_module", "mknod", "chroot", "setuid", "pidfd_getfd"} & set(ALLOWED)


def test_unknown_calls_look_like_those_of_an_older_kernel() -> None:
    profile = seccomp.profile()
    assert (profile["defaultAction"], profile["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 38)


def test_no_second_architecture_opens_a_second_set_of_call_numbers() -> None:
    assert all(one["subArchitectures"] == [] for one in decoded()["archMap"])


def test_new_processes_are_allowed_and_new_namespaces_are_not() -> None:
    (clone,) = rules("clone")
    assert clone["args"] == [{"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]
    (clone3,) = rules("clone3")
    assert (clone3["action"], clone3["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)


def test_sockets_are_unix_tcp_and_udp() -> None:
    allowed = {tuple(arg["value"] for arg in rule["args"]) for rule in rules("socket") if rule["action"] == "SCMP_ACT_ALLOW"}
    assert allowed == {(1,), (2, 0), (2, 6), (2, 17), (10, 0), (10, 6), (10, 17)}


def test_a_terminal_cannot_be_typed_into() -> None:
    tiocsti, tioclinux = 0x5412, 0x541C
    assert not {rule["args"][0]["value"] for rule in rules("ioctl")} & {tiocsti, tioclinux}


def decoded() -> dict:  # type: ignore[type-arg]
    document: dict = json.loads(json.dumps(seccomp.profile()))  # type: ignore[type-arg]
    return document


def rules(name: str) -> list[dict]:  # type: ignore[type-arg]
    return [rule for rule in decoded()["syscalls"] if rule["names"] == [name]]
