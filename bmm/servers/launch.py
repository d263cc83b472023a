"""Starting one container: its control folder, its descriptors, the podman line, and waiting for its word that it is ready."""

import contextlib
import fcntl
import http.client
import os
import select
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from bmm.config import Config
from bmm.core.server import Server
from bmm.errors import EngineFailed, LimitsUnenforced
from bmm.servers import bundles, control, events, limits, seccomp
from bmm.servers.code import install_runner
from bmm.servers.host import HostFacts
from bmm.servers.plan import ContainerPlan, Limits, run_line
from bmm.servers.podman import LABEL, Podman
from bmm.unix_http import UnixConnection
from runner.contract import Confidential, Manifest, Policy

READY_SECONDS = 15.0
SERVER_LABEL, REVISION_LABEL, TRIAL_LABEL = "bmm.server", "bmm.revision", "bmm.trial"


class Launch(Struct, frozen=True, kw_only=True):
    """What to start: a version of a server under a container name of its own. `trial` keeps it from every network and address."""

    container_id: str
    server: Server
    bundle: str
    revision: str
    manifest: Manifest
    policy: Policy
    jwks: bytes
    confidential: Confidential
    trial: bool = False


class Launcher:
    """Starts containers and finds their private sockets."""

    def __init__(self, config: Config, facts: HostFacts, podman: Podman, install: str) -> None:
        self._config, self._facts, self._podman, self._install = config, facts, podman, install
        self._trials: set[str] = set()
        self._seccomp = _write_seccomp(config.data)
        self._code = install_runner(config.data)

    def start(self, launch: Launch, public: socket.socket) -> None:
        """Start and wait until the guard accepts on both sockets.

        Raises:
            EngineFailed: podman refused, or the guard ended or stayed silent; with the last line it wrote.
            LimitsUnenforced: the host cannot enforce limits, or the kernel does not hold the container to those of its plan.
        """
        if not (self._facts.limits_enforced or self._config.allow_unenforced_limits):
            raise LimitsUnenforced(
                f"This host cannot enforce CPU and memory limits ({self._facts.why}). Set allow_unenforced_limits = true to run servers without"
            )
        control_folder = control.folder(self._config.data, launch.container_id)
        control.write(control_folder, manifest=launch.manifest, jwks=launch.jwks, policy=launch.policy)
        event_file = self.event_file(launch.container_id)
        plan = self._plan(launch)
        with contextlib.ExitStack() as held:
            event_fd = _closing(held, events.create(event_file))
            ready, ready_fd = os.pipe2(os.O_CLOEXEC)
            _closing(held, ready)
            memory_fd = _closing(held, _sealed(msgspec.json.encode(launch.confidential)))
            private = held.enter_context(_listen(self.private_socket(launch.container_id)))
            try:
                self._podman.run(run_line(plan), [public.fileno(), event_fd, ready_fd, memory_fd, private.fileno()])
            finally:
                os.close(ready_fd)
            self._read_limits_back(plan)
            self._wait_until_ready(launch.container_id, ready, control_folder)

    @property
    def surroundings(self) -> str:
        """What the host gives every container, as text: a change of it needs new containers."""
        config = self._config
        asked = f"{config.memory_mb} {config.cpus} {config.pids} {self._facts.limits_enforced}"
        return f"{self._code.name} {(config.runtime / 'current').resolve().name} {asked}"

    @contextlib.contextmanager
    def trial(self, launch: Launch) -> Iterator[Path]:
        """A candidate's private socket, for as long as the block runs; nothing of it is left afterwards."""
        self._trials.add(launch.container_id)
        try:
            name = self.private_socket(launch.container_id)
            with _listen(name) as nobody:
                name.unlink()  # nobody can dial it any more; an abstract name could be by every local user
                self.start(launch, nobody)
            yield self.private_socket(launch.container_id)
        finally:
            self.stop(launch.container_id)
            self.event_file(launch.container_id).unlink(missing_ok=True)
            self._trials.discard(launch.container_id)

    def is_on_trial(self, container_id: str) -> bool:
        return container_id in self._trials

    def stop(self, container_id: str) -> None:
        """End a container at once and remove what it left, but for its event file."""
        self._podman.remove(container_id)
        self.clean(container_id)

    def clean(self, container_id: str) -> None:
        """Remove what a container that is gone left on the host, but for its event file."""
        control.remove(control.folder(self._config.data, container_id))
        self.private_socket(container_id).unlink(missing_ok=True)
        shutil.rmtree(self.egress_folder(container_id), ignore_errors=True)

    def traces(self) -> set[str]:
        """The ids of all containers that left something on the host."""
        run, data = self._config.run, self._config.data
        places = (run / "prv", run / "out", data / "control", data / "events", data / "egress")
        return {path.stem for place in places if place.exists() for path in place.iterdir() if not path.name.startswith(".")}

    def event_file(self, container_id: str) -> Path:
        return self._config.data / "events" / f"{container_id}.jsonl"

    def private_socket(self, container_id: str) -> Path:
        return self._config.run / "prv" / f"{container_id}.sock"

    def egress_folder(self, container_id: str) -> Path:
        return self._config.run / "out" / container_id

    def is_healthy(self, container_id: str) -> bool:
        """Whether the guard answers on its private socket."""
        try:
            return ask_privately(self.private_socket(container_id), "GET", "/health").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def _plan(self, launch: Launch) -> ContainerPlan:
        config, runtime = self._config, (self._config.runtime / "current").resolve()
        egress = self.egress_folder(launch.container_id)
        control.make_readable_folder(egress)
        labels = {LABEL: self._install, SERVER_LABEL: launch.server.id, REVISION_LABEL: launch.revision}
        if launch.trial:
            labels[TRIAL_LABEL] = "yes"
        return ContainerPlan(
            id=launch.container_id,
            labels=tuple(labels.items()),
            podman=config.podman,
            oci_runtime=self._facts.oci_runtime,
            rootfs=str(runtime / "rootfs"),
            usr=str(runtime / "usr"),
            code=str(self._code),
            bundle=str(bundles.folder(config.data, launch.bundle)),
            control=str(control.folder(config.data, launch.container_id)),
            egress=str(egress),
            seccomp=str(self._seccomp),
            stderr=str(control.folder(config.data, launch.container_id) / "stderr.log"),
            uid_block=launch.server.uid_block,
            limits=Limits(memory_mb=config.memory_mb, cpus=config.cpus, pids=config.pids) if self._facts.limits_enforced else None,
        )

    def _read_limits_back(self, plan: ContainerPlan) -> None:
        """While the guard starts, so that it costs no time; nothing where the plan has no limits."""
        if plan.limits is None:
            return
        try:
            limits.check(self._podman.pid(plan.id), plan.limits)
        except LimitsUnenforced:
            self.stop(plan.id)
            raise

    def _wait_until_ready(self, container_id: str, ready: int, control_folder: Path) -> None:
        # The word counts, not the end of the pipe: conmon holds its other end as long as the container lives.
        said = select.poll()
        said.register(ready, select.POLLIN)
        if not said.poll(READY_SECONDS * 1000):
            what = f"The server did not become ready within {READY_SECONDS:.0f} s"
        elif os.read(ready, 16).startswith(b"ready"):
            return
        else:
            what = "The server ended while it was starting"
        words = _last_line(control_folder / "stderr.log")
        self.stop(container_id)
        raise EngineFailed(f"{what}: {words}")


class PrivateAnswer(Struct, frozen=True, kw_only=True):
    """Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask_privately(
    path: Path, method: str, target: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None, seconds: float = 5
) -> PrivateAnswer:
    """One HTTP exchange over a Unix socket, in which nothing takes longer than `seconds`."""
    connection = UnixConnection(path, timeout=seconds)
    try:
        connection.request(method, target, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return PrivateAnswer(status=answer.status, headers=named, body=answer.read())
    finally:
        connection.close()


@contextlib.contextmanager
def _listen(path: Path) -> Iterator[socket.socket]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(128)
        yield listener


def _closing(held: contextlib.ExitStack, fd: int) -> int:
    held.callback(os.close, fd)
    return fd


def _sealed(content: bytes) -> int:
    """A memory file that nobody can change any more; it has no path and no copy on disk."""
    fd = os.memfd_create("confidential", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    return fd


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return "it wrote nothing"
    # podman's k8s-file format: "2026-11-21T03:00:00.000000000+00:00 stderr F the words"
    return lines[-1].split(" ", 3)[-1] if lines else "it wrote nothing"


def _write_seccomp(data: Path) -> Path:
    path = data / "seccomp.json"
    data.mkdir(parents=True, exist_ok=True)
    control.replace(path, msgspec.json.encode(seccomp.profile()))
    return path
