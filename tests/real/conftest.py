"""Real components for the real suite; what is missing fails with the command that installs it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.appliance import KEY, ROOT, Box, free_port


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
    with _box(shop_port) as one:
        one.serve()
        yield one


@pytest.fixture
def fresh_box(shop_port: int) -> Iterator[Box]:
    """An appliance of this test's own, not started yet."""
    with _box(shop_port) as one:
        yield one


class _box:
    """Folders that are gone afterwards, with everything that ran in them."""

    def __init__(self, shop_port: int) -> None:
        # Socket paths are limited to 107 bytes, so not pytest's own folder.
        self._run = Path(tempfile.mkdtemp(prefix="t", dir=os.environ["XDG_RUNTIME_DIR"]))
        self._data = Path(tempfile.mkdtemp(prefix="bmm-test-"))
        self._box = Box(self._data, self._run, shop_port)

    def __enter__(self) -> Box:
        return self._box

    def __exit__(self, *_: object) -> None:
        self._box.down()
        assert self._box.containers() == [] if (self._data / "install-id").exists() else True
        shutil.rmtree(self._run, ignore_errors=True)
        shutil.rmtree(self._data, ignore_errors=True)
