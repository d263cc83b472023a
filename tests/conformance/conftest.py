"""The suite's fixture server, deployed through the product, and a door to it for programs that cannot sign in."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import FOLDER
from tests.real.appliance import Box, free_port
from tests.real.conftest import box as box
from tests.real.conftest import components as components
from tests.real.conftest import shop_port as shop_port
from tests.waiting import eventually

SLUG = "conformance"
# Any Host and Origin pass as they came: what is refused, the appliance refuses.
DOOR = """
{{
	admin off
	auto_https off
}}
http://:{port} {{
	bind 127.0.0.1
	reverse_proxy 127.0.0.1:{behind} {{
		flush_interval -1
		# Without it this Caddy (2.6.2) cuts an answer off now and then that begins while the request is still being read.
		buffer_requests
		header_up Authorization "Bearer {token}"
	}}
}}
"""


@pytest.fixture(scope="session")
def node() -> Path:
    """The npm packages of the tests."""
    place = Path(os.environ.get("BMM_NODE", "/nonexistent"))
    assert (place / "@modelcontextprotocol").is_dir(), "the npm packages are missing: run `packaging/setup.sh test`"
    return place


@pytest.fixture(scope="module")
def url(box: Box) -> str:
    """The endpoint, which needs a token."""
    deployed = json.loads(box.bmm("deploy", str(FOLDER), "--slug", SLUG, "--json").stdout)
    box.bmm("limits", SLUG, "--calls-per-minute", "100000")
    return str(deployed["url"])


@pytest.fixture(scope="module")
def open_url(box: Box, url: str) -> Iterator[str]:
    """The same endpoint behind a proxy that adds a token to every request: the suite sends none."""
    assert shutil.which("caddy"), "caddy is missing: run `packaging/setup.sh`"
    port = free_port()
    box.bmm("origins", SLUG, "add", f"http://localhost:{port}")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "Caddyfile"
        config.write_text(DOOR.format(port=port, behind=box.port, token=box.token(SLUG)))
        command = ("caddy", "run", "--config", str(config), "--adapter", "caddyfile")
        environ = os.environ | {"XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environ) as caddy:
            try:
                eventually(lambda: _listens(port))
                yield url.replace(f"localhost:{box.port}", f"localhost:{port}")
            finally:
                # Asked to end, it would wait a minute for what the suite left open.
                caddy.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
