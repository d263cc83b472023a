"""The composition root: the only place that constructs adapters and puts them together."""

import fcntl
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
from litestar import Litestar
from litestar.di import Provide

from bmm import ids
from bmm.builds.pipeline import Pipeline
from bmm.config import Config
from bmm.drafts.drafting import Drafting
from bmm.drafts.request import refuse_credentials
from bmm.edge import caddy, plan
from bmm.egress.control import EgressControl
from bmm.errors import Conflict
from bmm.http import api, authorize, builds, cards, drafts, errors, files, gate, oauth, secrets, settings, signin
from bmm.http.cross_origin import CrossOrigin
from bmm.jobs.queue import Queue
from bmm.llm.client import Model
from bmm.oauth.keys import Keys
from bmm.oauth.signin import ensure_organisation
from bmm.servers import detached, host
from bmm.servers.addresses import Addresses
from bmm.servers.control import replace
from bmm.servers.events import Collector
from bmm.servers.launch import Launcher
from bmm.servers.material import Materials, Trust
from bmm.servers.podman import Podman
from bmm.servers.reconcile import Reconciler
from bmm.servers.sockets import Sockets
from bmm.store import builds as build_rows
from bmm.store import drafts as draft_rows
from bmm.store import oauth as oauth_rows
from bmm.store import people
from bmm.store.db import Store
from bmm.vault import Vault

_SWEEP_SECONDS = 3600.0
_REMIND_SECONDS = 60.0
_KEPT = timedelta(days=1)
"""What was given for a draft and may hold credentials."""


class Appliance:
    """Everything `bmm serve` is made of. `start` begins the work, `stop` ends it; what runs in containers goes on."""

    def __init__(self, config: Config, announce: Callable[[str], None]) -> None:
        self.config, self.announce = config, announce
        self._swept, self._reminded = time.monotonic() - _SWEEP_SECONDS, time.monotonic()
        self._lock = _lock(config.data)
        self.facts = host.probe(config)
        install = _install_id(config.data)
        # The key comes first: a database without its key means that the key has been lost, and a new one would open nothing.
        self.vault = Vault.at(config.data / "master.key", may_make=not (config.data / "bmm.db").exists())
        self.store = Store(config.data / "bmm.db")
        self.keys = Keys(self.store, self.vault)
        self.organisation_id = self.store.transact(lambda db: ensure_organisation(db, self.vault, ids.now()))
        self.collector = Collector(self.store)
        podman = Podman(config.podman, install, os.environ)
        launcher = Launcher(config, self.facts, podman, install)
        materials = Materials(
            config, self.store, self.vault, EgressControl(config.run),
            Trust(jwks=self._jwks, revoked=self._revoked), launcher.surroundings,
        )  # fmt: skip
        self.reconciler = Reconciler(self.store, podman, launcher, Addresses(Sockets(config.run)), materials, self.collector, self._tend)
        pipeline = Pipeline(config, self.store, launcher, materials, self.reconciler)
        model = Model(config, inspect=refuse_credentials)
        drafting = Drafting(config, self.store, self.vault, model, lambda draft_id, seconds: self.queue.draft(draft_id, seconds=seconds))
        self.queue = Queue(config.data / "huey.db", pipeline.run_build, drafting.run_draft)

    def start(self) -> None:
        """Start what must outlive us unless it runs, then take up the work where it was left."""
        start_companions(self.config)
        self.store.apply(build_rows.release_all(), draft_rows.release_all())
        self.queue.start()
        for build in self.store.all(build_rows.unfinished()):
            self.queue.build(build.id)
        for draft in self.store.all(draft_rows.unfinished()):
            self.queue.draft(draft.id)
        self.reconciler.start()

    def stop(self) -> None:
        """Finish what is being done. Containers, holder, egress and Caddy stay."""
        self.queue.stop()
        self.reconciler.stop()
        self.collector.collect()

    def public_app(self) -> Litestar:
        """What Caddy reaches: sign-in, authorization server, metadata, and the answers for servers that do not answer themselves."""
        return Litestar(
            route_handlers=[*oauth.ROUTES, *authorize.ROUTES, *signin.ROUTES, *gate.ROUTES, *cards.ROUTES],
            middleware=[CrossOrigin(self.store)],
            dependencies=self._dependencies(),
            exception_handlers=errors.HANDLERS,
            openapi_config=None,
            logging_config=None,
        )

    def admin_app(self) -> Litestar:
        """What the command line reaches."""
        return Litestar(
            route_handlers=[*api.ROUTES, *builds.ROUTES, *secrets.ROUTES, *settings.ROUTES, *files.ROUTES, *drafts.ROUTES],
            dependencies=self._dependencies(),
            exception_handlers=errors.HANDLERS,
            openapi_config=None,
            logging_config=None,
            request_max_body_size=64 * 1024 * 1024,
        )

    def _dependencies(self) -> dict[str, Provide]:
        handles: dict[str, object] = {
            "config": self.config,
            "store": self.store,
            "vault": self.vault,
            "keys": self.keys,
            "announce": self.announce,
            "wake": self.reconciler.wake,
            "queue": self.queue,
            "reconciler": self.reconciler,
            "collector": self.collector,
            "organisation_id": self.organisation_id,
        }
        return {name: _provide(handle) for name, handle in handles.items()}

    def _tend(self) -> None:
        """What every round of the reconciler begins with: forgotten builds and drafts get a worker, companions that are gone come back, and what has
        expired is removed."""
        if time.monotonic() - self._reminded > _REMIND_SECONDS:
            for build in self.store.all(build_rows.waiting(ids.now())):
                self.queue.build(build.id)
            for draft in self.store.all(draft_rows.waiting(ids.now())):
                self.queue.draft(draft.id)
            self._reminded = time.monotonic()
        start_companions(self.config)
        if time.monotonic() - self._swept > _SWEEP_SECONDS:
            now = ids.now()
            self.store.apply(*oauth_rows.forget_expired(now), *people.forget_expired(now), draft_rows.forget_kept(now - _KEPT))
            self._swept = time.monotonic()

    def _jwks(self) -> bytes:
        return msgspec.json.encode(self.keys.public_jwks())

    def _revoked(self, server_id: str) -> frozenset[str]:
        return frozenset(row.value for row in self.store.all(oauth_rows.revoked_grants(server_id, ids.now())))


def companions(config: Config) -> tuple[detached.Program, ...]:
    """The processes that outlive `bmm serve`, in the order of their start."""
    logs = config.data / "log"
    return (
        detached.holder(run=config.run, log=logs / "hold.log"),
        detached.egress(run=config.run, data=config.data, log=logs / "egress.log"),
        detached.Program(
            name="caddy",
            command=(config.caddy, "run", "--config", str(config.run / "Caddyfile"), "--adapter", "caddyfile"),
            socket=config.run / "caddy.sock",
            log=logs / "caddy.log",
        ),
    )


def start_companions(config: Config) -> None:
    """Start holder, egress and Caddy where they do not run, and give Caddy its configuration."""
    caddyfile = plan.caddyfile(config, plan.bind_addresses(config), plan.TEMPLATE.read_text())
    config.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    loaded = config.run / "Caddyfile.loaded"
    replace(config.run / "Caddyfile", caddyfile.encode())
    runtime, folder = plan.environment(len(os.sched_getaffinity(0))), str(config.data / "caddy")
    environ = {**runtime, **os.environ, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
    *_, front_door = companions(config)
    if detached.find(front_door, run=config.run) is None:
        plan.refuse_taken(config)
    for program in companions(config):
        given, also = (environ, tuple(runtime)) if program.name == "caddy" else (os.environ, ())
        detached.ensure(program, run=config.run, environ=given, also=also)
    # Noted after the fact: if we end in between, or Caddy refuses, the next one loads it.
    if not loaded.exists() or loaded.read_text() != caddyfile:
        caddy.Caddy(config.run / "caddy.sock").load(caddyfile)
        replace(loaded, caddyfile.encode())


def _provide(handle: object) -> Provide:
    return Provide(lambda: handle, sync_to_thread=False, use_cache=True)


def _lock(data: Path) -> int:
    """Hold the data folder, for as long as this process lives.

    Raises:
        Conflict: another `bmm serve` has it.
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise Conflict(f"Another `bmm serve` runs on {data}") from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _install_id(data: Path) -> str:
    """Tells this installation's containers from those of another on the same machine."""
    path = data / "install-id"
    if not path.exists():
        replace(path, ids.new_id("box").encode())
    return path.read_text().strip()
