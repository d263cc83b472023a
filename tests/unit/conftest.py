"""A store of a test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bmm.store.db import Store
from tests.unit.store import rows


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """With one organisation."""
    one = Store(tmp_path / "bmm.db")
    rows.organisation(one)
    yield one
    one.close()
