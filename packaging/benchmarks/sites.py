"""What is measured and what it stands on: the appliance, FastMCP behind a Caddy with the same configuration, the upstream API."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from joserfc.jwk import KeySet, RSAKey
from msgspec import Struct

from benchmarks import document
from benchmarks.upstream import WIDGET
from bmm.cli.parts.client import Client, server_target
from bmm.config import MOST_CALLS_PER_MINUTE, Config, load
from bmm.edge import plan
from bmm.http.shapes import Token, TokenWish
from bmm.servers import detached
from runner.contract import ServerSpec, encode_spec
from tests.real.appliance import Box, free_port

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


class Site(Struct, frozen=True, kw_only=True):
    """An endpoint, and the processes behind it by name."""

    name: str
    url: str
    pids: dict[str, int]


class Deployed(Struct, frozen=True, kw_only=True):
    """Seconds from the start of `bmm deploy` to its end, and to the first answered call; `first` is that call alone."""

    url: str
    token: str
    command: float
    answered: float
    first: float


class Upstream(Struct, frozen=True, kw_only=True):
    pid: int
    port: int

    def asked(self) -> int:
        return int(httpx2.get(f"http://127.0.0.1:{self.port}/count", trust_env=False).text)


@contextmanager
def folders() -> Iterator[tuple[Path, Path]]:
    """A folder for files and a short one for sockets (their paths are limited to 107 bytes), both gone afterwards."""
    data = Path(tempfile.mkdtemp(prefix="bmm-bench-"))
    run = Path(tempfile.mkdtemp(prefix="b", dir=os.environ["XDG_RUNTIME_DIR"]))
    try:
        yield data, run
    finally:
        shutil.rmtree(run, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def upstream(socket: Path) -> Iterator[Upstream]:
    with subprocess.Popen((sys.executable, str(HERE / "upstream.py"), str(socket)), stdout=subprocess.PIPE) as api:
        try:
            assert api.stdout is not None
            yield Upstream(pid=api.pid, port=int(api.stdout.readline()))
        finally:
            api.terminate()


@contextmanager
def appliance(upstream_port: int) -> Iterator[Box]:
    """A whole installation in folders of its own. Containers may use every core, as the FastMCP process may."""
    with folders() as (data, run):
        box = Box(data, run, upstream_port)
        box.environ["BMM_CPUS"] = str(os.cpu_count() or 1)
        box.serve()
        try:
            yield box
        finally:
            box.down()
            assert box.containers() == [], "containers were left behind"


@contextmanager
def caddy(data: Path, run: Path) -> Iterator[tuple[int, str]]:
    """A second Caddy from the product's own template: `run/in/NAME.sock` is at the returned origin's `/s/NAME/mcp`."""
    config, port = elsewhere(data, run), free_port()
    config = msgspec.structs.replace(config, listen=f"127.0.0.1:{port}", public_url=f"http://localhost:{port}")
    (run / "in").mkdir(exist_ok=True)
    caddyfile = run / "Caddyfile"
    caddyfile.write_text(plan.caddyfile(config, plan.bind_addresses(config), plan.TEMPLATE.read_text()))
    folder = str(data / "caddy")
    environ = os.environ | plan.environment(os.cpu_count() or 1) | {"XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
    line = (config.caddy, "run", "--config", str(caddyfile), "--adapter", "caddyfile")
    with (data / "caddy.log").open("wb") as log, subprocess.Popen(line, env=environ, stdout=log, stderr=log) as front:
        try:
            deadline = time.monotonic() + 10
            while not detached.answers(run / "caddy.sock"):
                assert time.monotonic() < deadline, f"Caddy does not start: {(data / 'caddy.log').read_text()[-500:]}"
                time.sleep(0.02)
            yield front.pid, config.public_url
        finally:
            front.terminate()


def elsewhere(data: Path, run: Path) -> Config:
    """The settings of this machine for folders that no appliance looks after."""
    return load(os.environ | {"BMM_DATA_DIR": str(data), "BMM_RUN_DIR": str(run), "BMM_ALLOW_UNENFORCED_LIMITS": "true"})


def fastmcp_command(box: Box, resource: str, api: Upstream, *, folder: Path, socket: Path) -> tuple[str, ...]:
    """The FastMCP server that takes the tokens of one server of this appliance, and asks the upstream directly."""
    described = folder / "openapi.json"
    described.write_text(json.dumps(document.document(f"http://127.0.0.1:{api.port}")))
    key = public_key(box, folder)
    return (sys.executable, str(HERE / "fastmcp_server.py"), str(socket), str(described), str(key), box.origin, resource)


def echo_command(program: str, box: Box, resource: str, *, folder: Path, socket: Path) -> tuple[str, ...]:
    """A server of `echo` that takes the tokens of one server of this appliance."""
    return (sys.executable, str(HERE / program), str(socket), str(public_key(box, folder)), box.origin, resource)


def public_key(box: Box, folder: Path) -> Path:
    """The key that checks the tokens of this appliance, as PEM."""
    key = folder / "key.pem"
    keys = KeySet.import_key_set(httpx2.get(f"{box.origin}/.well-known/jwks.json", trust_env=False).json()).keys
    assert len(keys) == 1
    assert isinstance(keys[0], RSAKey)
    key.write_bytes(keys[0].as_pem(private=False))
    return key


def document_for(box: Box, api: Upstream) -> dict[str, Any]:
    """The same document, with the name under which the appliance may reach the upstream."""
    assert box.shop_port == api.port
    return document.document(f"http://shop.test:{api.port}")


def deploy(box: Box, slug: str, spec: ServerSpec, ask: document.Ask) -> Deployed:
    """A new server, by the command line as a person would, to its first answered call."""
    content, begun = encode_spec(spec), time.monotonic()
    deployed = json.loads(box.bmm("deploy", "-", "--slug", slug, "--json", stdin=content).stdout)
    command = time.monotonic() - begun
    made = Client(box.config).post(server_target(slug, "tokens"), msgspec.json.encode(TokenWish(days=1)), Token).token
    asked = time.monotonic()
    answer = post(deployed["url"], ask, made)
    end = time.monotonic()
    assert answer.status_code == 200, f"{slug}: {answer.status_code} {answer.text}"
    assert answer.json()["result"]["isError"] is False, answer.text
    return Deployed(url=deployed["url"], token=made, command=command, answered=end - begun, first=end - asked)


def lift_limit(box: Box, slug: str, token_: str, ask: document.Ask) -> None:
    """Let one grant call as often as it can, by the command an owner would use; returns when the server has taken it up."""
    url = f"{box.origin}/s/{slug}/mcp"
    box.bmm("limits", slug, "--calls-per-minute", str(MOST_CALLS_PER_MINUTE))
    deadline, taken = time.monotonic() + 20, 0
    # More in a row than the appliance's own default allows.
    while taken < 150:
        taken = taken + 1 if post(url, ask, token_).status_code == 200 else 0
        assert time.monotonic() < deadline, f"the limit of {slug} stays"


def appliance_pids(box: Box, slug: str) -> dict[str, int]:
    """The processes that a call to this server passes through, and the one that counts it."""
    server_id = next(one["id"] for one in msgspec.json.decode(box.bmm("ps", "--json").stdout) if one["slug"] == slug)
    guards = [one for one in box.containers() if one["Labels"]["bmm.server"] == server_id]
    assert len(guards) == 1, guards
    remembered = {name: int((box.run / f"{name}.pid").read_text().split()[0]) for name in ("caddy", "egress")}
    return remembered | {"server": int(guards[0]["Pid"]), "bmm serve": int((box.data / "lock").read_text())}


def check(site: Site, token_: str, api: Upstream) -> None:
    """The site answers both revisions with the widget, asks the upstream for each, lists all tools, and refuses a forged token."""
    for era in document.ERAS:
        before = api.asked()
        answer = post(site.url, document.call(era), token_)
        assert answer.status_code == 200, f"{site.name}: {answer.status_code} {answer.text}"
        result = answer.json()["result"]
        assert result["structuredContent"] == WIDGET, f"{site.name}: {result}"
        assert msgspec.json.decode(result["content"][0]["text"]) == WIDGET, f"{site.name}: {result}"
        assert api.asked() == before + 1, f"{site.name} did not ask the upstream"
        listed = post(site.url, document.listing(era), token_).json()["result"]["tools"]
        assert len(listed) == document.TOOLS, f"{site.name} lists {len(listed)} tools"
    refuses_forged(site, token_)


def check_echo(site: Site, token_: str, *, checks_tokens: bool) -> None:
    """The site answers both revisions with the words it was sent, and refuses a forged token where it looks at tokens."""
    for era in document.ERAS:
        answer = post(site.url, document.echo(era), token_)
        assert answer.status_code == 200, f"{site.name}: {answer.status_code} {answer.text}"
        assert answer.json()["result"]["content"] == [{"type": "text", "text": document.ECHOED}], f"{site.name}: {answer.text}"
    if checks_tokens:
        refuses_forged(site, token_)


def refuses_forged(site: Site, token_: str) -> None:
    head, _, signature = token_.rpartition(".")
    forged = f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    assert post(site.url, document.listing(document.LEGACY), forged).status_code == 401, f"{site.name} takes a forged token"


def post(url: str, ask: document.Ask, token_: str) -> httpx2.Response:
    headers = ask.headers | {"Authorization": f"Bearer {token_}"}
    return httpx2.post(url, content=ask.body, headers=headers, timeout=20, trust_env=False)
