"""Compares what should run with what runs and makes it true: at boot, after every change, when a container ends and on a timer."""

import logging
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bmm import ids
from bmm.core.server import Container, Server, ServerStatus
from bmm.errors import BmmError, EngineFailed
from bmm.servers.addresses import Addresses
from bmm.servers.deaths import Deaths, ended
from bmm.servers.desired import Desired, decide, revision
from bmm.servers.events import Collector
from bmm.servers.launch import SERVER_LABEL, TRIAL_LABEL, Launcher
from bmm.servers.material import Materials
from bmm.servers.podman import Podman, Running
from bmm.servers.sockets import StillHeld
from bmm.store import secrets, servers
from bmm.store.db import Store

log = logging.getLogger("bmm.reconcile")
TICK_SECONDS = 5.0
RETIRE_SECONDS = 15.0
"""How long a retired container may take to finish before it is removed; the guard bounds itself at 10 s."""
_PARALLEL = 2


class Reconciler:
    """One per appliance. Every step can be interrupted: the next run starts from what podman and the store say then."""

    def __init__(
        self,
        store: Store,
        podman: Podman,
        launcher: Launcher,
        addresses: Addresses,
        materials: Materials,
        collector: Collector,
        tend: Callable[[], None],
    ) -> None:
        """`tend` is called before each round: it brings back the holder, the egress gateway and the front door where one is gone."""
        self._store, self._podman, self._launcher = store, podman, launcher
        self._addresses, self._materials, self._collector = addresses, materials, collector
        self._tend = tend
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._failures: dict[str, tuple[int, float]] = {}  # server id → how often in a row, not before
        self._wanted = threading.Event()
        self._stopping = False
        self._deaths = Deaths(self.wake)
        self._thread = threading.Thread(target=self._loop, name="reconcile", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look again soon; never waits."""
        self._wanted.set()

    def stop(self) -> None:
        """Finish the present round. What runs goes on running."""
        self._stopping = True
        self._wanted.set()
        self._thread.join()
        self._deaths.close()

    def make_all_true(self) -> None:
        """One round over everything."""
        self._tend()
        self._collector.collect()
        containers = self._podman.list()
        self._remove_strangers(containers)
        names = {one.name for one in containers}
        published = self._addresses.published()
        busy = {container.server_id for container in self._store.all(servers.open_containers()) if container.id not in names}
        with ThreadPoolExecutor(_PARALLEL) as pool:
            for server in self._store.all(servers.existing()):
                if server.id in busy or self._needs_work(server, containers, published):
                    pool.submit(self._make_true_and_log, server.id)
            for server_id in busy:
                pool.submit(self._bury, server_id)
        self._deaths.watch({one.pid for one in containers if one.pid})
        self._materials.refresh_controls([one.name for one in containers if one.state == "running"])

    def make_true(self, server_id: str) -> None:
        """Bring one server to what its row says, and return when it is so.

        Raises:
            EngineFailed: its container could not be started; what ran before runs on.
        """
        with self._locks[server_id]:
            server = self._store.one(servers.by_id(server_id))
            if server is None:
                return
            containers = [one for one in self._podman.list() if _is_version_of(one, server_id)]
            desired = self._desired(server)
            decision = decide(desired, containers)
            if desired is None:
                self._close(server, containers)
            else:
                if decision.keep is None:
                    self._start(server, desired, containers)
                self._addresses.publish(server.slug)
                self._retire([one for one in containers if one.name in decision.retire])
            self._bury(server_id)

    def _loop(self) -> None:
        while not self._stopping:
            self._wanted.clear()
            try:
                self.make_all_true()
            except BmmError as error:
                log.error("reconcile: %s", error.user_message)
            except Exception:
                log.exception("reconcile failed; it runs again in %s s", TICK_SECONDS)
            self._wanted.wait(TICK_SECONDS)

    def _needs_work(self, server: Server, containers: list[Running], published: frozenset[str]) -> bool:
        own = [one for one in containers if _is_version_of(one, server.id)]
        decision = decide(self._desired(server), own)
        if decision.start:
            return time.monotonic() >= self._failures.get(server.id, (0, 0.0))[1]
        return bool(decision.retire) or (server.slug in published) != (decision.keep is not None)

    def _make_true_and_log(self, server_id: str) -> None:
        try:
            self.make_true(server_id)
        except BmmError as error:
            log.error("server %s: %s", server_id, error.user_message)
        except Exception:
            log.exception("server %s", server_id)

    def _desired(self, server: Server) -> Desired | None:
        if server.status is not ServerStatus.LIVE or server.version is None:
            return None
        version = self._store.one(servers.version(server.id, server.version))
        if version is None:
            return None
        sealed = self._store.all(secrets.of_server(server.id))
        socket = self._addresses.identity(server.slug)
        known = revision(server, version, sealed, surroundings=self._materials.surroundings, socket=socket)
        return Desired(version=version, revision=known)

    def _close(self, server: Server, containers: list[Running]) -> None:
        """Nothing should serve: callers are told so at once, also those who already wait."""
        self._addresses.park(server.slug)
        for one in containers:
            self._podman.remove(one.name)
        self._addresses.drain(server.slug)
        if server.status is ServerStatus.DELETED:
            self._addresses.forget(server.slug)

    def _start(self, server: Server, desired: Desired, containers: list[Running]) -> None:
        container_id = ids.new_id("ctr")
        container = Container(
            id=container_id,
            server_id=server.id,
            version=desired.version.number,
            event_file=str(self._launcher.event_file(container_id)),
            event_offset=0,
            started_at=ids.now(),
        )
        self._store.apply(servers.insert_container(container))
        try:
            launch = self._materials.launch_of(server, desired, container_id)
            with self._listening_socket(server, containers) as public:
                self._launcher.start(launch, public)
        except (BmmError, OSError) as error:
            self._launcher.stop(container_id)
            self._note_failure(server)
            if not any(one.state == "running" for one in containers):
                self._close(server, containers)
            if isinstance(error, OSError):
                raise EngineFailed(f"The server could not be started: {error}") from error
            raise
        self._failures.pop(server.id, None)
        self.wake()  # so that the next round watches the new process

    def _listening_socket(self, server: Server, containers: list[Running]) -> socket.socket:
        try:
            return self._addresses.listening_socket(server.slug)
        except StillHeld:
            for one in containers:
                self._podman.remove(one.name)
            return self._addresses.listening_socket(server.slug)

    def _note_failure(self, server: Server) -> None:
        count = self._failures.get(server.id, (0, 0.0))[0] + 1
        self._failures[server.id] = (count, time.monotonic() + min(300.0, 2.0**count))

    def _retire(self, containers: list[Running]) -> None:
        """Let containers finish what they accepted, and wait for it: until then the old version still answers on connections it holds."""
        for one in containers:
            if one.state == "running":
                self._podman.terminate(one.name)
        deadline = time.monotonic() + RETIRE_SECONDS
        for one in containers:
            if one.state != "running" or not ended(one.pid, deadline - time.monotonic()):
                self._podman.remove(one.name)

    def _bury(self, server_id: str) -> None:
        """Read the last words of containers that are gone, then remove what they left."""
        with self._locks[server_id]:
            own = [container for container in self._store.all(servers.open_containers()) if container.server_id == server_id]
            alive = {one.name for one in self._podman.list()} if own else set()
            for container in own:
                if container.id in alive:
                    continue
                self._collector.read_to_end(container.id)
                self._store.apply(servers.end_container(container.id, ids.now()))
                self._launcher.event_file(container.id).unlink(missing_ok=True)
                self._materials.forget(container.id)
                self._launcher.clean(container.id)

    def _remove_strangers(self, containers: list[Running]) -> None:
        """What no row explains: containers and folders of an interrupted trial, or of a start that was never noted."""
        found = {one.name for one in containers} | self._launcher.traces()
        # Rows are read after the traces: a start writes its row first, so what is being started now is known.
        known = {container.id for container in self._store.all(servers.open_containers())}
        for container_id in found - known:
            if self._launcher.is_on_trial(container_id):
                continue
            self._launcher.stop(container_id)
            self._launcher.event_file(container_id).unlink(missing_ok=True)
            self._materials.forget(container_id)


def _is_version_of(one: Running, server_id: str) -> bool:
    return one.labels.get(SERVER_LABEL) == server_id and TRIAL_LABEL not in one.labels
