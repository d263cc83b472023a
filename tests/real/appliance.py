"""A whole appliance for a test: `bmm serve` as a process with folders and a port of its own, the shop as its upstream, real everything."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import msgspec

from bmm.cli.parts.client import Client
from bmm.config import Config, load
from bmm.servers import detached
from tests.oauth_client import Memory
from tests.person import Person, link_in_log

ROOT = Path(__file__).resolve().parents[2]
KEY = "test-key"
T = TypeVar("T")


def free_port() -> int:
    """A port that nobody is given who asks the kernel for any: who wants to listen there finds it free, later and again after a restart."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    # Each process of the tests has its own ones.
    mine, processes = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), 8
    while True:
        port = random.randrange(10_000, first) // processes * processes + mine % processes
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Box:
    """One installation. `serve` starts it, `kill` is kill -9, `down` ends everything it started."""

    def __init__(self, data: Path, run: Path, shop_port: int) -> None:
        self.port, self.shop_port, self.data, self.run = free_port(), shop_port, data, run
        self.origin = f"http://localhost:{self.port}"
        self.environ = os.environ | {
            "BMM_CONFIG": str(data / "none.toml"),
            "BMM_DATA_DIR": str(data),
            "BMM_RUN_DIR": str(run),
            "BMM_LISTEN": f"127.0.0.1:{self.port}",
            "BMM_PUBLIC_URL": self.origin,
            "BMM_ALLOW_UNENFORCED_LIMITS": "true",
            "BMM_CALLS_PER_MINUTE": "100000",
            "BMM_EGRESS_PLAIN_HTTP": json.dumps([f"shop.test:{shop_port}", "gone.test:9", "private.test:80"]),
            "BMM_EGRESS_EXCEPTIONS": json.dumps({f"shop.test:{shop_port}": "127.0.0.1", "gone.test:9": "127.0.0.1"}),
            # The sandbox is tested with code that the checks would refuse.
            "BMM_CODE_CHECKS": "report",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
        }
        self.config: Config = load(self.environ)
        self.log = data / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None

    def serve(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "bmm", "serve"), env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT
            )
        deadline = time.monotonic() + 90
        while not detached.answers(self.config.run / "admin.sock") or not self._is_up():
            assert self._process.poll() is None, f"bmm serve ended: {self.log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"bmm serve does not answer: {self.log.read_text()[-2000:]}"
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9, as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(60)

    def stop(self) -> None:
        """SIGTERM, as a service manager would; must end by itself within a minute."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)

    def down(self) -> None:
        self.bmm("down")
        if self._process is not None:
            self._process.wait(60)

    def bmm(self, *words: str, stdin: bytes = b"", check: bool = True, seconds: float = 180) -> subprocess.CompletedProcess[str]:
        """Run a command as a person would; its output is text."""
        done = subprocess.run(
            (sys.executable, "-m", "bmm", *words),
            env=self.environ,
            input=stdin,
            capture_output=True,
            timeout=seconds,
            check=False,
            cwd=ROOT,
        )
        text = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
        assert not check or done.returncode == 0, f"bmm {' '.join(words)}: {text.stdout[-1500:]}{text.stderr[-1500:]}"
        assert "Traceback" not in text.stderr, text.stderr
        return text

    def spec(self, *tools: str) -> dict[str, Any]:
        """The shop's document compiled, its hosts pointing at this test's shop; with only these tools where some are named."""
        text = (ROOT / "tests/documents/shop.yaml").read_text().replace("shop.test:8081", f"shop.test:{self.shop_port}")
        spec: dict[str, Any] = json.loads(self.bmm("compile", "openapi", "-", stdin=text.encode()).stdout)
        if tools:
            spec["tools"] = [tool for tool in spec["tools"] if tool["name"] in tools]
        return spec

    def deploy(self, slug: str, spec: dict[str, Any]) -> str:
        """Set the shop's key, deploy, and return the endpoint's URL."""
        for need in spec.get("secrets", []):
            self.bmm("secret", "set", slug, need["key"], "--next", stdin=KEY.encode())
        deployed: dict[str, Any] = json.loads(self.bmm("deploy", "-", "--slug", slug, "--json", stdin=json.dumps(spec).encode()).stdout)
        return str(deployed["url"])

    def token(self, slug: str) -> str:
        return self.bmm("token", slug).stdout.strip()

    def api(self, target: str, kind: type[T]) -> T:
        return Client(self.config).get(target, kind)

    def calls(self, slug: str) -> list[dict[str, Any]]:
        return msgspec.json.decode(self.bmm("calls", slug, "--limit", "1000", "--json").stdout)  # type: ignore[no-any-return]

    def person(self) -> Person:
        return Person(self.origin, link_in_log(self.log))

    def containers(self) -> list[dict[str, Any]]:
        """What podman has of this installation."""
        label = f"label=bmm.install={(self.data / 'install-id').read_text().strip()}"
        out = subprocess.run(("podman", "ps", "--all", "--format=json", f"--filter={label}"), capture_output=True, timeout=60, check=True)
        return json.loads(out.stdout or b"[]") or []

    def _is_up(self) -> bool:
        try:
            return httpx2.get(f"{self.origin}/health", timeout=10).status_code == 200
        except httpx2.HTTPError:
            return False


@contextlib.contextmanager
def installed(shop_port: int) -> Iterator[Box]:
    """An appliance that is not started yet, in folders that are gone afterwards with everything that ran in them."""
    # Socket paths are limited to 107 bytes, so not pytest's own folder.
    run = Path(tempfile.mkdtemp(prefix="t", dir=os.environ["XDG_RUNTIME_DIR"]))
    data = Path(tempfile.mkdtemp(prefix="bmm-test-"))
    box = Box(data, run, shop_port)
    try:
        yield box
    finally:
        box.down()
        assert not (data / "install-id").exists() or box.containers() == []
        shutil.rmtree(run, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)


def rpc(url: str, token: str | None, method: str, params: dict[str, Any] | None = None, *, seconds: float = 90) -> httpx2.Response:
    """One JSON-RPC request of the 2025 era."""
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
    return httpx2.post(url, json=body, headers=headers, timeout=seconds)


def call(url: str, token: str, tool: str, /, **arguments: object) -> dict[str, Any]:
    """The result of a tool call."""
    answer = rpc(url, token, "tools/call", {"name": tool, "arguments": arguments})
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
    result: dict[str, Any] = answer.json()["result"]
    return result


__all__ = ["KEY", "ROOT", "Box", "Memory", "call", "free_port", "installed", "rpc"]
