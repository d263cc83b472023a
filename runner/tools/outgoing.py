"""HTTP requests that code asks for: to the hosts of the spec, by the same ways and limits as those of `http` tools."""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from urllib.parse import quote, urlsplit

from runner.contract import CertificateCredential, DigestCredential, SpecError, keys_of
from runner.tools.connection import MAX_BODY, Cut, Response, Unsendable
from runner.tools.decoding import Garbled, decoded
from runner.tools.destination import Destination, NotConnected
from runner.tools.egress import refused_by_header
from runner.tools.errors import RequestError
from runner.tools.http import REPEATABLE, Upstreams, cut, not_connected
from runner.tools.request import USER_AGENT, HttpRequest
from runner.tools.result import ToolAnswer, too_large

# These frame the message: they are made from what is sent.
_FRAMING = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
# After CONNECT a connection is no longer one of messages.
_METHOD = re.compile(r"(?!CONNECT$)[A-Z]{1,20}")


Send = Callable[[HttpRequest], Awaitable[Response]]
Exchange = Callable[[HttpRequest, Send, Send], Awaitable[tuple[Response, bool]]]


class Refused(Exception):
    """What was asked for cannot be had; `message` is a sentence for the model, `code` for the call's event."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Outgoing:
    """The ways out of one server, for any request its code makes."""

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams

    async def send(
        self,
        method: str,
        url: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes | None,
        *,
        digest: DigestCredential | None = None,
        certificate: CertificateCredential | None = None,
        secrets: Mapping[str, str] = {},
    ) -> Response:
        """The response, decoded, with any status; redirects are not followed. The credentials are made of `secrets`.

        Raises:
            Refused: it may not be sent, or brought no answer.
        """
        request, destination = self._request(method, url, headers, body, certificate, secrets)
        host = destination.host
        fresh = partial(destination.send, fresh=True)
        repeatable = method in REPEATABLE
        if digest is None:
            exchange: Exchange = _once
        else:
            if any(name.lower() == "authorization" for name, _ in headers):
                raise Refused("request_not_http", "HTTP Digest and a header Authorization cannot both be sent; leave the header out.")
            exchange = self._upstreams.signer(request.url.partition("?")[0], digest, secrets).exchange
        try:
            try:
                response, _ = await exchange(request, destination.send, destination.send if repeatable else fresh)
            except Cut:
                # A kept connection may have ended before the request came, or behind it: a change is not risked twice.
                if not repeatable:
                    raise
                response, _ = await exchange(request, fresh, fresh)
        except RequestError as error:
            raise Refused("secret_unusable", error.message) from None
        except Unsendable:
            raise Refused("request_not_http", f"{host} cannot be asked this: it would not be valid HTTP.") from None
        except NotConnected as error:
            found = _not_accepted(host, error, certificate) or not_connected(host, error)
            raise Refused(found.error_code or "upstream_unreachable", found.text or "") from None
        except Cut as error:
            found = _not_accepted(host, error, certificate) or cut(host)
            raise Refused(found.error_code or "upstream_closed", found.text or "") from None
        return self._read(response, host)

    def _request(
        self,
        method: str,
        url: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes | None,
        certificate: CertificateCredential | None,
        secrets: Mapping[str, str],
    ) -> tuple[HttpRequest, Destination]:
        shown = url.partition("?")[0][:200]
        try:
            parts = urlsplit(url)
            destination = self._upstreams.allowed(f"{parts.scheme}://{parts.netloc}", certificate, secrets)
        except (ValueError, SpecError):
            raise Refused("invalid_url", f"{shown!r} is not an http or https URL of a host, such as https://api.example.com/items.") from None
        if destination is None:
            host = parts.netloc.rpartition("@")[2][:100]
            raise Refused("egress_denied", f"This server is not allowed to reach {host} over {parts.scheme}; only its owner can change that.")
        if certificate is not None and parts.scheme != "https":
            raise Refused("request_not_http", "Only https can show a client certificate.")
        if not _METHOD.fullmatch(method):
            raise Refused("request_not_http", f"{method[:20]!r} is not a method.")
        if odd := next((name for name, _ in headers if name.lower() in _FRAMING), None):
            raise Refused("request_not_http", f"The header {odd[:100]} is made by the server; leave it out.")
        # What is written out in the URL stays as it is; only what no URL can hold is encoded.
        path = quote(f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", safe="/?%:@!$&'()*+,;=~-._[]")
        own = (("Accept", "application/json, text/*;q=0.9, */*;q=0.5"), ("User-Agent", USER_AGENT))
        given = {name.lower() for name, _ in headers}
        named = (*(pair for pair in own if pair[0].lower() not in given), *headers)
        return HttpRequest(method=method, url=f"{parts.scheme}://{parts.netloc}{path}", headers=named, body=body), destination

    def _read(self, response: Response, host: str) -> Response:
        if refusal := refused_by_header(host, response.headers):
            raise Refused(refusal.error_code or "egress_denied", refusal.text or "")
        body = response.body
        if body is not None and (coding := response.headers.get("content-encoding")):
            try:
                body = decoded(body, coding, limit=MAX_BODY)
            except Garbled as error:
                raise Refused("upstream_garbled", f"{host} sent an answer that {error}. Try again later.") from None
        if body is None:
            raise Refused("upstream_too_large", too_large(MAX_BODY).text or "")
        return Response(status=response.status, headers=response.headers, body=body)


async def _once(request: HttpRequest, send: Send, again: Send) -> tuple[Response, bool]:
    return await send(request), False


def _not_accepted(host: str, error: NotConnected | Cut, certificate: CertificateCredential | None) -> ToolAnswer | None:
    if error.__cause__ is None:
        return None
    from runner.tools.identity import not_accepted

    return not_accepted(host, error, () if certificate is None else keys_of(certificate))
