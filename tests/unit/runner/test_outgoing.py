"""What code asks for over HTTP: sent twice only where that does no harm."""

import asyncio
from pathlib import Path

import pytest

from runner.tools.http import Upstreams
from runner.tools.outgoing import Outgoing, Refused
from tests.unit.runner.scripted import ENTRY, Cut, Upstream, said

OK = said({"ok": True})
PLACE = "http://shop.test:8081"


async def asked(folder: Path, script: list[bytes | type[Cut]], *methods: str) -> tuple[list[int | str], Upstream]:
    """Status, or code of the refusal, of requests made one after the other."""
    upstream = Upstream(script)
    server = await asyncio.start_unix_server(upstream.serve, f"{folder}/0.sock")
    upstreams = Upstreams((ENTRY,), egress=folder)
    found: list[int | str] = []
    for method in methods:
        try:
            found.append((await Outgoing(upstreams).send(method, f"{PLACE}/{method}", (), None)).status)
        except Refused as error:
            found.append(error.code)
    await upstreams.close()
    server.close()
    return found, upstream


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_change_on_a_connection_that_went_stale_is_not_repeated(tmp_path: Path, method: str) -> None:
    found, upstream = await asked(tmp_path, [OK, Cut, OK], "GET", method)
    assert found == [200, "upstream_closed"]
    assert upstream.targets == ["/GET", f"/{method}"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_what_may_be_repeated_is_so_once(tmp_path: Path, method: str) -> None:
    found, upstream = await asked(tmp_path, [OK, Cut, OK, Cut, Cut, OK], "GET", method, method)
    assert found == [200, 200, "upstream_closed"]
    assert upstream.targets == ["/GET", *[f"/{method}"] * 4]
