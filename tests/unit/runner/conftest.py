"""Guards for tests: one shared by a module's tests, or a fresh home to start others in."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from runner.tools import process
from tests.unit.runner.guarded import Client, GuardProcess, Home, http_tool, spec
from tests.waiting import PATIENCE


@pytest.fixture(scope="module")
def guard() -> Iterator[GuardProcess]:
    """A guard with two tools, shared by the tests of a module."""
    home = Home(spec(http_tool(), http_tool("admin_tool", scopes=("admin", "write"))))
    running = GuardProcess(home)
    yield running
    assert running.stop() == 0
    home.close()


@pytest.fixture
def client(guard: GuardProcess) -> Client:
    return Client(guard.home.socket)


@pytest.fixture
def start() -> Iterator[Callable[..., GuardProcess]]:
    """Start guards that are stopped at the end of the test; `home` is shared when it is given."""
    started: list[GuardProcess] = []
    homes: list[Home] = []

    def begin(home: Home | None = None, **options: Any) -> GuardProcess:
        if home is None:
            home = Home()
        if home not in homes:
            homes.append(home)
        started.append(GuardProcess(home, **options))
        return started[-1]

    yield begin
    for guard in started:
        guard.stop()
    for home in homes:
        home.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has all the time it needs to let go of a call, so that none is replaced because the machine is busy."""
    monkeypatch.setattr(process, "_DRAIN_SECONDS", PATIENCE)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine, on the loop the guard uses."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    uvloop.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
