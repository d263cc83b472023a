"""Servers with sql tools, and what holds for every kind of database they ask."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Self

from tests.real.appliance import Box, call
from tests.waiting import at_best

PARAMETERS = {"type": "object", "properties": {}, "additionalProperties": False}


def tool(name: str, query: str, *, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    schema = {**PARAMETERS, "properties": properties or {}}
    return {"kind": "sql", "name": name, "description": name, "input_schema": schema, "query": query, "database": "main", **more}


def spec(database: dict[str, Any], *tools: dict[str, Any], plain: bool = False) -> dict[str, Any]:
    """A server with these tools, which may reach the database's host; its password is the secret DB_PASSWORD."""
    host = {"name": database["host"], "port": database["port"], "protocol": database["kind"], "plain": plain}
    return {
        "name": "Database",
        "tools": list(tools),
        "secrets": [{"key": "DB_PASSWORD"}],
        "hosts": [host],
        "databases": [{"name": "main", "password": "DB_PASSWORD", **database}],
    }


class Asked:
    """A deployed server; `server.name(argument=…)` calls a tool and gives the result."""

    def __init__(self, box: Box, slug: str, document: dict[str, Any], password: str) -> None:
        box.bmm("secret", "set", slug, "DB_PASSWORD", "--next", stdin=password.encode())
        self._deploy(box, slug, "-", json.dumps(document).encode())

    @classmethod
    def from_file(cls, box: Box, slug: str, path: Path) -> Self:
        """A spec that needs no password."""
        server = cls.__new__(cls)
        server._deploy(box, slug, str(path))
        return server

    def _deploy(self, box: Box, slug: str, name: str, stdin: bytes = b"") -> None:
        self.url = str(json.loads(box.bmm("deploy", name, "--slug", slug, "--json", stdin=stdin).stdout)["url"])
        self.token = box.token(slug)

    def result(self, name: str, /, **arguments: object) -> dict[str, Any]:
        return call(self.url, self.token, name, **arguments)

    def rows(self, name: str, /, **arguments: object) -> list[dict[str, Any]]:
        result = self.result(name, **arguments)
        assert not result.get("isError"), result
        found: list[dict[str, Any]] = result["structuredContent"]["rows"]
        return found

    def error(self, name: str, /, **arguments: object) -> str:
        result = self.result(name, **arguments)
        assert result.get("isError"), result
        return str(result["content"][0]["text"])

    def stopped_after(self, name: str, *words: str) -> float:
        """The seconds of a call that must end with an error of one of these words."""
        began = time.monotonic()
        error = self.error(name)
        assert any(each in error for each in words), error
        return time.monotonic() - began


def vouched(box: Box, *places: str) -> Box:
    """The appliance again, with an operator who vouches for the addresses of these places and allows the first one without TLS."""
    box.stop()
    exceptions, plain = (json.loads(box.environ[name]) for name in ("BMM_EGRESS_EXCEPTIONS", "BMM_EGRESS_PLAIN_HTTP"))
    box.environ["BMM_EGRESS_EXCEPTIONS"] = json.dumps(exceptions | dict.fromkeys(places, "127.0.0.1"))
    box.environ["BMM_EGRESS_PLAIN_HTTP"] = json.dumps([*plain, places[0]])
    box.serve()
    return box


def refused_before_anything_is_built(box: Box, database: dict[str, Any], query: str) -> None:
    document = json.dumps(spec(database, tool("x", query))).encode()
    refused = box.bmm("deploy", "-", "--slug", "never", stdin=document, check=False)
    assert refused.returncode == 2
    assert "/tools/0/query" in refused.stderr


def cut_at_the_limits(server: Asked, *names: str) -> None:
    """What gives a million rows gives 200 of them, soon, and says so."""

    def took(name: str) -> float:
        began = time.monotonic()
        result = server.result(name)
        seconds = time.monotonic() - began
        assert (len(result["structuredContent"]["rows"]), result["structuredContent"]["truncated"]) == (200, True)
        assert "first 200 rows" in result["content"][1]["text"]
        return seconds

    for name in names:
        at_best(partial(took, name), within=5)
    assert "more than 16 MiB" in server.error("huge")
    assert server.rows("find", name="one"), "the next call has a session again"


def at_most_four_at_once(server: Asked, running: Callable[[], int]) -> None:
    """Many calls share four connections, and all are answered; `running` is how many the database serves now."""
    most, done = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, running())

    with ThreadPoolExecutor(9) as calls:
        watching = calls.submit(watch)
        try:
            # On a busy machine nobody may look while four are served.
            for _ in range(5):
                found = list(calls.map(lambda n: server.rows("nap", n=n)[0]["n"], range(8)))
                assert found == list(range(8))
                if most >= 4:
                    break
        finally:
            done.set()
        watching.result()
    assert most == 4


def without_tls(box: Box, slug: str, database: dict[str, Any], find: dict[str, Any], password: str) -> dict[str, Any]:
    """A server that may ask without TLS works; its document."""
    document = spec({**database, "tls": "off", "trust": ""}, find, plain=True)
    assert Asked(box, slug, document, password).rows("find", name="one")
    return document


def wrong_password(box: Box, slug: str, database: dict[str, Any], find: dict[str, Any]) -> None:
    """Is told without places and names."""
    error = Asked(box, slug, spec(database, find), "not it").error("find", name="one")
    assert "user or password" in error
    assert not any(word in error for word in (database["user"], "127.0.0.1", "not it", str(database["port"])))


def untrusted(box: Box, slug: str, database: dict[str, Any], find: dict[str, Any], password: str, *, trust: str) -> None:
    server = Asked(box, slug, spec({**database, "trust": trust}, find), password)
    assert "certificate is not trusted" in server.error("find", name="one")
