"""Sends the requests of `http` tools: each destination has its own socket into the egress gateway and its own kept connections."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.contract import Entry, HttpTool, reached_host
from runner.tools.answer import MAX_BODY, ToolAnswer, answer, timed_out, too_large, unreachable
from runner.tools.egress import refused_by_alert, refused_by_header
from runner.tools.errors import ArgumentError, MissingSecret, RequestError
from runner.tools.prepare import PreparedTool, prepare
from runner.tools.request import HttpRequest, build_request

if TYPE_CHECKING:
    import httpx2

# Repeating these does no harm (RFC 9110 §9.2.2): a kept connection that the other side just closed costs no call.
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"})
KEEP_ALIVE = 15.0


class Destination:
    """One `name:port` behind its socket into the egress gateway, and the idle connections to it, most recently used last.

    Each connection is a transport of its own: a shared pool looks at every connection it has for every request.
    """

    def __init__(self, entry: Entry, socket: str, trust: Callable[[], ssl.SSLContext]) -> None:
        self.host = f"{entry.name}:{entry.port}"
        self._socket, self._trust = socket, trust
        self._idle: deque[tuple[float, httpx2.AsyncHTTPTransport]] = deque()

    async def send(self, request: "httpx2.Request") -> tuple["httpx2.Response", bytes | None]:
        """The response and its body, or None for a body larger than `MAX_BODY`."""
        transport = self._idle.pop()[1] if self._idle else self._opened()
        try:
            response = await transport.handle_async_request(request)
            body = await _body(response)
        except BaseException:
            await transport.aclose()
            raise
        now = time.monotonic()
        self._idle.append((now, transport))
        if now - self._idle[0][0] > KEEP_ALIVE:
            await self._idle.popleft()[1].aclose()
        return response, body

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop()[1].aclose()

    def _opened(self) -> "httpx2.AsyncHTTPTransport":
        import httpx2

        limits = httpx2.Limits(max_connections=1, keepalive_expiry=KEEP_ALIVE)
        return httpx2.AsyncHTTPTransport(uds=self._socket, verify=self._trust(), trust_env=False, limits=limits)


class Upstreams:
    """The destinations of one server."""

    def __init__(self, entries: tuple[Entry, ...], *, egress: Path) -> None:
        self._destinations = {
            (entry.name, entry.port): Destination(entry, str(egress / f"{entry.index}.sock"), lambda: self.trust) for entry in entries
        }

    def destination(self, server: str) -> Destination | None:
        """Where the requests of a tool with this base URL go; None when its owner has not allowed it."""
        name, port, _ = reached_host(server)
        return self._destinations.get((name, port))

    @cached_property
    def trust(self) -> ssl.SSLContext:
        return trusted()

    def warm(self) -> None:
        """Import and load now what the first call would wait for; runs in a thread of its own."""
        import httpcore2._backends.anyio  # noqa: F401
        import httpx2  # noqa: F401
        import jsonschema_rs  # noqa: F401

        _ = self.trust

    async def close(self) -> None:
        for destination in self._destinations.values():
            await destination.close()


def trusted() -> ssl.SSLContext:
    """Certificates are checked against the system's bundle, or the one SSL_CERT_FILE names."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class HttpRunner:
    """One `http` tool, ready to be called."""

    def __init__(self, tool: HttpTool, upstreams: Upstreams, secrets: Mapping[str, str]) -> None:
        self._tool, self._upstreams, self._secrets = tool, upstreams, secrets
        self._destination = upstreams.destination(tool.server)

    @cached_property
    def _prepared(self) -> PreparedTool:
        return prepare(self._tool)

    async def run(self, arguments: dict[str, Any]) -> ToolAnswer:
        """Send the request these arguments make. Whatever goes wrong on the way is told in the answer."""
        if self._destination is None:
            host = "{}:{}".format(*reached_host(self._tool.server))
            return refused("egress_denied", f"This server is not allowed to reach {host}; only its owner can change that.")
        try:
            request = build_request(self._prepared, arguments, self._secrets)
        except ArgumentError as error:
            return refused("invalid_arguments", error.message)
        except MissingSecret as error:
            return refused("secret_missing", error.message)
        except RequestError as error:
            return refused("secret_unusable", error.message)
        try:
            async with asyncio.timeout(self._tool.timeout):
                return await self._exchange(request, self._destination)
        except TimeoutError:
            return timed_out(self._tool.timeout)

    async def _exchange(self, request: HttpRequest, destination: Destination) -> ToolAnswer:
        import httpx2

        try:
            return await self._sent(request, destination)
        except httpx2.ConnectError as error:
            return not_connected(destination.host, error)
        except (httpx2.NetworkError, httpx2.RemoteProtocolError) as error:
            if request.method not in REPEATABLE:
                return cut(destination.host, error)
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            return cut(destination.host, error)
        try:
            return await self._sent(request, destination)
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            return cut(destination.host, error)

    async def _sent(self, request: HttpRequest, destination: Destination) -> ToolAnswer:
        import httpx2

        # The target is sent as it was built: the library would quote and normalise it once more.
        extensions = {"target": target(request.url)}
        sending = httpx2.Request(request.method, self._origin, headers=request.raw_headers, content=request.body, extensions=extensions)
        response, body = await destination.send(sending)
        if body is None:
            return too_large()
        if refusal := refused_by_header(destination.host, response.headers):
            return refusal
        return answer(
            response.status_code,
            response.headers,
            body,
            method=request.method,
            url_shown=request.shown_url,
            secrets=self._secrets.values(),
        )

    @cached_property
    def _origin(self) -> "httpx2.URL":
        import httpx2

        name, port, plain = reached_host(self._tool.server)
        return httpx2.URL(scheme="http" if plain else "https", host=name, port=port)


def refused(code: str, text: str) -> ToolAnswer:
    return ToolAnswer(text=text, is_error=True, error_code=code)


async def _body(response: "httpx2.Response") -> bytes | None:
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BODY:
                return None
    finally:
        await response.aclose()
    return bytes(body)


def target(url: str) -> bytes:
    """Path and query of a URL, letter for letter."""
    rest = url.partition("://")[2]
    start = min((place for place in (rest.find("/"), rest.find("?")) if place >= 0), default=len(rest))
    path = rest[start:]
    return (path if path.startswith("/") else f"/{path}").encode("ascii")


def cut(host: str, error: Exception) -> ToolAnswer:
    """The connection was there and did not bring an answer."""
    import httpx2

    if isinstance(error, httpx2.LocalProtocolError):
        return refused("request_not_http", f"{host} cannot be asked this: it would not be valid HTTP.")
    if isinstance(error, httpx2.DecodingError):
        return refused("upstream_garbled", f"{host} sent an answer whose compression is broken. Try again later.")
    text = f"{host} ended the connection without a complete answer. It may have acted; check before you repeat a change."
    return refused("upstream_closed", text)


def not_connected(host: str, error: BaseException) -> ToolAnswer:
    """Why there was no connection, in words; the library's own text can name paths of this machine."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return unreachable(host, f"its certificate is not accepted ({seen.verify_message})")
        if isinstance(seen, ssl.SSLError):
            return refused_by_alert(host, seen.reason or "") or unreachable(host, "it does not speak TLS as expected")
        if isinstance(seen, FileNotFoundError | ConnectionRefusedError):
            return unreachable(host, "the way out of this server is closed")
        seen = seen.__cause__ or seen.__context__
    return unreachable(host, "the connection was closed at once")
