"""run_build: the whole story of a build, top to bottom; every step can be repeated, so a build goes on after a kill at any point."""

import contextlib
import logging
import sqlite3
import time
from collections.abc import Iterator
from datetime import timedelta

import msgspec

from bmm import ids
from bmm.builds.check import ChecksFailed, check, read_spec
from bmm.builds.contract.broken import ContractBroken
from bmm.builds.contract.tries import lines, try_tools
from bmm.builds.request import still_fits
from bmm.builds.trial import try_out
from bmm.config import Config
from bmm.core.build import Build, BuildStatus
from bmm.core.finding import Finding, blocks
from bmm.core.server import Server, Version
from bmm.core.trial import Trial
from bmm.errors import BmmError, Conflict
from bmm.servers import bundles
from bmm.servers.launch import Launcher
from bmm.servers.material import Materials
from bmm.servers.reconcile import Reconciler
from bmm.store import builds, drafts, secrets, servers, trials
from bmm.store.db import Stale, Statement, Store, one, run
from runner.contract import ServerSpec

log = logging.getLogger("bmm.builds")
LEASE = timedelta(minutes=5)
MOST_ATTEMPTS = 5
"""A build that takes the appliance down with it must not do so at every start."""


class Pipeline:
    """The handles a build needs."""

    def __init__(self, config: Config, store: Store, launcher: Launcher, materials: Materials, reconciler: Reconciler) -> None:
        self._config, self._store, self._launcher = config, store, launcher
        self._materials, self._reconciler = materials, reconciler

    def run_build(self, build_id: str) -> None:
        """Bring a build to its final state, from wherever it stands. Somebody else's build is left alone."""
        now = ids.now()
        try:
            self._store.apply(builds.claim(build_id, now=now, until=now + LEASE))
        except Stale:
            return
        build = self._store.one(builds.by_id(build_id))
        assert build is not None
        try:
            if build.attempt > MOST_ATTEMPTS and build.version is None:
                raise Conflict(f"The build was interrupted {MOST_ATTEMPTS} times; the appliance's log may say why. Deploy again")
            self._run(build)
        except BmmError as error:
            self._fail(build, code=error.code, sentence=error.user_message)
        except Exception:
            log.exception("build %s", build_id)
            self._fail(
                build, code="internal_error", sentence="The build failed for a reason that is the appliance's own fault; its log has it."
            )

    def _run(self, build: Build) -> None:
        server = self._store.one(servers.by_id(build.server_id))
        assert server is not None
        spec = read_spec(build.spec)
        if build.version is None:
            with self._step(build, BuildStatus.CHECKING, _about(spec)):
                self._check(build, server, spec)
            with self._step(build, BuildStatus.BUNDLING):
                bundle = bundles.store(self._config.data, spec)
                self._store.apply(builds.bundled(build.id, bundle), self._tell(build, "bundling", f"bundle {bundle[:12]}"))
            with self._step(build, BuildStatus.TRIAL):
                self._try_out(build, server, spec, bundle)
        # Two builds of one server publish one after the other: each is judged by its own version.
        with self._reconciler.alone(server.slug):
            number = build.version or self._store.transact(lambda db: _publish(db, build, bundle, spec.name))
            with self._step(build, BuildStatus.PUBLISHING, f"version {number}"):
                self._make_live(build, number)
            now = ids.now()
            self._store.apply(builds.finish_live(build.id, now), builds.tell(build.id, "live", f"version {number} answers", now=now))

    def _check(self, build: Build, server: Server, spec: ServerSpec) -> None:
        keys = [secret.key for secret in self._store.all(secrets.of_server(server.id))]
        try:
            findings = check(spec, self._config, keys, server.slug)
        except ChecksFailed as failed:
            self._store.apply(builds.checked(build.id, failed.findings))
            raise
        self._store.apply(builds.checked(build.id, findings), *(self._tell(build, "checking", str(each), level="warning") for each in findings))

    def _try_out(self, build: Build, server: Server, spec: ServerSpec, bundle: str) -> None:
        candidate = self._materials.trial_of(server, spec, bundle=bundle, container_id=ids.new_id("try"))
        with self._launcher.trial(candidate) as private:
            self._store.apply(self._tell(build, "trial", try_out(private, spec)))
            if spec.tools:
                egress, events = self._launcher.egress_folder(candidate.container_id), self._launcher.event_file(candidate.container_id)
                self._keep_trial(build, try_tools(spec, private=private, egress=egress, events=events))

    def _keep_trial(self, build: Build, trial: Trial) -> None:
        """With the version it may become, whatever came of it.

        Raises:
            ContractBroken: a tool does not do what the spec says.
        """
        kept = self._store.one(builds.by_id(build.id))
        assert kept is not None
        self._store.apply(
            trials.keep(build.id, trial, ids.now()),
            builds.checked(build.id, [*msgspec.json.decode(kept.findings, type=list[Finding]), *trial.findings]),
            self._tell(build, "trial", str(trial)),
            *(self._tell(build, "trial", line, level="warning") for line in lines(trial)),
        )
        if blocks(trial.findings):
            raise ContractBroken(trial.findings)

    def _make_live(self, build: Build, number: int) -> None:
        server = self._store.one(servers.by_id(build.server_id))
        if server is None or server.version != number:
            raise Conflict(f"Another version was chosen before version {number} went live")
        try:
            self._reconciler.make_true(server.id)
        except Exception:
            # The version passed its trial and still cannot start: what ran before is wanted again.
            self._store.transact(lambda db: _withdraw(db, build, number))
            self._reconciler.wake()
            raise

    @contextlib.contextmanager
    def _step(self, build: Build, status: BuildStatus, about: str = "") -> Iterator[None]:
        self._store.apply(builds.enter(build.id, status), self._tell(build, status, about or f"{status} begins"))
        begun = time.monotonic()
        yield
        self._store.apply(self._tell(build, status, f"done in {(time.monotonic() - begun) * 1000:.0f} ms"))

    def _tell(self, build: Build, step: str, message: str, *, level: str = "info") -> Statement:
        return builds.tell(build.id, step, message, now=ids.now(), level=level)

    def _fail(self, build: Build, *, code: str, sentence: str) -> None:
        now = ids.now()
        with contextlib.suppress(Stale):
            self._store.apply(
                builds.finish_failed(build.id, code=code, error=sentence, now=now),
                builds.tell(build.id, "failed", sentence, now=now, level="error"),
            )


def _about(spec: ServerSpec) -> str:
    counts = {"tool": spec.tools, "resource": (*spec.resources, *spec.resource_templates), "prompt": spec.prompts}
    counted = [*((name, each) for name, each in counts.items() if each), ("host", spec.hosts), ("secret", spec.secrets)]
    return ", ".join(f"{len(each)} {name}{'' if len(each) == 1 else 's'}" for name, each in counted)


def _publish(db: sqlite3.Connection, build: Build, bundle: str, name: str) -> int:
    """One transaction: the bundle becomes the server's next version and the one that should run.

    Raises:
        SlugTaken, BaseMoved: as `still_fits`.
    """
    now = ids.now()
    last = one(db, servers.last_version(build.server_id))
    number = (last.value if last and last.value else 0) + 1
    before = one(db, servers.by_id(build.server_id))
    # Somebody may have gone live since this was asked for; what they made must not be lost without a word.
    if before is not None and build.draft_id is not None and (draft := one(db, drafts.by_id(build.draft_id))) is not None:
        still_fits(draft, before)
    version = Version(server_id=build.server_id, number=number, bundle=bundle, build_id=build.id, created_at=now)
    run(
        db,
        servers.insert_version(version),
        builds.published_as(build.id, number, replaces=before.version if before else None),
        servers.run_version(build.server_id, number, name=name, now=now),
    )
    return number


def _withdraw(db: sqlite3.Connection, build: Build, number: int) -> None:
    """Want the version again that was wanted before, unless somebody has chosen another one meanwhile."""
    server, published = one(db, servers.by_id(build.server_id)), one(db, builds.by_id(build.id))
    if server is None or published is None or server.version != number:
        return
    now = ids.now()
    if published.replaces is None:
        run(db, servers.run_none(server.id, now))
    else:
        run(db, servers.run_version(server.id, published.replaces, name=server.name, now=now))
