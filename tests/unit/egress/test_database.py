"""The gateway's look at the first bytes of a database's client, and its way there and back."""

import asyncio
import socket
from pathlib import Path

import msgspec
import pytest

from bmm.egress.database import DatabaseReader
from bmm.egress.limits import Meter
from bmm.egress.refused import Refused
from bmm.egress.rules import EgressEntry, EgressRules
from bmm.egress.tunnel import Tunnel
from runner.contract import Protocol

POSTGRESQL = bytes.fromhex("0000000804d2162f")
MYSQL = bytes.fromhex("20000001 8daa0f00 00000001 2d") + bytes(23)
GREETING = b"J\0\0\0\n8.0.36\0"


def entry(protocol: Protocol, *, plain: bool = False) -> EgressEntry:
    return EgressEntry(index=0, name="db.test", port=5432, protocol=protocol, plain=plain)


@pytest.mark.parametrize(("protocol", "hello"), [("postgresql", POSTGRESQL), ("mysql", MYSQL)])
def test_a_client_that_asks_for_tls_is_let_through_however_its_bytes_come(protocol: Protocol, hello: bytes) -> None:
    reader = DatabaseReader(entry(protocol))
    said = [reader.feed(hello[at : at + 1]) for at in range(8)]
    assert said == [None] * 7 + ["db.test"]


@pytest.mark.parametrize(
    ("protocol", "hello"),
    [
        ("postgresql", bytes.fromhex("0000000900030000") + b"user"),
        ("postgresql", b"GET / HTTP/1.1\r\n"),
        ("mysql", bytes.fromhex("20000001 8da20f00")),
        ("mysql", bytes.fromhex("54000001 8daa0f00")),
    ],
)
def test_a_client_that_does_not_is_refused_unless_the_entry_is_plain(protocol: Protocol, hello: bytes) -> None:
    with pytest.raises(Refused):
        DatabaseReader(entry(protocol)).feed(hello)
    assert DatabaseReader(entry(protocol, plain=True)).feed(hello) == "db.test"


@pytest.mark.parametrize(("hello", "passes"), [(MYSQL, True), (bytes.fromhex("54000001 8daa0f00"), False)])
def test_a_server_that_speaks_first_is_heard_and_its_client_still_judged(hello: bytes, passes: bool, tmp_path: Path) -> None:
    """Over real sockets: the greeting arrives, then the client's bytes do, or the tunnel ends before the server sees one."""

    async def use() -> bytes:
        loop = asyncio.get_running_loop()
        client, accepted = socket.socketpair()
        server, dialled = socket.socketpair()
        for each in (client, accepted, server, dialled):
            each.setblocking(False)
        rules = EgressRules(entries=(entry("mysql"),), server_id="srv_1", opening_seconds=2)
        tunnel = Tunnel(rules.entries[0], Meter(rules, 0.0), "x")
        await tunnel.hear(accepted)
        carried = asyncio.ensure_future(tunnel.carry(dialled))
        await loop.sock_sendall(server, GREETING)
        assert await loop.sock_recv(client, 100) == GREETING
        await loop.sock_sendall(client, hello)
        if not passes:
            with pytest.raises(Refused):
                await carried
            tunnel.close()
            await asyncio.sleep(0.05)
            seen = await loop.sock_recv(server, 100)
        else:
            seen = await loop.sock_recv(server, 100)
            await loop.sock_sendall(server, b"more")
            assert await loop.sock_recv(client, 100) == b"more"
            client.close()
            server.close()
            await carried
        for each in (client, server):
            each.close()
        return seen

    assert asyncio.run(use()) == (hello if passes else b"")


def test_rules_of_http_entries_are_written_as_they_always_were() -> None:
    """A gateway of the version before goes on reading them while the appliance is upgraded."""
    assert msgspec.json.encode(EgressEntry(index=0, name="a.test", port=443)) == b'{"index":0,"name":"a.test","port":443}'
