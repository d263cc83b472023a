"""Runs `http` tools: the request, its tries, and what came of them."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cache, cached_property, partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from runner.contract import CertificateCredential, DigestCredential, Entry, HttpTool, keys_of, reached_host
from runner.tools.answer import Reading, answer, reading
from runner.tools.connection import MAX_BODY, Cut, Response, Unsendable
from runner.tools.context import Context
from runner.tools.credentials import Alternative, Sent, choose, sent
from runner.tools.decoding import Garbled, decoded
from runner.tools.destination import Destination, NotConnected
from runner.tools.egress import HEADER, refused_by_alert, refused_by_header
from runner.tools.errors import ArgumentError, MissingSecret, RequestError
from runner.tools.fetch import fetched
from runner.tools.files import urls_in
from runner.tools.prepare import PreparedTool, prepare
from runner.tools.request import HttpRequest, build_request
from runner.tools.result import ToolAnswer, failed, timed_out, too_large, unreachable
from runner.tools.retry import MAX_TRIES, pause, rate, worth_retrying

if TYPE_CHECKING:
    from runner.tools.signer import Signer

# Repeating these does no harm (RFC 9110 §9.2.2): a connection that the other side just closed costs no call.
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"})
# A stream that has not ended is answered with what came, shortly before the call would time out.
_STREAM_SHARE = 0.9


class Upstreams:
    """The destinations of one server."""

    def __init__(self, entries: tuple[Entry, ...], *, egress: Path) -> None:
        self._entries = {(entry.name, entry.port): (entry, str(egress / f"{entry.index}.sock")) for entry in entries}
        self._destinations: dict[tuple[str, int, bool, CertificateCredential | None], Destination] = {}
        self._signers: dict[tuple[str, int, bool, DigestCredential], Signer] = {}

    def destination(
        self, server: str, certificate: CertificateCredential | None = None, secrets: Mapping[str, str] = {}
    ) -> Destination | None:
        """Where the requests of a tool with this base URL go; None when its owner has not allowed it.

        Connections and TLS sessions of one client certificate are never those of another, or of none.
        """
        name, port, plain = reached_host(server)
        if (name, port) not in self._entries or self._entries[name, port][0].protocol != "http":
            return None
        place = (name, port, plain, certificate)
        if place not in self._destinations:
            trust = (lambda: self.trust) if certificate is None else cache(partial(_presenting, certificate, secrets))
            self._destinations[place] = self._way_to(*self._entries[name, port], None if plain else trust)
        return self._destinations[place]

    def allowed(
        self, server: str, certificate: CertificateCredential | None = None, secrets: Mapping[str, str] = {}
    ) -> Destination | None:
        """The same for an address that comes from a model: without TLS only where the owner has said so."""
        name, port, plain = reached_host(server)
        entry, _ = self._entries.get((name, port), (None, ""))
        return self.destination(server, certificate, secrets) if entry is not None and (entry.plain or not plain) else None

    def signer(self, server: str, credential: DigestCredential, secrets: Mapping[str, str]) -> "Signer":
        """Who signs in with a credential at the host of this base URL; the tools that do so share what the host has asked."""
        # As with certificates below: most servers never load this.
        from runner.tools.signer import Signer

        return self._signers.setdefault((*reached_host(server), credential), Signer(credential, secrets))

    def way(self, name: str, port: int) -> str | None:
        """The socket that leads to exactly this place; None where the owner has not allowed it."""
        found = self._entries.get((name, port))
        return None if found is None else found[1]

    def _way_to(self, entry: Entry, socket: str, trust: Callable[[], ssl.SSLContext] | None) -> Destination:
        return Destination(entry, socket, trust)

    @cached_property
    def trust(self) -> ssl.SSLContext:
        return trusted()

    def warm(self) -> list[str]:
        """Import and load now what the first call would wait for, in a thread of its own. Sentences about client certificates that cannot be used."""
        import email.utils  # noqa: F401

        import jsonschema_rs  # noqa: F401

        _ = self.trust
        found: list[str] = []
        for destination in tuple(self._destinations.values()):
            try:
                destination.warm()
            except RequestError as error:
                found.append(error.message)
        return found

    async def close(self) -> None:
        for destination in self._destinations.values():
            destination.close()


def trusted() -> ssl.SSLContext:
    """Certificates are checked against the system's bundle, or the one SSL_CERT_FILE names."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class HttpRunner:
    """One `http` tool, ready to be called."""

    def __init__(self, tool: HttpTool, upstreams: Upstreams, secrets: Mapping[str, str]) -> None:
        self._tool, self._secrets, self._upstreams = tool, secrets, upstreams
        self._takes_files = tool.body is not None and (tool.body.binary or any(part.file for part in tool.body.parts.values()))
        chosen = _chosen(tool, secrets)
        self._certificate = next((each for each in chosen if isinstance(each, CertificateCredential)), None)
        self._destination = upstreams.destination(tool.server, self._certificate, secrets)
        digest = next((each for each in chosen if isinstance(each, DigestCredential)), None)
        self._signer = None if digest is None else upstreams.signer(tool.server, digest, secrets)

    @cached_property
    def _prepared(self) -> PreparedTool:
        return prepare(self._tool)

    @cached_property
    def _sent(self) -> Sent:
        return sent(self._tool.auth, self._secrets)

    @cached_property
    def _reading(self) -> Reading:
        return reading(self._tool, self._secrets)

    async def run(self, arguments: dict[str, Any], context: Context | None = None) -> ToolAnswer:
        """Send the request these arguments make. Whatever goes wrong on the way is told in the answer."""
        if self._destination is None:
            host = "{}:{}".format(*reached_host(self._tool.server))
            return failed("egress_denied", f"This server is not allowed to reach {host}; only its owner can change that.")
        try:
            async with asyncio.timeout(self._tool.timeout):
                request = await self._request(arguments)
                return await self._tries(request, arguments, self._destination)
        except TimeoutError:
            return timed_out(self._tool.timeout)
        except ArgumentError as error:
            return failed("invalid_arguments", error.message)
        except MissingSecret as error:
            return failed("secret_missing", error.message)
        except RequestError as error:
            return failed("secret_unusable", error.message)

    async def _request(self, arguments: dict[str, Any]) -> HttpRequest:
        if self._takes_files and (urls := urls_in(self._tool, arguments)):
            files = await fetched(urls, self._upstreams.allowed)
            request = build_request(self._prepared, arguments, self._sent, files)
        else:
            request = build_request(self._prepared, arguments, self._sent)
        return request if self._reading.pager is None else self._reading.pager.applied(request, arguments)

    async def _tries(self, request: HttpRequest, arguments: dict[str, Any], destination: Destination) -> ToolAnswer:
        """Send until it is answered, as often as the tool allows and the time lasts."""
        clock = asyncio.get_running_loop().time
        began, fresh, tries = clock(), False, 1
        until, stream_until = began + self._tool.timeout, began + self._tool.timeout * _STREAM_SHARE
        retry, repeatable = self._tool.retry, request.method in REPEATABLE
        while True:
            asked: float | None = None
            signed = False
            try:
                if self._signer is None:
                    response = await destination.send(request, fresh=fresh, until=stream_until)
                else:
                    send = partial(destination.send, fresh=fresh, until=stream_until)
                    # A host may close what it has just refused, and a change is not risked on a connection that may be gone.
                    again = partial(destination.send, fresh=fresh or not repeatable, until=stream_until)
                    response, signed = await self._signer.exchange(request, send, again)
            except Unsendable:
                return failed("request_not_http", f"{destination.host} cannot be asked this: it would not be valid HTTP.")
            except NotConnected as error:
                found = self._not_accepted(destination.host, error) or not_connected(destination.host, error)
                if not retry or _is_tls(error):
                    return found
            except Cut as error:
                if (refused := self._not_accepted(destination.host, error)) is not None:
                    return refused
                found = cut(destination.host)
                # A connection that was kept too long is no failure of the API; neither costs the model a call.
                if (retry or repeatable) and (error.stale or (tries == 1 and not retry)):
                    fresh, tries = True, tries if error.stale else 2
                    continue
                if not retry:
                    return found
            else:
                found = self._read(response, request, arguments, destination.host, signed=signed)
                if not retry or not worth_retrying(response.status) or HEADER in response.headers:
                    return found
                asked = rate(response.headers, now=time.time()).wait
            wait = pause(tries, asked)
            if tries >= MAX_TRIES or clock() + wait >= until:
                return found
            fresh, tries = True, tries + 1
            await asyncio.sleep(wait)

    def _not_accepted(self, host: str, error: NotConnected | Cut) -> ToolAnswer | None:
        if error.__cause__ is None:
            return None
        from runner.tools.identity import not_accepted

        return not_accepted(host, error, () if self._certificate is None else keys_of(self._certificate))

    def _read(self, response: Response, request: HttpRequest, arguments: dict[str, Any], host: str, *, signed: bool) -> ToolAnswer:
        if refusal := refused_by_header(host, response.headers):
            return refusal
        body = response.body
        if body is not None and (coding := response.headers.get("content-encoding")):
            try:
                body = decoded(body, coding, limit=MAX_BODY)
            except Garbled as error:
                return failed("upstream_garbled", f"{host} sent an answer that {error}. Try again later.")
        if body is None:
            return too_large(MAX_BODY)
        told = answer(
            response.status,
            response.headers,
            body,
            method=request.method,
            url_shown=request.shown_url,
            read=self._reading,
            arguments=arguments,
            now=time.time(),
        )
        if response.status == HTTPStatus.UNAUTHORIZED and self._signer is not None and not signed:
            from runner.tools.signer import asked_otherwise

            odd = asked_otherwise(response.headers.get("www-authenticate", ""))
            return failed("upstream_unauthorized", f"{told.text}\n{odd}")
        if response.ended:
            return told
        return msgspec.structs.replace(told, note=f"The stream had not ended; this is its beginning. {told.note or ''}".rstrip())


def _presenting(certificate: CertificateCredential, secrets: Mapping[str, str]) -> ssl.SSLContext:
    from runner.tools.identity import presenting

    return presenting(certificate, secrets, trusted)


def _chosen(tool: HttpTool, secrets: Mapping[str, str]) -> Alternative:
    try:
        return choose(tool.auth, secrets)
    except MissingSecret:
        return ()


def cut(host: str) -> ToolAnswer:
    """The connection was there and did not bring an answer."""
    text = f"{host} ended the connection without a complete answer. It may have acted; check before you repeat a change."
    return failed("upstream_closed", text)


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


def _is_tls(error: BaseException) -> bool:
    return isinstance(error.__cause__, ssl.SSLError | ssl.CertificateError)
