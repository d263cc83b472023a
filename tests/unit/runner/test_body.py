"""What the bodies of requests may take up while they arrive, with clients that send too little or too much."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from runner.guard import body
from runner.guard.body import Bodies
from runner.protocol.jsonrpc import Reply

Piece = tuple[bytes, bool]


def test_a_body_of_which_not_one_byte_comes_is_given_up() -> None:
    async def story() -> None:
        found = await asyncio.wait_for(Bodies(seconds=0.05).read(b"10", _silent), 5)
        assert isinstance(found, Reply)
        assert (found.status, found.close) == (408, True)

    asyncio.run(story())


def test_a_body_that_stops_half_way_is_given_up() -> None:
    async def story() -> None:
        found = await asyncio.wait_for(Bodies(seconds=0.05).read(b"10", _then_silent(b"12345")), 5)
        assert isinstance(found, Reply)
        assert found.status == 408

    asyncio.run(story())


def test_of_too_many_slow_bodies_the_last_is_refused_and_their_end_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        bodies = Bodies(seconds=0.2)
        waiting = [asyncio.ensure_future(bodies.read(b"10", _silent)) for _ in range(3)]
        await asyncio.sleep(0)
        found = await bodies.read(b"2", _whole(b"{}"))
        assert isinstance(found, Reply)
        assert (found.status, found.close) == (503, True)
        await asyncio.wait(waiting, timeout=5)
        assert await bodies.read(b"2", _whole(b"{}")) == b"{}"

    monkeypatch.setattr(body, "MAX_ARRIVING", 3)
    asyncio.run(story())


def test_what_has_arrived_of_all_bodies_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        bodies = Bodies(seconds=0.2)
        half = asyncio.ensure_future(bodies.read(None, _then_silent(b"x" * 800)))
        await asyncio.sleep(0)
        found = await bodies.read(None, _whole(b"x" * 300))
        assert isinstance(found, Reply)
        assert (found.status, found.close) == (503, True)
        await asyncio.wait([half], timeout=5)
        assert await bodies.read(None, _whole(b"x" * 1000)) == b"x" * 1000

    monkeypatch.setattr(body, "MAX_ARRIVING_BYTES", 1000)
    asyncio.run(story())


async def _silent() -> Piece:
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody sends anything")


def _whole(content: bytes) -> Callable[[], Awaitable[Piece]]:
    async def pieces() -> Piece:
        return content, False

    return pieces


def _then_silent(content: bytes) -> Callable[[], Awaitable[Piece]]:
    sent = [(content, True)]

    async def pieces() -> Piece:
        return sent.pop() if sent else await _silent()

    return pieces
