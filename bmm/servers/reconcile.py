"""Compares what should run with what runs and makes it true: at boot, after every change, when a container ends and on a timer."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import ParamSpec

import msgspec

from bmm import ids
from bmm.core.server import Container, Server, ServerStatus
from bmm.errors import BmmError, EngineFailed
from bmm.servers import plan
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

P = ParamSpec("P")
log = logging.getLogger("bmm.reconcile")
TICK_SECONDS = 5.0
RETIRE_SECONDS = 15.0
"""How long a retired container may take to finish before it is removed; the guard bounds itself at 10 s."""
LASTING_SECONDS = 60.0
"""A container that ends sooner counts as a start that failed."""
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
        self._locks: dict[str, threading.RLock] = {}
        self._locking = threading.Lock()
        self._starts: dict[str, tuple[int, float]] = {}  # server id → quick starts in a row, when the next one may be
        self._pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="reconcile")
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
        self._pool.shutdown()
        self._deaths.close()

    @contextlib.contextmanager
    def alone(self, slug: str) -> Iterator[None]:
        """Nobody else changes what runs behind this slug meanwhile; the thread inside may call `make_true`."""
        with self._locking:
            lock = self._locks.setdefault(slug, threading.RLock())
        with lock:
            yield

    def make_all_true(self) -> None:
        """One round over everything; what fails for one server is logged and does not keep the others waiting."""
        _logged(self._tend)
        _logged(self._collector.collect)
        # Rows are read after what they explain, so that what is being made at this moment is known.
        held = {one.slug: one.published for one in self._addresses.list()}
        containers = self._without_strangers(self._list())
        rows, existing = self._store.all(servers.open_containers()), self._store.all(servers.existing())
        running = [one for one in containers if one.state == "running"]
        self._deaths.watch({one.pid for one in running if one.pid})
        _logged(self._materials.refresh_controls, [one.name for one in running])
        jobs = [(job, server.id) for server in existing if (job := self._job(server, containers, held.get(server.slug, False)))]
        owners = {one.labels[SERVER_LABEL] for one in containers if TRIAL_LABEL not in one.labels and SERVER_LABEL in one.labels}
        jobs += [(self.make_true, server_id) for server_id in owners - {server.id for server in existing}]
        jobs += [(self._bury, server_id) for server_id in {row.server_id for row in rows} if self._has_dead(server_id, rows, containers)]
        jobs += [(self._abandon, slug) for slug in held.keys() - {server.slug for server in existing}]
        wait([self._pool.submit(_logged, job, about) for job, about in jobs])

    def make_true(self, server_id: str) -> None:
        """Bring one server to what its row says, and return when it is so.

        Raises:
            EngineFailed: its container could not be started; what ran before runs on.
        """
        server = self._store.one(servers.by_id(server_id))
        if server is None:
            return
        with self.alone(server.slug):
            server = self._store.one(servers.by_id(server_id)) or server
            containers = self._noted(server_id)
            desired = self._desired(server)
            decision = decide(desired, containers, worn=self._worn())
            if desired is None:
                self._close(server, containers)
            else:
                if decision.keep is None:
                    self._start(server, desired, containers)
                self._addresses.publish(server.slug)
                # What should run does. What is still in the way of that is the next round's as well.
                _logged(self._retire, [one for one in containers if one.name in decision.retire])
            _logged(self._bury, server_id)

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

    def _job(self, server: Server, containers: list[Running], is_published: bool) -> Callable[[str], None] | None:
        """What this round has to do for a server, if anything."""
        own = [one for one in containers if _is_version_of(one, server.id)]
        try:
            decision = decide(self._desired(server), own, worn=self._worn())
        except BmmError as error:
            log.error("server %s: %s", server.id, error.user_message)
            return None
        if decision.start and time.monotonic() < self._starts.get(server.id, (0, 0.0))[1]:
            return self._rest if is_published and not any(one.state == "running" for one in own) else None
        if decision.start or decision.retire or is_published != (decision.keep is not None):
            return self.make_true
        return None

    def _has_dead(self, server_id: str, rows: list[Container], containers: list[Running]) -> bool:
        names = {one.name for one in containers}
        return any(row.server_id == server_id and row.id not in names for row in rows)

    def _worn(self) -> set[str]:
        """Containers whose event file nears its limit (`plan.EVENT_BYTES`): a container cannot open another one."""
        return {row.id for row in self._store.all(servers.open_containers()) if row.event_offset > plan.EVENT_BYTES // 4}

    def _list(self) -> list[Running]:
        """What podman has. It notices the end of a process a moment later than the kernel, and that moment is when we are woken."""
        return [
            msgspec.structs.replace(one, state="exited") if one.state == "running" and one.pid and ended(one.pid, 0) else one
            for one in self._podman.list()
        ]

    def _noted(self, server_id: str) -> list[Running]:
        """A server's containers. One without a row comes from a start that outlived the appliance: its calls would not be counted."""
        rows = {row.id for row in self._store.all(servers.open_containers())}
        found = [one for one in self._list() if _is_version_of(one, server_id)]
        for one in found:
            if one.name not in rows:
                self._podman.remove(one.name)
        return [one for one in found if one.name in rows]

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
        holder = self._store.one(servers.by_address(server.slug))
        if holder is not None and holder.id != server.id:  # deleted, and the slug is in use again: the address is not ours
            for one in containers:
                self._podman.remove(one.name)
            return
        self._addresses.park(server.slug)
        for one in containers:
            self._podman.remove(one.name)
        self._addresses.drain(server.slug)
        if server.status is ServerStatus.DELETED:
            self._addresses.forget(server.slug)

    def _rest(self, server_id: str) -> None:
        """A server that ends again and again waits for its next start; those who call it meanwhile are told."""
        server = self._store.one(servers.by_id(server_id))
        if server is None:
            return
        with self.alone(server.slug):
            containers = self._noted(server_id)
            if not any(one.state == "running" for one in containers):
                self._close(server, containers)

    def _abandon(self, slug: str) -> None:
        """An address whose server was deleted while nobody could clear up."""
        with self.alone(slug):
            if self._store.one(servers.by_address(slug)) is None:
                self._addresses.park(slug)
                self._addresses.drain(slug)
                self._addresses.forget(slug)

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
        self._note_start(server.id)
        self._store.apply(servers.insert_container(container))
        try:
            launch = self._materials.launch_of(server, desired, container_id)
            with self._listening_socket(server, containers) as public:
                self._launcher.start(launch, public)
        except Exception as error:
            # Where podman does not answer this fails too; the row leads the next round to what is left.
            _logged(self._launcher.stop, container_id)
            if not any(one.state == "running" for one in containers):
                _logged(self._close, server, containers)
            if isinstance(error, OSError):
                raise EngineFailed(f"The server could not be started: {error}") from error
            raise
        self.wake()  # so that the next round watches the new process

    def _listening_socket(self, server: Server, containers: list[Running]) -> socket.socket:
        try:
            return self._addresses.listening_socket(server.slug)
        except StillHeld:
            for one in containers:
                self._podman.remove(one.name)
            return self._addresses.listening_socket(server.slug)

    def _note_start(self, server_id: str) -> None:
        """Starts that follow each other quickly wait longer and longer, whether they fail or what they start does not last."""
        now = time.monotonic()
        count, allowed = self._starts.get(server_id, (-1, now))
        count = count + 1 if now - allowed < LASTING_SECONDS else 0
        self._starts[server_id] = (count, now + min(300.0, 2.0**count) if count else now)

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
        server = self._store.one(servers.by_id(server_id))
        if server is None:
            return
        with self.alone(server.slug):
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

    def _without_strangers(self, containers: list[Running]) -> list[Running]:
        """Removes what no row explains: containers and folders of an interrupted trial, or of a start that was never noted."""
        found = {one.name for one in containers} | self._launcher.traces()
        known = {container.id for container in self._store.all(servers.open_containers())}
        strangers = {one for one in found - known if not self._launcher.is_on_trial(one)}
        for container_id in strangers:
            _logged(self._remove_stranger, container_id)
        return [one for one in containers if one.name not in strangers]

    def _remove_stranger(self, container_id: str) -> None:
        self._materials.forget(container_id)
        self._launcher.stop(container_id)
        self._launcher.event_file(container_id).unlink(missing_ok=True)


def _logged(job: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Do it; a failure is logged and the next round tries again."""
    try:
        job(*args, **kwargs)
    except BmmError as error:
        log.error("%s%s: %s", job.__name__.strip("_"), args, error.user_message)
    except Exception:
        log.exception("%s%s", job.__name__.strip("_"), args)


def _is_version_of(one: Running, server_id: str) -> bool:
    return one.labels.get(SERVER_LABEL) == server_id and TRIAL_LABEL not in one.labels
