"""The container engine: runs podman's command line, each call with a deadline. The only module that does.

The command line serves everything because only it can hand over file descriptors; one way in, no second daemon to keep alive.
"""

import fcntl
import os
import select
import signal
import tempfile
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from bmm.errors import EngineFailed

LABEL = "bmm.install"
_DEADLINES = {"run": 30.0, "ps": 15.0, "kill": 10.0, "rm": 30.0, "inspect": 10.0}


class Running(Struct, frozen=True, kw_only=True):
    """A container as podman reports it: our name for it, its labels, and whether it runs."""

    name: str
    labels: dict[str, str]
    state: str
    pid: int


class _Listed(Struct):
    Names: list[str]
    Labels: dict[str, str] | None
    State: str
    Pid: int = 0


class Podman:
    """Containers of one installation, told apart by a label."""

    def __init__(self, executable: str, install: str, environ: Mapping[str, str]) -> None:
        self._executable, self._install, self._environ = executable, install, dict(environ)

    def run(self, line: Sequence[str], fds: Sequence[int]) -> None:
        """Start a container whose descriptors 3, 4, … are these.

        Raises:
            EngineFailed: podman refused, with its last words.
        """
        self._call(line, "run", fds=fds)

    def list(self) -> list[Running]:
        """All containers of this installation, ended ones included."""
        out = self._call([self._executable, "ps", "--all", "--format=json", f"--filter=label={LABEL}={self._install}"], "ps")
        return [
            Running(name=one.Names[0], labels=one.Labels or {}, state=one.State, pid=one.Pid)
            for one in msgspec.json.decode(out or b"[]", type=list[_Listed] | None) or []
        ]

    def pid(self, name: str) -> int:
        """The number of its first process on the host; 0 where it has ended."""
        try:
            return int(self._call([self._executable, "inspect", "--type=container", "--format={{.State.Pid}}", name], "inspect"))
        except EngineFailed as error:
            if _says_gone(error):
                return 0
            raise

    def terminate(self, name: str) -> None:
        """Ask the guard to finish what it accepted and go; it may already be gone."""
        self._forgiving([self._executable, "kill", "--signal=TERM", name], "kill")

    def remove(self, name: str) -> None:
        """End it now and forget it; it may already be gone."""
        self._forgiving([self._executable, "rm", "--force", "--time=0", "--ignore", name], "rm")

    def _forgiving(self, line: Sequence[str], verb: str) -> None:
        try:
            self._call(line, verb)
        except EngineFailed as error:
            if not _says_gone(error):
                raise

    def _call(self, line: Sequence[str], verb: str, *, fds: Sequence[int] = ()) -> bytes:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                code = spawn_and_wait(line, self._environ, out=out.fileno(), err=err.fileno(), fds=fds, seconds=_DEADLINES[verb])
            except FileNotFoundError as error:
                raise EngineFailed(f"{self._executable} is not installed; run `apt-get install podman`") from error
            except TimeoutError as error:
                raise EngineFailed(f"podman {verb} did not finish within {_DEADLINES[verb]:.0f} s") from error
            except OSError as error:
                raise EngineFailed(f"podman {verb} could not be started: {error.strerror or error}") from error
            out.seek(0)
            err.seek(0)
            if code != 0:
                raise EngineFailed(f"podman {verb} failed: {_last_words(err.read())}")
            return out.read()


def spawn_and_wait(line: Sequence[str], environ: Mapping[str, str], *, out: int, err: int, fds: Sequence[int], seconds: float) -> int:
    """Run a command whose descriptors 3, 4, … are `fds`, and wait for its exit code.

    `subprocess` can pass descriptors only under their own numbers. Output goes to files, not pipes: conmon inherits it and would keep a
    pipe open as long as the container lives.

    Raises:
        TimeoutError: it was killed after `seconds`.
        FileNotFoundError: there is no such command.
    """
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64) for fd in fds]  # above every target, so no move overwrites a source
    moves = [(out, 1), (err, 2), *((fd, 3 + number) for number, fd in enumerate(high))]
    try:
        pid = os.posix_spawnp(
            line[0], list(line), environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0), *((os.POSIX_SPAWN_DUP2, a, b) for a, b in moves)],
            setpgroup=0,  # Ctrl-C at `bmm serve` is not meant for it: a start in the middle would be torn
            setsigmask=(),
        )  # fmt: skip
    finally:
        for fd in high:
            os.close(fd)
    pidfd = os.pidfd_open(pid)
    try:
        ended = select.poll()
        ended.register(pidfd, select.POLLIN)
        if not ended.poll(seconds * 1000):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise TimeoutError
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(pidfd)


def _says_gone(error: EngineFailed) -> bool:
    gone = ("no such container", "no container with name", "can only kill running", "container state improper")
    return any(words in error.user_message.lower() for words in gone)


def _last_words(stderr: bytes) -> str:
    lines = [line for line in stderr.decode(errors="replace").splitlines() if "shared mount" not in line]
    return (lines[-1] if lines else "no message").removeprefix("Error: ")
