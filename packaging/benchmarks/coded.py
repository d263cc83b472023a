"""Servers whose tools are code and queries: their specs, the database behind them, and calls that hang and crash meanwhile."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from msgspec.structs import replace

from benchmarks import document, sites
from benchmarks.document import Ask
from benchmarks.sites import Site
from runner.contract import BUILTIN_ECHO, PythonTool, ServerSpec, decode_spec
from tests.real import sql_server
from tests.real.appliance import Box
from tests.real.authority import Authority
from tests.real.postgres import PASSWORD, Postgres

ROWS = 20
QUERY = "SELECT id, name, stock FROM things WHERE category = {category} ORDER BY id LIMIT 20"
TABLE = """
CREATE TABLE things (id int PRIMARY KEY, category text NOT NULL, name text NOT NULL, stock int NOT NULL);
INSERT INTO things SELECT n, 'c' || n % 500, 'Thing number ' || n, n % 7 FROM generate_series(1, 20000) AS n;
CREATE INDEX ON things (category, id);
ANALYZE things;
"""
_TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"], "additionalProperties": False}
# What misbehaves in its trial is not deployed; a trial cannot make up this argument.
_GO: dict[str, Any] = {"type": "object", "properties": {"go": {"type": "string", "pattern": r"^(g)o\1$"}}, "required": ["go"]}
_ECHO = "async def run(args, ctx):\n    return args['text']\n"
_HANG = "async def run(args, ctx):\n    while True:\n        pass\n"
_CRASH = "import os\n\n\nasync def run(args, ctx):\n    os._exit(1)\n"


def echoes() -> ServerSpec:
    """The same tool twice: answered by the guard itself, and as code in a worker."""
    tools = (("echo", BUILTIN_ECHO), ("worker_echo", _ECHO))
    return ServerSpec(name="Echoes", tools=tuple(PythonTool(name=name, description=name, input_schema=_TEXT, code=code) for name, code in tools))


def worker_echo(era: str) -> Ask:
    return document.tool_call(era, "worker_echo", text=document.ECHOED)


def find(era: str) -> Ask:
    """Twenty rows of twenty thousand, by an index."""
    return document.tool_call(era, "find", category="c7")


class Database:
    """A running PostgreSQL that the appliance may reach under its name; `pem` is what its clients trust."""

    def __init__(self, folder: Path) -> None:
        authority = Authority()
        folder.mkdir()
        self.server, self.pem = Postgres(folder, authority), folder / "trust.pem"
        self.pem.write_text(authority.pem)

    def spec(self) -> ServerSpec:
        """A server with the tool `find`."""
        entry = {"kind": "postgresql", "host": self.server.host, "port": self.server.port, "database": "postgres", "user": "admin"}
        found = sql_server.tool("find", QUERY.format(category=":category"), properties={"category": {"type": "string"}})
        return decode_spec(json.dumps(sql_server.spec(entry | {"trust": self.pem.read_text()}, found)))


@contextmanager
def database(box: Box, folder: Path) -> Iterator[Database]:
    """Started and filled; the appliance is started again with an operator who vouches for its address."""
    one = Database(folder)
    one.server.start()
    try:
        one.server.sql(TABLE)
        box.stop()
        places = json.loads(box.environ["BMM_EGRESS_EXCEPTIONS"]) | {f"{one.server.host}:{one.server.port}": "127.0.0.1"}
        box.environ["BMM_EGRESS_EXCEPTIONS"] = json.dumps(places)
        box.serve()
        yield one
    finally:
        one.server.stop("immediate")


def deploy_with_password(box: Box, slug: str, spec: ServerSpec, ask: Ask) -> sites.Deployed:
    box.bmm("secret", "set", slug, "DB_PASSWORD", "--next", stdin=PASSWORD.encode())
    return sites.deploy(box, slug, spec, ask)


def fastmcp_command(box: Box, resource: str, one: Database, *, folder: Path, socket: Path) -> tuple[str, ...]:
    """The same query on FastMCP and asyncpg, which asks the database directly."""
    return (*sites.echo_command("sql_fastmcp.py", box, resource, folder=folder, socket=socket), str(one.server.port), str(one.pem), PASSWORD)


def check(contestants: Sequence[Site], token: str) -> None:
    """All answer both revisions with the same rows, and refuse a forged token."""
    for era in document.ERAS:
        found = [sites.post(site.url, find(era), token).json()["result"]["structuredContent"]["rows"] for site in contestants]
        assert len(found[0]) == ROWS, found[0]
        assert all(rows == found[0] for rows in found), found
    for site in contestants:
        sites.refuses_forged(site, token)


def mixed(widgets: ServerSpec, queries: ServerSpec) -> ServerSpec:
    """Tools of all three kinds in one server, and two that misbehave."""
    http = next(tool for tool in widgets.tools if tool.name == document.TOOL)
    return replace(
        widgets,
        tools=(
            http,
            *queries.tools,
            *echoes().tools[1:],
            PythonTool(name="hang", description="Never returns.", input_schema=_GO, code=_HANG, timeout=10),
            PythonTool(name="crash", description="Ends its process.", input_schema=_GO, code=_CRASH),
        ),
        hosts=widgets.hosts + queries.hosts,
        secrets=queries.secrets,
        databases=queries.databases,
    )


@contextmanager
def trouble(url: str, token: str, names: tuple[str, ...]) -> Iterator[Counter[str]]:
    """One call after the other of each of these tools for as long as the block runs, and how many have ended, each with an error."""
    over, ended = threading.Event(), Counter[str]()

    def keep_calling(name: str) -> None:
        ask = document.tool_call(document.LEGACY, name, go="gog")
        with httpx2.Client(headers=ask.headers | {"Authorization": f"Bearer {token}"}, timeout=20, trust_env=False) as client:
            while not over.is_set():
                answer = client.post(url, content=ask.body)
                if answer.status_code == 200 and answer.json()["result"]["isError"]:
                    ended[name] += 1

    threads = [threading.Thread(target=keep_calling, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    try:
        yield ended
    finally:
        over.set()
        for thread in threads:
            thread.join()
