"""An API that signs people in with HTTP Digest, written from RFC 7616 alone: none of the product's code is used here."""

import hashlib
import json
import re
import secrets
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote

HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


class Rules:
    """What the API asks for and takes. `uses` is how often a nonce is good; `challenge` stands in place of all of its own."""

    def __init__(
        self,
        *,
        username: str = "ann",
        password: str = "s3cr3t-word",
        realm: str = "shop",
        algorithms: tuple[str, ...] = ("MD5",),
        qop: str | None = "auth",
        opaque: str | None = "5ccc069c",
        charset: bool = False,
        userhash: bool = False,
        uses: int = 1_000_000,
        challenge: tuple[str, ...] | None = None,
        next_nonce: bool = False,
        key: str | None = None,
    ) -> None:
        self.username, self.password, self.realm, self.algorithms, self.qop, self.opaque = username, password, realm, algorithms, qop, opaque
        self.charset, self.userhash, self.uses, self.challenge, self.next_nonce, self.key = charset, userhash, uses, challenge, next_nonce, key
        self.issued: dict[str, set[str]] = {}
        """Nonce → the counts it was used with."""
        self.seen: list[dict[str, Any]] = []
        """Every request: method, target, headers, body and the status it got."""

    @property
    def authorizations(self) -> list[str | None]:
        return [each["headers"].get("Authorization") for each in self.seen]

    @property
    def statuses(self) -> list[int]:
        return [each["status"] for each in self.seen]

    def nonce(self) -> str:
        made = secrets.token_urlsafe(12)
        self.issued[made] = set()
        return made

    def challenges(self, *, stale: bool) -> tuple[str, ...]:
        if self.challenge is not None:
            return self.challenge
        nonce, realm, opaque = self.nonce(), quoted(self.realm), quoted(self.opaque or "")
        return tuple(
            f'Digest realm={realm}, nonce="{nonce}", algorithm={algorithm}'
            + (f', qop="{self.qop}"' if self.qop else "")
            + (f", opaque={opaque}" if self.opaque else "")
            + (", charset=UTF-8" if self.charset else "")
            + (", userhash=true" if self.userhash else "")
            + (", stale=true" if stale else "")
            for algorithm in self.algorithms
        )

    def accepts(self, method: str, target: str, header: str | None, body: bytes) -> tuple[bool, bool]:
        """Whether the request is signed in, and whether only its nonce is at fault."""
        if header is None or not header.startswith("Digest "):
            return False, False
        given = fields(header)
        hashed = self._hash(given.get("algorithm", "MD5"))
        name = self.username.encode()
        sent = unquote(given["username*"].removeprefix("UTF-8''")).encode() if "username*" in given else given["username"].encode("latin-1")
        wanted = hashed(name + b":" + self.realm.encode()).encode() if given.get("userhash") == "true" else name
        repeated = given.get("opaque") == self.opaque and given["uri"] == target and (given.get("userhash") == "true") is self.userhash
        chosen = given.get("qop") in self.qop.split(", ") if self.qop is not None else "qop" not in given
        first = hashed(name + b":" + self.realm.encode() + b":" + self.password.encode())
        if given.get("algorithm", "").lower().endswith("-sess"):
            first = hashed(f"{first}:{given['nonce']}:{given['cnonce']}".encode())
        second = hashed(f"{method}:{target}".encode() + (b":" + hashed(body).encode() if given.get("qop") == "auth-int" else b""))
        middle = f"{given['nonce']}:{given['nc']}:{given['cnonce']}:{given['qop']}" if "qop" in given else given["nonce"]
        if not repeated or not chosen or sent != wanted or given["response"] != hashed(f"{first}:{middle}:{second}".encode()):
            return False, False
        used = self.issued.get(given["nonce"])
        count = given.get("nc", str(len(used or ())))
        if used is None or count in used or len(used) >= self.uses:
            return False, True
        used.add(count)
        return True, False

    @staticmethod
    def _hash(algorithm: str) -> Any:
        name = HASHES[re.sub("(?i)-sess$", "", algorithm)]
        return lambda data: hashlib.new(name, data).hexdigest()


def quoted(text: str) -> str:
    """As a header has it: in quotes, in UTF-8 that stands as Latin-1."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'.encode().decode("latin-1")


def fields(header: str) -> dict[str, str]:
    """The parameters of an `Authorization: Digest`, unquoted."""
    found = re.findall(r'([\w*]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', header.partition(" ")[2])
    return {name: re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in found}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        rules: Rules = self.server.rules
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen: dict[str, Any] = {"method": self.command, "target": self.path, "headers": dict(self.headers), "body": body}
        rules.seen.append(seen)
        if rules.key is not None and self.headers.get("X-Api-Key") != rules.key:
            return self._answer(seen, 403, {"error": "no key"})
        good, stale = rules.accepts(self.command, self.path, self.headers.get("Authorization"), body)
        if good:
            more = (("Authentication-Info", f'nextnonce="{rules.nonce()}"'),) if rules.next_nonce else ()
            return self._answer(seen, 200, {"ok": True, "got": len(body)}, *more)
        return self._answer(seen, 401, {"error": "sign in"}, *(("WWW-Authenticate", each) for each in rules.challenges(stale=stale)))

    do_POST = do_PUT = do_DELETE = do_GET

    def _answer(self, seen: dict[str, Any], status: int, value: Any, *headers: tuple[str, str]) -> None:
        seen["status"] = status
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (("Content-Type", "application/json"), ("Content-Length", str(len(content))), *headers):
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def address_string(self) -> str:
        return "client"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name is given
        pass


class _Tcp(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = allow_reuse_address = True


class _Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads, request_queue_size = True, 64


@contextmanager
def digest_server(rules: Rules, path: Path | None = None) -> Iterator[int]:
    """Serve on a Unix socket, or on a port of loopback, which it gives, until the block ends."""
    server: Any = _Unix(str(path), _Handler) if path else _Tcp(("127.0.0.1", 0), _Handler)
    server.rules = rules
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield 0 if path else server.server_address[1]
    finally:
        server.shutdown()
        thread.join(10)
        with suppress(OSError):
            server.server_close()
