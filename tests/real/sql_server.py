"""Deploying servers with sql tools, for the tests of each kind of database."""

import json
from pathlib import Path
from typing import Any, Self

from tests.real.appliance import Box, call

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
