"""A sample of `make fuzz` in every run of the tests, and proof that it would notice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.fuzz.campaign import Campaign, explore
from tests.fuzz.cases import Place, case, honest
from tests.fuzz.reference import read

SAMPLE = 400
SILENT = "no answer within"
HEAD = b"POST /mcp HTTP/1.1\r\nHost: guard\r\n"


# The same in every run, which so is green or red for the change alone; new cases are what `make fuzz` looks for.
@pytest.mark.parametrize("seed", [20260728, 20261121])
def test_nothing_is_found(seed: int) -> None:
    assert asyncio.run(explore(seed=seed, requests=SAMPLE, seconds=60)) == []


def test_a_seed_always_makes_the_same_cases() -> None:
    made = [[case(5, index, ("a.b.c",), Place()) for index in range(300)] for _ in range(2)]
    assert made[0] == made[1]
    assert len({one.data for one in made[0]}) > 280


@contextlib.asynccontextmanager
async def lying(path: Path, answer: Callable[[bytes], bytes]) -> AsyncIterator[Path]:
    """A server that answers every request with what a function makes of it, and keeps the connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            while data := await reader.read(1 << 20):
                writer.write(answer(data))

    server = await asyncio.start_unix_server(talk, path)
    try:
        yield path
        await asyncio.sleep(0.01)  # until the conversations have seen their end
    finally:
        server.close()


def _answer(body: bytes, *, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b" % (status, more, len(body), body)


def _echo(data: bytes, more: bytes = b"") -> bytes:
    """What a good server would say to the honest, and more."""
    sent = read(data).requests[0].body
    mark = sent.partition(b'"id":"')[2].partition(b'"')[0]
    return _answer(b'{"jsonrpc":"2.0","id":"%b","result":{%b"q":"%b"}}' % (mark, more, mark))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_echo, None),
        (lambda _: _answer(b'{"error":"x","error_description":"y"}', status=b"500 Oops"), "500"),
        (lambda _: _answer(b'{"error":"x","error_description":"y"}', status=b"503 Busy"), "without Retry-After"),
        (lambda _: _answer(b"{"), "not JSON"),
        (lambda _: _answer(b'{"a":1}'), "neither JSON-RPC nor"),
        (lambda _: _answer(b'{"jsonrpc":"2.0","id":"other","result":{}}'), "is not that of the request"),
        (lambda _: _answer(b'{"jsonrpc":"2.0","id":null,"result":{}}'), "is not that of the request"),
        (lambda _: _answer(b'{"jsonrpc":"2.0","id":null,"error":{"code":"x"}}'), "its error is none"),
        (lambda data: _echo(data) + b"HTTP/1.1 200 OK\r\n\r\n", "its length is not said"),
        (lambda data: _echo(data).replace(b"\r\n", b"\n", 1), "a line ends wrongly"),
        (lambda data: _echo(data).replace(b"Content-Type", b"Content-Length: 5\r\nContent-Type"), "its length is said twice"),
        (lambda data: _echo(data, b'"at":"/opt/bmm/runner",'), "tells about its inside"),
        (lambda data: _echo(data, b'"of":"mk000000778275a04z",'), "what another client sent"),
        (lambda _: b"", SILENT),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_server_that_lies_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[bytes], bytes], words: str | None
) -> None:
    if words == SILENT:
        monkeypatch.setattr("tests.fuzz.campaign.SECONDS", 0.3)

    async def found() -> str | None:
        async with lying(tmp_path / "s", answer) as path:
            campaign = Campaign(path, seed=1, bearers=("a.b.c",))
            one = case(1, 3, ("a.b.c",), Place())
            return await campaign.judge(replace(one, data=honest(one.mark, "a.b.c", Place()), cuts=()))

    seen = asyncio.run(found())
    assert seen is None if words is None else seen is not None and words in seen, seen


@pytest.mark.parametrize(
    ("data", "ending", "requests"),
    [
        (HEAD + b"Content-Length: 2\r\n\r\n{}", "whole", 1),
        (HEAD + b"Content-Length: 2\r\n\r\n{", "incomplete", 0),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\n\r\n", "whole", 1),
        (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "framing", 0),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "framing", 0),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n", "framing", 0),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "framing", 0),
        (HEAD + b"Content-Length : 2\r\n\r\n{}", "framing", 0),
        (HEAD + b"X: a\r\n folded\r\n\r\n", "malformed", 0),
        (HEAD.replace(b"\r\n", b"\n") + b"\n", "malformed", 0),
        (HEAD + b"Connection: close\r\n\r\n" + HEAD, "closes", 1),
        (HEAD + b"\r\n" + HEAD + b"\r\n", "whole", 2),
    ],
)
def test_the_reference_reads_strictly(data: bytes, ending: str, requests: int) -> None:
    seen = read(data)
    assert (seen.ending, len(seen.requests)) == (ending, requests)
