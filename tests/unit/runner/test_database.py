"""Databases in a spec: what contradicts itself is refused with its place."""

from typing import Any

import msgspec
import pytest

from runner.contract import SpecError, decode_spec

DATABASE = {"name": "main", "kind": "postgresql", "host": "db.test", "port": 5433, "database": "shop", "user": "reader", "password": "DB_PASSWORD"}
TOOL = {"kind": "sql", "name": "t", "description": "", "input_schema": {"type": "object"}, "query": "SELECT 1", "database": "main"}
SPEC = {
    "name": "Shop",
    "tools": [TOOL],
    "secrets": [{"key": "DB_PASSWORD"}],
    "hosts": [{"name": "db.test", "port": 5433, "protocol": "postgresql"}],
    "databases": [DATABASE],
}


def decoded(**changes: Any) -> object:
    return decode_spec(msgspec.json.encode({**SPEC, **changes}))


def test_a_whole_spec_is_taken_and_says_the_same_again() -> None:
    assert decode_spec(msgspec.json.encode(decoded())) == decoded()


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"hosts": []}, "/databases/0/host"),
        ({"hosts": [{"name": "db.test", "port": 5433}]}, "/databases/0/host"),
        ({"hosts": [{"name": "db.test", "port": 5433, "protocol": "mysql"}]}, "/databases/0/host"),
        ({"databases": [{**DATABASE, "tls": "off"}]}, "/databases/0/host"),
        ({"databases": [{**DATABASE, "port": 0}]}, "/databases/0/host"),
        ({"databases": [{**DATABASE, "user": ""}]}, "/databases/0/user"),
        ({"databases": [{**DATABASE, "file": "0" * 64}]}, "/databases/0/file"),
        ({"databases": [{**DATABASE, "user": "a\0"}]}, "/databases/0/user"),
        ({"databases": [{**DATABASE, "trust": "nobody"}]}, "/databases/0/trust"),
        ({"databases": [{**DATABASE, "trust": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}]}, "/databases/0/trust"),
        ({"databases": [{**DATABASE, "trust": "ü"}]}, "/databases/0/trust"),
        ({"databases": [{"name": "main", "kind": "sqlite"}]}, "/databases/0/file"),
        ({"databases": [DATABASE, DATABASE]}, "/databases/1/name"),
        ({"databases": [{**DATABASE, "name": "main\n"}]}, "/databases/0/name"),
        ({"secrets": []}, "/databases/0/password"),
        ({"databases": []}, "/tools/0/database"),
        ({"tools": [{**TOOL, "query": "SELECT :x"}]}, "/tools/0/query"),
        ({"tools": [{**TOOL, "query": "DROP TABLE x"}]}, "/tools/0/query"),
        ({"tools": [{**TOOL, "input_schema": {"type": "object", "properties": None}}]}, "/tools/0/input_schema/properties"),
        ({"tools": [{**TOOL, "input_schema": {"type": "object", "properties": [["x"]]}}]}, "/tools/0/input_schema/properties"),
    ],
)
def test_a_contradiction_is_refused_with_its_place(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(SpecError) as refused:
        decoded(**changes)
    assert refused.value.pointer == pointer


def test_an_http_tool_does_not_speak_to_a_database() -> None:
    http = {"kind": "http", "name": "h", "description": "", "input_schema": {"type": "object"}, "method": "GET", "server": "https://db.test:5433", "path": "/"}
    with pytest.raises(SpecError, match="does not allow"):
        decoded(tools=[TOOL, http])
