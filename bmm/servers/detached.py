"""Starts a process that outlives `bmm serve` (holder, egress gateway, Caddy), finds it again after a restart, and ends it.

Started with a session of its own, so that nothing sent to the parent's process group reaches it, and without the parent's secrets:
only the variables in `PASSED_ON` are given. `run/<name>.pid` holds the pid and its start time; together they never name another process.
"""

import contextlib
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

import bmm
from bmm.errors import NotReachable

PASSED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "BMM_CONFIG", "BMM_RUN_DIR", "BMM_DATA_DIR",
)  # fmt: skip
_MODULES = {"hold": "bmm.servers.holder", "egress": "bmm.egress.gateway"}
_POLL = 0.02


class Program(Struct, frozen=True, kw_only=True):
    """What to run, where it says what it does, and the Unix socket that answers once it is up."""

    name: str
    command: tuple[str, ...]
    socket: Path
    log: Path


def own_command(verb: str, *arguments: str) -> tuple[str, ...]:
    """`bmm hold …` or `bmm egress …` as this installation runs it; without freezing it skips the command line's imports."""
    if getattr(sys, "frozen", False):
        return (sys.executable, verb, *arguments)
    return (sys.executable, "-P", "-m", _MODULES[verb], *arguments)


def holder(*, run: Path, log: Path) -> Program:
    """The holder of the listening sockets."""
    return Program(name="hold", command=own_command("hold", f"--run={run}"), socket=run / "hold.sock", log=log)


def egress(*, run: Path, data: Path, log: Path) -> Program:
    """The egress gateway."""
    return Program(name="egress", command=own_command("egress", f"--run={run}", f"--data={data}"), socket=run / "egress.sock", log=log)


def ensure(
    program: Program, *, run: Path, environ: Mapping[str, str] = os.environ, also: tuple[str, ...] = (), timeout: float = 15.0
) -> int:
    """The pid of the program, which is started unless it runs already; its socket answers when this returns.

    It is given the variables in `PASSED_ON` and those in `also`.

    Raises:
        NotReachable: it ended at once, or does not answer in time; names its log.
    """
    pid = find(program, run=run) or _start(program, run=run, environ=environ, names=PASSED_ON + also)
    deadline = time.monotonic() + timeout
    while not answers(program.socket):
        if _started_at(pid) is None:
            raise NotReachable(f"{program.name} ended right after its start; {program.log} says why.")
        if time.monotonic() > deadline:
            raise NotReachable(f"{program.name} (process {pid}) does not answer at {program.socket}; {program.log} may say why.")
        time.sleep(_POLL)
    return pid


def find(program: Program, *, run: Path) -> int | None:
    """The pid of the running program: by its pid file, or else by asking the kernel who listens on its socket."""
    file = _pid_file(program, run)
    with contextlib.suppress(OSError, ValueError):
        pid, started = (int(word) for word in file.read_text().split())
        if _started_at(pid) == started:
            return pid
    found = _listener(program.socket)
    if found is not None:
        _remember(file, found)
    return found


def end(program: Program, *, run: Path, timeout: float = 10.0) -> bool:
    """Ask it to stop, insist after `timeout` seconds; False when it was not running."""
    pid = find(program, run=run)
    if pid is None:
        return False
    started = _started_at(pid)
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            # Looked at again now that the descriptor pins the process: the number cannot come to mean another one.
            if started is not None and _started_at(pid) == started:
                _signal(descriptor, timeout)
        finally:
            os.close(descriptor)
    _reap(pid)
    _pid_file(program, run).unlink(missing_ok=True)
    return True


def answers(path: Path) -> bool:
    """Whether somebody listens on this Unix socket, whatever its type."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        with socket.socket(socket.AF_UNIX, kind) as probe:
            probe.settimeout(1)
            with contextlib.suppress(OSError):
                probe.connect(str(path))
                return True
    return False


def _start(program: Program, *, run: Path, environ: Mapping[str, str], names: tuple[str, ...]) -> int:
    run.mkdir(parents=True, exist_ok=True)
    program.log.parent.mkdir(parents=True, exist_ok=True)
    given = {name: environ[name] for name in names if name in environ}
    given["PYTHONPATH"] = str(Path(bmm.__file__).parents[1])
    given["PYTHONUNBUFFERED"] = "1"
    # A one-file executable unpacks itself; its child must unpack its own copy, because ours is deleted when we end.
    given["PYINSTALLER_RESET_ENVIRONMENT"] = "1"
    pid = os.posix_spawnp(
        program.command[0],
        program.command,
        given,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(program.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE),
    )
    _remember(_pid_file(program, run), pid)
    return pid


def _remember(file: Path, pid: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".pid.new")
    fresh.write_text(f"{pid} {_started_at(pid) or 0}\n")
    fresh.replace(file)


def _pid_file(program: Program, run: Path) -> Path:
    return run / f"{program.name}.pid"


def _started_at(pid: int) -> int | None:
    """When the process started, in clock ticks since boot (proc(5)); None if it is gone or only waits to be reaped."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if after_name[0] in "ZX":
        _reap(pid)
        return None
    return int(after_name[19])


def _listener(path: Path) -> int | None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        with socket.socket(socket.AF_UNIX, kind) as probe, contextlib.suppress(OSError):
            probe.settimeout(1)
            probe.connect(str(path))
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            pid = int(struct.unpack("3i", credentials)[0])
            return pid if _started_at(pid) is not None else None
    return None


def _signal(descriptor: int, timeout: float) -> None:
    gone = select.poll()
    gone.register(descriptor, select.POLLIN)
    signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    if not gone.poll(timeout * 1000):
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        gone.poll(timeout * 1000)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
