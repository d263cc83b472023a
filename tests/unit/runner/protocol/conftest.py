"""A server whose tools talk to their client, and an API behind it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.runner.guarded import Client, GuardProcess, Home, token
from tests.unit.runner.streams import talking
from tests.unit.runner.upstream import upstream


@pytest.fixture(scope="module")
def talker() -> Iterator[tuple[GuardProcess, Any]]:
    """A guard that gives a client five seconds to answer and shows a sign of life every half second, and its API."""
    home = Home(talking())
    running = GuardProcess(home, options=("--patience", "5", "--keep-alive", "0.5", "--grace", "3"))
    with upstream(home.egress(0)) as api:
        yield running, api
    assert running.stop() == 0
    home.close()


@pytest.fixture
def person(talker: tuple[GuardProcess, Any], request: pytest.FixtureRequest) -> Client:
    """A client with a grant of its own for each test."""
    return Client(talker[0].home.socket, bearer=token(gid=f"grt_{abs(hash(request.node.nodeid))}"))
