"""The real Caddy in front of a real guard, without an appliance."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bmm.config import Config
from bmm.edge import plan
from runner.contract import ServerSpec
from tests.real.appliance import free_port
from tests.unit.runner.guarded import GuardProcess, Home, unix_listener
from tests.waiting import eventually


@contextmanager
def fronted(folder: Path, served: ServerSpec | None = None) -> Iterator[tuple[int, int, Home]]:
    """Caddy's port, its process id, and the home of the guard behind `/s/shop/mcp`."""
    assert shutil.which("caddy"), "caddy is missing: run `packaging/setup.sh`"
    port = free_port()
    config = Config(public_url=f"http://localhost:{port}", listen=f"127.0.0.1:{port}", run_dir=str(folder), data_dir=str(folder))
    (folder / "in").mkdir()
    (folder / "Caddyfile").write_text(plan.caddyfile(config, ("127.0.0.1",), plan.TEMPLATE.read_text()))
    home = Home(served, listener=unix_listener(folder / "in/shop.sock"))
    guard = GuardProcess(home)
    command = ("caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile")
    environ = os.environ | plan.environment(os.cpu_count() or 1) | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environ) as caddy:
        try:
            eventually(lambda: _listens(port))
            yield port, caddy.pid, home
        finally:
            caddy.kill()  # it would wait for requests that nobody is going to answer
            guard.stop()
            home.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except OSError:
        return False
    return True
