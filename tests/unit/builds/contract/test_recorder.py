"""The recorder on real sockets: what it notes, what it answers, and what it does with what is no HTTP."""

import asyncio
import contextlib
import os
import stat
from pathlib import Path

from bmm.builds.contract.recorder import recording
from runner.contract import Entry

ENTRIES = (
    Entry(index=0, name="api.test", port=443),
    Entry(index=1, name="other.test", port=8080),
    Entry(index=2, name="db.test", port=5432, protocol="postgresql"),
)


async def said(path: Path, *messages: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    for message in messages:
        writer.write(message)
        await writer.drain()
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


def test_requests_are_noted_with_the_host_of_their_socket(tmp_path: Path) -> None:
    async def story() -> None:
        async with recording(tmp_path, ENTRIES) as recorder:
            recorder.answer = b'{"ok":true}'
            first = b"POST /a?b=c HTTP/1.1\r\nHost: api.test\r\nX-A: 1\r\nContent-Length: 4\r\n\r\n"
            answer = await said(tmp_path / "0.sock", first, b"body", b"GET /b HTTP/1.1\r\nHost: api.test\r\n\r\n")
            assert answer.count(b"HTTP/1.1 200 OK") == 2
            assert answer.endswith(b'\r\n\r\n{"ok":true}')
            one, two = recorder.taken()
            assert (one.host, one.port, one.method, one.target, one.header("x-a"), one.body) == (
                "api.test",
                443,
                "POST",
                "/a?b=c",
                "1",
                b"body",
            )
            assert (two.method, two.body) == ("GET", b"")
            head = await said(tmp_path / "1.sock", b"HEAD / HTTP/1.1\r\nHost: other.test\r\n\r\n")
            assert head.endswith(b"Content-Length: 11\r\n\r\n")
            assert [each.host for each in recorder.taken()] == ["other.test"]
            assert recorder.taken() == ()

    asyncio.run(story())


def test_there_is_a_socket_for_http_hosts_alone_that_any_user_can_dial(tmp_path: Path) -> None:
    async def story() -> None:
        async with recording(tmp_path, ENTRIES):
            assert sorted(os.listdir(tmp_path)) == ["0.sock", "1.sock"]
            assert stat.S_IMODE(os.stat(tmp_path / "0.sock").st_mode) == 0o666

    asyncio.run(story())


def test_what_is_no_http_ends_the_connection_and_is_not_noted(tmp_path: Path) -> None:
    async def story() -> None:
        async with recording(tmp_path, ENTRIES) as recorder:
            for bad in (
                b"\x16\x03\x01\x02\x00\r\n\r\n",
                b"GET / HTTP/1.0\r\n\r\n",
                b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                b"x" * 100_000,
                b"GET",
            ):
                with contextlib.suppress(ConnectionError):
                    assert await said(tmp_path / "0.sock", bad) == b""
            assert recorder.taken() == ()

    asyncio.run(story())
