"""Guards that are tried."""

from tests.unit.runner.conftest import start as start
