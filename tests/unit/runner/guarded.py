"""A guard as its container starts it: a process with the descriptors 3 to 7, its folders and a token issuer beside it."""

import atexit
import fcntl
import http.client
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
from joserfc import jws
from joserfc.jwk import RSAKey

from runner.contract import AllowedHost, Confidential, Entry, HttpTool, Manifest, Parameter, Scope, ServerSpec, Tool, encode_spec
from tests.waiting import PATIENCE

ISSUER = "https://bmm.test"
RESOURCE = "https://bmm.test/s/shop/mcp"
METADATA = "https://bmm.test/.well-known/oauth-protected-resource/s/shop/mcp"
MODERN, LEGACY = "2026-07-28", "2025-11-25"
OPEN_POLICY = {"revoked_grants": [], "paused": False, "calls_per_minute": 1_000_000}
"""Tests call often; those of limits say so."""

KEY = RSAKey.generate_key(2048, {"kid": "k1", "alg": "RS256", "use": "sig"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "k2", "alg": "RS256", "use": "sig"})


def jwks(*keys: RSAKey) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys]}


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {
        "iss": ISSUER,
        "aud": [RESOURCE],
        "sub": "usr_1",
        "client_id": "cli_1",
        "scope": "read write",
        "iat": now,
        "exp": now + 900,
        "jti": "j1",
        "sid": "srv_1",
        "gid": "grt_1",
    } | changes
    return {name: value for name, value in made.items() if value is not None}


def token(*, key: Any = KEY, header: dict[str, Any] | None = None, **changes: Any) -> str:
    made: dict[str, Any] = {"alg": "RS256", "typ": "at+jwt", "kid": "k1"} | (header or {})
    made = {name: value for name, value in made.items() if value is not None}
    registry = jws.JWSRegistry(algorithms=["RS256", "HS256", "PS256"], strict_check_header=False)
    return jws.serialize_compact(made, json.dumps(claims(**changes)), key, registry=registry)


def http_tool(name: str = "get_item", **changes: Any) -> HttpTool:
    made: dict[str, Any] = {
        "name": name,
        "description": f"Tool {name}",
        "input_schema": {
            "type": "object",
            "properties": {"id": {"type": "integer", "minimum": 1}, "q": {"type": "string"}},
            "required": ["id"],
            "additionalProperties": False,
        },
        "method": "GET",
        "server": "http://shop.test:8081",
        "path": "/items/{id}",
        "parameters": (Parameter(name="id", place="path", argument="id"), Parameter(name="q", place="query", argument="q")),
    } | changes
    return HttpTool(**made)


def spec(*tools: Tool, **changes: Any) -> ServerSpec:
    made: dict[str, Any] = {
        "name": "Shop",
        "tools": tools or (http_tool(),),
        "hosts": (AllowedHost(name="shop.test", port=8081, plain=True), AllowedHost(name="safe.test", port=443)),
        "scopes": (Scope(name="read", description="Read"), Scope(name="write", description="Write"), Scope(name="admin", description="All")),
        "instructions": "Ask for items.",
    } | changes
    return ServerSpec(**made)


def manifest(**changes: Any) -> Manifest:
    made: dict[str, Any] = {
        "server_id": "srv_1",
        "slug": "shop",
        "title": "Shop",
        "version": 3,
        "bundle": "b" * 64,
        "issuer": ISSUER,
        "resource": RESOURCE,
        "metadata_url": METADATA,
        "scopes": ("read", "write"),
        "origins": ("https://app.test",),
        "entries": (Entry(index=0, name="shop.test", port=8081, plain=True), Entry(index=1, name="safe.test", port=443)),
    } | changes
    return Manifest(**made)


def unix_listener(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(4096)
    return listener


class Home:
    """The folders, the shared public socket and the event file of one server; several guards may run on them."""

    def __init__(self, served: ServerSpec | None = None, *, listener: socket.socket | None = None, **changes: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="guard"))
        # A test that fails half-way leaves neither folders nor processes behind.
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        for name in ("app", "control", "egress"):
            (self.folder / name).mkdir()
        (self.folder / "app/spec.json").write_bytes(encode_spec(served or spec()))
        self.put("manifest.json", manifest(**changes))
        self.put("jwks.json", jwks(KEY))
        self.put("policy.json", OPEN_POLICY)
        self.socket = self.folder / "in.sock"
        self.listener = listener or unix_listener(self.socket)
        self.event_file = self.folder / "events.jsonl"
        self.state_key = os.urandom(32)

    def put(self, name: str, content: Any) -> None:
        """Replace a control file the way the appliance does."""
        new = self.folder / "control" / f".{name}"
        new.write_bytes(msgspec.json.encode(content))
        new.rename(self.folder / "control" / name)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.event_file.read_bytes().split(b"\n") if line] if self.event_file.exists() else []

    def calls(self) -> list[dict[str, Any]]:
        return [event for event in self.events() if event["type"] == "call"]

    def egress(self, index: int) -> Path:
        return self.folder / "egress" / f"{index}.sock"

    def close(self) -> None:
        self.listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class GuardProcess:
    """One running guard. `private` is its own socket; `stop` waits for its end."""

    def __init__(
        self,
        home: Home,
        *,
        secrets: dict[str, str] | None = None,
        options: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        event_descriptor: int | None = None,
        prefix: tuple[str, ...] = (),
        wait: bool = True,
    ) -> None:
        self.home = home
        self.private = home.folder / f"private{time.monotonic_ns()}.sock"
        listener = unix_listener(self.private)
        memory = os.memfd_create("confidential")
        os.write(memory, msgspec.json.encode(Confidential(secrets=secrets or {}, state_key=home.state_key)))
        ready, ready_end = os.pipe()
        events = os.open(home.event_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if event_descriptor is None else os.dup(event_descriptor)
        passed = [home.listener.fileno(), events, ready_end, memory, listener.fileno()]
        self.errors = home.folder / f"stderr{time.monotonic_ns()}"
        log = os.open(self.errors, os.O_WRONLY | os.O_CREAT)
        self._ready = ready
        self.began = time.monotonic()
        self.pid = self._spawn(passed, log, [*prefix, sys.executable, "-P", "-s", "-m", "runner", "guard"], options, env or {})
        for descriptor in (events, ready_end, memory, log):
            os.close(descriptor)
        listener.close()
        self.pidfd = os.pidfd_open(self.pid)
        self.status: int | None = None
        atexit.register(self.kill)
        if wait:
            assert self.ready(), self.errors.read_text() + json.dumps(home.events())

    def _spawn(self, passed: list[int], log: int, command: list[str], options: tuple[str, ...], env: dict[str, str]) -> int:
        # Moved out of the way first, so that no duplicate overwrites another.
        high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 100) for descriptor in (*passed, log)]
        actions: list[tuple[int, ...]] = [(os.POSIX_SPAWN_DUP2, source, target) for source, target in zip(high, (3, 4, 5, 6, 7, 2), strict=True)]
        actions += [(os.POSIX_SPAWN_CLOSE, source) for source in high]
        home = self.home.folder
        folders = ("--control", str(home / "control"), "--app", str(home / "app"), "--egress", str(home / "egress"))
        paths = {"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}
        try:
            return os.posix_spawn(command[0], [*command, *folders, *options], paths | env, file_actions=actions)
        finally:
            for descriptor in high:
                os.close(descriptor)

    def ready(self) -> bool:
        """Wait for the word; False when the process ended without it."""
        with os.fdopen(self._ready, "rb") as pipe:
            readable, _, _ = select.select([pipe], [], [], PATIENCE)
            return bool(readable) and pipe.read(6) == b"ready\n"

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        signal.pidfd_send_signal(self.pidfd, number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit status."""
        if self.status is None:
            readable, _, _ = select.select([self.pidfd], [], [], seconds)
            if not readable:
                self.signal(signal.SIGKILL)
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.pidfd)
            assert readable, f"the guard did not end within {seconds} seconds"
        return self.status

    def kill(self) -> None:
        if self.status is None:
            self.signal(signal.SIGKILL)
            self.wait()

    def resident(self) -> int:
        """How many bytes of memory it has."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))

    def stop(self) -> int:
        if self.status is None:
            self.signal()
        return self.wait(PATIENCE + 5)


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("guard", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


def ask(
    path: Path, body: bytes | Any = b"", *, method: str = "POST", target: str = "/mcp", headers: list[tuple[str, str]] | None = None
) -> Answer:
    """One request on a connection of its own."""
    connection = UnixHTTP(path)
    try:
        document = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in [("Content-Type", "application/json"), ("Content-Length", str(len(document))), *(headers or [])]:
            connection.putheader(name, value)
        connection.endheaders(document)
        response = connection.getresponse()
        return Answer(status=response.status, headers={name.lower(): value for name, value in response.getheaders()}, raw=response.read())
    finally:
        connection.close()


class Client:
    """A client with a token, in either era."""

    def __init__(self, path: Path, *, bearer: str | None = None, anonymous: bool = False) -> None:
        self.path = path
        self.headers = [] if anonymous else [("Authorization", f"Bearer {bearer or token()}")]

    def modern(self, method: str, params: dict[str, Any] | None = None, **kwargs: Any) -> Answer:
        headers, body = modern_request(method, params, **kwargs)
        return ask(self.path, body, headers=self.headers + headers)

    def legacy(self, method: str, params: dict[str, Any] | None = None, *, version: str | None = LEGACY) -> Answer:
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": 7, "method": method}
        if params is not None:
            body["params"] = params
        return ask(self.path, body, headers=self.headers + ([("MCP-Protocol-Version", version)] if version else []))

    def call(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        """The result of a modern tools/call."""
        answer = self.modern("tools/call", {"name": name, "arguments": arguments or {}})
        assert answer.status == 200, answer.raw
        return answer.json["result"]


def modern_request(
    method: str,
    params: dict[str, Any] | None = None,
    *,
    version: str = MODERN,
    meta: dict[str, Any] | None = None,
    drop: tuple[str, ...] = (),
    replace: dict[str, str] | None = None,
) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Routing headers and body. `drop` and `replace` change headers, by lower-case name."""
    named = {"io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {}}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": named if meta is None else meta, **(params or {})}}
    headers = {"mcp-protocol-version": version, "mcp-method": method}
    if method == "tools/call":
        headers["mcp-name"] = str((params or {}).get("name", ""))
    headers |= replace or {}
    return [(name, value) for name, value in headers.items() if name not in drop], body
