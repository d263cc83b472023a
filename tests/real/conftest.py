"""Real components for the real suite; what is missing fails with the command that installs it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.appliance import KEY, ROOT, Box, free_port, installed


@pytest.fixture(scope="session")
def components() -> None:
    """Podman, Caddy and the runtime are there."""
    assert os.getuid() != 0, "the real suite runs as an ordinary user, as `make test` arranges"
    for program in ("podman", "caddy"):
        assert shutil.which(program), f"{program} is missing: run `packaging/setup.sh`"
    runtime = Path(os.environ.get("BMM_RUNTIME_DIR", ""))
    assert (runtime / "current").exists(), "the runtime is missing: run `packaging/setup.sh`, which sets BMM_RUNTIME_DIR"


@pytest.fixture(scope="session")
def shop_port(components: None) -> Iterator[int]:
    """The demo's upstream API."""
    port = free_port()
    command = (sys.executable, str(ROOT / "packaging/shop.py"), "--port", str(port), "--key", KEY)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as shop:
        assert shop.stdout is not None
        assert shop.stdout.readline(), "the shop did not start"
        yield port
        shop.terminate()


@pytest.fixture(scope="module")
def box(shop_port: int) -> Iterator[Box]:
    """A running appliance that the tests of one module share."""
    with installed(shop_port) as one:
        one.serve()
        yield one


@pytest.fixture
def fresh_box(shop_port: int) -> Iterator[Box]:
    """An appliance of this test's own, not started yet."""
    with installed(shop_port) as one:
        yield one
