"""How long starts take: a container of the product, by the product's own launcher, and a FastMCP process; each to its first answer."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks import document, process
from bmm import ids
from bmm.config import Config
from bmm.core.server import MOST_SERVERS, Server, ServerStatus
from bmm.servers import bundles, host
from bmm.servers.launch import Launch, Launcher, ask_privately
from bmm.servers.podman import Podman
from runner.contract import Confidential, Manifest, Policy, ServerSpec

_SECONDS = 20.0


class ContainerStart(Struct, frozen=True, kw_only=True):
    """Seconds: from `podman run` to ready and to the first answer, and from the start of the guard's process to ready."""

    ready: float
    answered: float
    process_to_ready: float


class Containers:
    """Starts containers outside any appliance, under an installation of its own that nobody reconciles."""

    def __init__(self, config: Config, spec: ServerSpec) -> None:
        self._podman = Podman(config.podman, "bench", os.environ)
        self._launcher = Launcher(config, host.probe(config), self._podman, "bench")
        self._bundle = bundles.store(config.data, spec)

    def start(self) -> ContainerStart:
        launch = _launch(self._bundle)
        begun = time.monotonic()
        with self._launcher.trial(launch) as private:
            ready = time.monotonic() - begun
            answered = first_answer(private, {}) - begun
            said_ready = _ready_at(self._launcher.event_file(launch.container_id))
            pid = self._podman.pid(launch.container_id)
            return ContainerStart(ready=ready, answered=answered, process_to_ready=said_ready - process.started_at(pid))


@contextmanager
def other(command: tuple[str, ...], socket: Path, token: str, log: Path) -> Iterator[tuple[int, float]]:
    """Another server's process for as long as the block runs: its pid, and the seconds from its start to its first answer."""
    socket.unlink(missing_ok=True)
    begun = time.monotonic()
    with log.open("ab") as out, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out) as running:
        try:
            yield running.pid, first_answer(socket, {"Authorization": f"Bearer {token}"}) - begun
        finally:
            running.terminate()


def first_answer(socket: Path, headers: dict[str, str]) -> float:
    """When `tools/list` was first answered; looks every 5 ms."""
    ask = document.listing(document.LEGACY)
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            answer = ask_privately(socket, "POST", "/mcp", body=ask.body.encode(), headers=ask.headers | headers)
        except OSError:
            assert time.monotonic() < deadline, f"nobody answers on {socket}"
            time.sleep(0.005)
            continue
        assert answer.status == 200, f"{answer.status} {answer.body[:300]!r}"
        return time.monotonic()


def _launch(bundle: str) -> Launch:
    now, origin = ids.now(), "http://localhost"
    server = Server(
        id=ids.new_id("srv"), organisation_id="bench", slug="bench", name="Bench", status=ServerStatus.DRAFT, version=None,
        uid_block=MOST_SERVERS - 1, created_at=now, updated_at=now,
    )  # fmt: skip
    manifest = Manifest(
        server_id=server.id, slug=server.slug, title=server.name, version=1, bundle=bundle,
        issuer=origin, resource=f"{origin}/s/bench/mcp", metadata_url=origin,
    )  # fmt: skip
    return Launch(
        container_id=ids.new_id("bench"), server=server, bundle=bundle, revision="bench",
        manifest=manifest, policy=Policy(), jwks=b'{"keys":[]}', confidential=Confidential(secrets={}, state_key=bytes(32)), trial=True,
    )  # fmt: skip


def _ready_at(events: Path) -> float:
    for line in events.read_bytes().splitlines():
        event = msgspec.json.decode(line)
        if "answers with" in event.get("message", ""):
            return datetime.fromisoformat(event["at"]).timestamp()
    raise AssertionError(f"{events} does not say when the guard was ready: {json.dumps(events.read_text()[:500])}")
