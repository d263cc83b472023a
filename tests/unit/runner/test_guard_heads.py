"""A head that was read before is not parsed again, and nobody can tell: whatever is sent is taken as by a server that remembers none."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from runner.guard.connection import MAX_KNOWN, Connection, Connections, Head
from runner.guard.request import Request
from tests.fuzz.cases import Case, Place, case, honest

PLACE, BEARERS = Place(), ("one.two.three", "four.five.six")
BODY = b'{"a":1}'


class Forgetful(dict[bytes, Head]):
    """Never knows a head, so that every request is parsed."""

    def __setitem__(self, key: bytes, value: Head) -> None:
        pass


class Wire(asyncio.Transport):
    """Keeps what is written; pieces reach the protocol exactly as a test cuts them."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


class Door:
    """Connections of one server; `seen` is what its application got."""

    def __init__(self, *, forgetful: bool = False) -> None:
        self.all = Connections()
        if forgetful:
            self.all.heads = Forgetful()
        self.seen: list[object] = []

    async def send(self, pieces: Iterable[bytes], *, at_once: bool = False) -> tuple[list[object], bytes, bool]:
        """What one connection makes of this: the requests, what was written, whether it was closed. Or all before anything is answered."""
        self.seen, wire = [], Wire()
        connection = Connection(self._answer, self.all, asyncio.get_running_loop())
        connection.connection_made(wire)
        for piece in pieces:
            if not wire.closed:
                connection.data_received(piece)
            for _ in range(0 if at_once else 12):
                await asyncio.sleep(0)
        for _ in range(40):
            await asyncio.sleep(0)
        was_closed = wire.closed
        connection.connection_lost(None)
        for _ in range(4):
            await asyncio.sleep(0)
        return self.seen, wire.written, was_closed

    async def _answer(self, request: Request) -> None:
        body = request.arrived()
        if body is None:
            body, more = b"", True
            while more:
                if (found := await request.piece()) is None:
                    return self.seen.append((request.method, request.path, dict(request.headers), "cut"))
                body, more = body + found[0], found[1]
        self.seen.append((request.method, request.path, dict(request.headers), request.keep_alive, body))
        return request.answer(200, (), b"%d" % len(body))


def _pieces(one: Case) -> list[bytes]:
    places = (0, *one.cuts, len(one.data))
    return [one.data[start:end] for start, end in pairwise(places)]


def _ask(*headers: str, body: bytes = BODY, method: str = "POST", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return "\r\n".join((f"{method} /mcp HTTP/1.1", "Host: guard", f"Content-Length: {size}", *headers, "", "")).encode() + body


async def test_what_is_sent_is_taken_as_if_no_head_were_known() -> None:
    knowing, forgetful = Door(), Door(forgetful=True)
    known = 0
    for index in range(500):
        one = case(7, index, BEARERS, PLACE)
        usual = honest("mark", BEARERS[0], PLACE)
        for pieces in ([usual, *_pieces(one), usual], [one.data, one.data, usual], [usual + one.data, usual]):
            for at_once in (False, True):
                expected = await forgetful.send(pieces, at_once=at_once)
                for _ in range(2):
                    known = max(known, len(knowing.all.heads))
                    assert await knowing.send(pieces, at_once=at_once) == expected, (index, pieces)
    assert known > 50
    assert not forgetful.all.heads


CHUNKED = b"POST /mcp HTTP/1.1\r\nHost: guard\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # More, or less, than the head announces.
        ([_ask()], [_ask() + b"x"]),
        ([_ask()], [_ask()[:-1], BODY[-1:]]),
        ([_ask()], [_ask() * 3]),
        # Nothing is known of the request that is in the middle.
        ([_ask()], [_ask()[:20], _ask()]),
        ([_ask()], [_ask("Transfer-Encoding: chunked", length=0)[:-7], b"400\r\n", _ask()]),
        ([_ask()], [_ask(length=len(BODY) + len(_ask())), _ask()]),
        ([CHUNKED], [CHUNKED, CHUNKED]),
        # A body that looks like a head.
        ([_ask(body=_ask())], [_ask(body=_ask())]),
        ([_ask()], [_ask("Connection: close"), _ask()]),
        ([_ask("Connection: close")], [_ask("Connection: close"), _ask("Connection: close")]),
        ([_ask("Expect: 100-continue")], [_ask("Expect: 100-continue")]),
        ([_ask("Authorization: a", "Authorization: b")], [_ask("Authorization: a", "Authorization: b")]),
        ([_ask("Content-Length: 7")], [_ask("Content-Length: 7")]),
        ([_ask(method="HEAD")], [_ask(method="HEAD")]),
        ([_ask(body=b"", method="GET")], [_ask(body=b"", method="GET")]),
    ],
)
async def test_the_same_head_means_the_same_with_the_same_body_only(before: Sequence[bytes], after: Sequence[bytes]) -> None:
    knowing, forgetful = Door(), Door(forgetful=True)
    await knowing.send(before)
    for at_once in (False, True):
        assert await knowing.send(after, at_once=at_once) == await forgetful.send(after, at_once=at_once)
        both = (*before, *after)
        assert await knowing.send(both, at_once=at_once) == await forgetful.send(both, at_once=at_once)


async def test_a_head_is_known_from_its_second_time_on_and_what_is_kept_is_bounded() -> None:
    door = Door()
    await door.send([_ask()])
    (head,) = door.all.heads
    assert head + BODY == _ask()
    seen, _, _ = await door.send([head + b"[1,2,3]"])
    assert seen == [(b"POST", "/mcp", {b"host": b"guard", b"content-length": b"7"}, True, b"[1,2,3]")]
    await door.send([_ask("X-Long: " + "x" * 5000)])
    assert list(door.all.heads) == [head]
    for number in range(MAX_KNOWN + 5):
        await door.send([_ask(f"X-Number: {number}")])
    assert 0 < len(door.all.heads) <= MAX_KNOWN


async def test_a_known_head_is_the_last_one_of_a_server_that_stops() -> None:
    door = Door()
    await door.send([_ask()])
    door.all.stopping = True
    seen, written, closed = await door.send([_ask()])
    assert (len(seen), b"connection: close" in written, closed) == (1, True, True)
