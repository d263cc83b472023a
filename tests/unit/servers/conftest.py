"""A running holder for the tests of addresses, and a running gateway for those of what containers are given."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.egress.conftest import gateway as gateway
from tests.unit.servers.holding import Running


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
