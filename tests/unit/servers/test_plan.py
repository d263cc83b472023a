"""The whole podman line, compared as one value: a flag that changes shows here."""

import pytest
from msgspec.structs import replace

from bmm.core.server import MOST_SERVERS
from bmm.servers.plan import ContainerPlan, Limits, run_line

PLAN = ContainerPlan(
    id="ctr_1", labels=(("bmm.install", "box_1"), ("bmm.server", "srv_1")), podman="podman", oci_runtime="crun", rootfs="/rt/rootfs",
    usr="/rt/usr", code="/data/runner/abc", bundle="/data/bundles/def", control="/data/control/ctr_1", egress="/run/out/ctr_1",
    seccomp="/data/seccomp.json", stderr="/data/control/ctr_1/stderr.log", uid_block=2,
    limits=Limits(memory_mb=512, cpus=0.5, pids=64),
)  # fmt: skip


def test_the_whole_line() -> None:
    assert run_line(PLAN) == [
        "podman",
        "--runtime=crun",
        "run",
        "--detach",
        "--rm",
        "--name=ctr_1",
        "--label=bmm.install=box_1",
        "--label=bmm.server=srv_1",
        "--preserve-fds=5",
        "--network=none",
        "--no-hosts",
        "--hostname=server",
        "--http-proxy=false",
        "--unsetenv-all",
        "--env=PYTHONPATH=/opt/bmm",
        "--env=LANG=C.UTF-8",
        "--read-only",
        "--read-only-tmpfs=false",
        "--tmpfs=/tmp:size=16m,mode=1777,noexec,nosuid,nodev",
        "--ipc=private",
        "--shm-size=1m",
        "--tmpfs=/dev/mqueue:ro,size=4k,mode=555,noexec,nosuid,nodev",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--security-opt=seccomp=/data/seccomp.json",
        "--sysctl=net.ipv4.ip_unprivileged_port_start=0",
        "--uidmap=0:129:64",
        "--gidmap=0:129:64",
        "--user=10:10",
        "--memory=512m",
        "--memory-swap=512m",
        "--cpus=0.5",
        "--pids-limit=64",
        "--ulimit=nofile=4096:4096",
        "--ulimit=core=0:0",
        "--ulimit=fsize=4294967296:4294967296",
        "--log-driver=k8s-file",
        "--log-opt=path=/data/control/ctr_1/stderr.log",
        "--log-opt=max-size=1mb",
        "--stop-timeout=12",
        "--volume=/rt/usr:/usr:ro",
        "--volume=/data/runner/abc:/opt/bmm:ro",
        "--volume=/data/bundles/def:/app:ro",
        "--volume=/data/control/ctr_1:/control:ro",
        "--volume=/data/control/ctr_1/hosts:/etc/hosts:ro",
        "--volume=/run/out/ctr_1:/egress:ro",
        "--rootfs",
        "/rt/rootfs",
        "/usr/bin/python3",
        "-P",
        "-s",
        "-m",
        "runner",
        "guard",
    ]


def test_without_enforceable_limits_only_their_flags_are_missing() -> None:
    asked = {"--memory=512m", "--memory-swap=512m", "--cpus=0.5", "--pids-limit=64"}
    assert run_line(replace(PLAN, limits=None)) == [word for word in run_line(PLAN) if word not in asked]


@pytest.mark.parametrize("block", [0, MOST_SERVERS - 1])
def test_every_block_of_ids_lies_inside_the_subordinate_range(block: int) -> None:
    (mapping,) = [word for word in run_line(replace(PLAN, uid_block=block)) if word.startswith("--uidmap")]
    first, count = (int(word) for word in mapping.split(":")[1:])
    assert first >= 1
    assert first + count <= 65536 + 1
