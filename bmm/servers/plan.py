"""Every flag of the sandbox, in one place: a pure function from a plan to the `podman run` line. The only writer of that line."""

from msgspec import Struct

UIDS_PER_SERVER = 64
GUARD_UID = 10
HANDED_FDS = 5
"""3 public socket, 4 event file, 5 ready pipe, 6 secrets and a key, 7 private socket."""


EVENT_BYTES = 4 << 30
"""Where an event file ends. What has been read is freed, but the file's length only grows."""


class Limits(Struct, frozen=True, kw_only=True):
    memory_mb: int
    cpus: float
    pids: int


class ContainerPlan(Struct, frozen=True, kw_only=True):
    """What one container is made of; paths are on the host. `limits` is None where the host cannot enforce any."""

    id: str
    labels: tuple[tuple[str, str], ...]
    podman: str
    oci_runtime: str
    rootfs: str
    usr: str
    code: str
    bundle: str
    control: str
    egress: str
    seccomp: str
    stderr: str
    uid_block: int
    limits: Limits | None
    tmp_mb: int = 16


def run_line(plan: ContainerPlan) -> list[str]:
    """The whole command. File descriptors 3 to 7 of the caller go into the container."""
    first_id = 1 + plan.uid_block * UIDS_PER_SERVER
    return [
        plan.podman, f"--runtime={plan.oci_runtime}", "run", "--detach", "--rm", f"--name={plan.id}",
        *(f"--label={key}={value}" for key, value in plan.labels),
        f"--preserve-fds={HANDED_FDS}",
        "--network=none", "--no-hosts", "--hostname=server", "--http-proxy=false", "--unsetenv-all",
        "--env=PYTHONPATH=/opt/bmm", "--env=LANG=C.UTF-8",
        "--read-only", "--read-only-tmpfs=false", f"--tmpfs=/tmp:size={plan.tmp_mb}m,mode=1777,noexec,nosuid,nodev",
        # A file made in podman's own /dev/mqueue is a message queue, which the seccomp profile refuses by its other name.
        "--ipc=private", "--shm-size=1m", "--tmpfs=/dev/mqueue:ro,size=4k,mode=555,noexec,nosuid,nodev",
        "--cap-drop=ALL", "--security-opt=no-new-privileges", f"--security-opt=seccomp={plan.seccomp}",
        "--sysctl=net.ipv4.ip_unprivileged_port_start=0",
        f"--uidmap=0:{first_id}:{UIDS_PER_SERVER}", f"--gidmap=0:{first_id}:{UIDS_PER_SERVER}", f"--user={GUARD_UID}:{GUARD_UID}",
        *_limit_flags(plan.limits),
        "--ulimit=nofile=4096:4096", "--ulimit=core=0:0", f"--ulimit=fsize={EVENT_BYTES}:{EVENT_BYTES}",
        "--log-driver=k8s-file", f"--log-opt=path={plan.stderr}", "--log-opt=max-size=1mb",
        "--stop-timeout=12",
        f"--volume={plan.usr}:/usr:ro", f"--volume={plan.code}:/opt/bmm:ro", f"--volume={plan.bundle}:/app:ro",
        f"--volume={plan.control}:/control:ro", f"--volume={plan.control}/hosts:/etc/hosts:ro", f"--volume={plan.egress}:/egress:ro",
        "--rootfs", plan.rootfs,
        "/usr/bin/python3", "-P", "-s", "-m", "runner", "guard",
    ]  # fmt: skip


def _limit_flags(limits: Limits | None) -> list[str]:
    if limits is None:
        return []
    memory = f"{limits.memory_mb}m"
    # Swap equal to memory means no swap: a leaking tool ends instead of dragging the box down.
    return [f"--memory={memory}", f"--memory-swap={memory}", f"--cpus={limits.cpus}", f"--pids-limit={limits.pids}"]
