"""A running holder for the tests of addresses, and a database."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bmm.store.db import Store
from tests.unit.servers.holding import Running
from tests.unit.store import rows


@pytest.fixture
def holder() -> Iterator[Running]:
    run = Path(tempfile.mkdtemp(prefix="bmm-"))
    running = Running(run)
    running.start()
    yield running
    running.end()
    output = (run / "log").read_text()
    shutil.rmtree(run)
    assert output == ""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """With one organisation."""
    one = Store(tmp_path / "bmm.db")
    rows.organisation(one)
    yield one
    one.close()
