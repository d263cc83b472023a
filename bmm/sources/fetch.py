"""A document from the web: bounded in redirects, time and size, and only from addresses that may be dialled."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

import httpx2
from msgspec import Struct

from bmm.errors import BadInput

MAX_REDIRECTS = 3
SECONDS = 30.0
_ACCEPT = "application/vnd.oai.openapi+json, application/json, application/yaml, text/yaml, */*;q=0.5"
# What `--allow-private` allows; link-local addresses, where clouds hand out credentials, stay refused.
_PRIVATE = frozenset({"private", "loopback", "this machine", "shared by carriers (CGNAT)"})


_FIXES = {
    True: "; pass --allow-private if you mean it",
    False: "; compile it at the command line, or allow it with egress_exceptions in the settings",
}


class Reach(Struct, frozen=True, kw_only=True):
    """Which addresses may be dialled: `refusal` says why one is not public, or None (bmm.egress.classify, given from outside because
    sources know nothing of egress); `exceptions` maps `name:port` to an address, as for egress. `typed`: a person at this machine's command
    line gave the URL, so a loopback address in it is meant."""

    refusal: Callable[[str], str | None]
    exceptions: Mapping[str, str] = {}
    allow_private: bool = False
    typed: bool = False


class _Place(Struct, frozen=True, kw_only=True):
    """Where one URL leads: the name, the port, and the addresses that were judged."""

    host: str
    port: int
    addresses: tuple[str, ...]


def fetch(url: str, *, limit: int, say: Callable[[str], None], reach: Reach) -> tuple[bytes, str]:
    """The document and the URL it finally came from; `say` hears of every request.

    Loopback addresses and `localhost` in a `url` that a person typed are dialled, but no redirect leads there.

    Raises:
        BadInput: not an http(s) URL, an address that may not be dialled, nobody answers within 30 s in all, too many redirects, a
            status other than 200, or more than `limit` bytes.
    """
    try:
        return asyncio.run(_fetch(url, limit, say, reach))
    except TimeoutError as error:
        raise BadInput(f"{url} did not answer completely within {SECONDS:g} seconds.") from error
    except (httpx2.InvalidURL, ValueError) as error:
        raise BadInput(f"{url!r} is not a URL: {error}.") from error
    except httpx2.HTTPError as error:
        raise BadInput(f"{url} cannot be fetched: {_why(error)}.") from error


def _why(error: httpx2.HTTPError) -> str:
    """In words; what the libraries raise names their own files and numbers."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return "no TLS is spoken there; perhaps the address begins with http://"
        cause = cause.__cause__ or cause.__context__
    return "nobody answers there" if isinstance(error, httpx2.ConnectError) else str(error).rstrip(".") or type(error).__name__


async def _fetch(url: str, limit: int, say: Callable[[str], None], reach: Reach) -> tuple[bytes, str]:
    # Compressed answers could be far larger than what was received when the limit is looked at.
    headers = {"Accept": _ACCEPT, "Accept-Encoding": "identity", "User-Agent": "BuildMyMCPServer"}
    typed = _typed_loopback(url) if reach.typed else None
    # A proxy from the environment would resolve the name again, and dial what was not judged.
    async with asyncio.timeout(SECONDS), httpx2.AsyncClient(headers=headers, timeout=SECONDS, trust_env=False) as client:
        for _ in range(MAX_REDIRECTS + 1):
            place = await _judged(url, reach, typed)
            response = await _asked(client, url, place)
            try:
                if response.is_redirect:
                    say(f"{url} redirects ({response.status_code})")
                    url = urljoin(url, response.headers.get("location", ""))
                    continue
                if response.status_code != 200:
                    raise BadInput(f"{url} answered with {response.status_code} {response.reason_phrase}; a document was expected.")
                body = await _read(response, limit, url)
            finally:
                await response.aclose()
            say(f"fetched {url} ({len(body):,} bytes, {response.headers.get('content-type', 'no type')})")
            return body, url
    raise BadInput(f"More than {MAX_REDIRECTS} redirects; give the URL of the document itself, such as {url}.")


def _typed_loopback(url: str) -> str | None:
    """`host:port` of a URL whose host is a loopback address or localhost itself; a name that resolves to one is not that."""
    host, port = _host_and_port(url)
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    return f"{host}:{port}" if loopback else None


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"{url!r} is not an http or https URL.")
    if parts.username is not None:
        raise BadInput("A URL with a user name or a password in it is not fetched.")
    return parts.hostname.rstrip("."), parts.port or (443 if parts.scheme == "https" else 80)


async def _judged(url: str, reach: Reach, typed: str | None) -> _Place:
    """Resolve, and refuse unless every answer may be dialled; what is dialled afterwards is what was judged."""
    host, port = _host_and_port(url)
    key = f"{host}:{port}"
    if key in reach.exceptions:
        return _Place(host=host, port=port, addresses=(reach.exceptions[key],))
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadInput(f"{host} cannot be resolved: {getattr(error, 'strerror', None) or error}.") from error
    addresses = tuple(dict.fromkeys(str(answer[4][0]) for answer in found))
    for address in addresses:
        reason = reach.refusal(address)
        allowed = reason is None or (reason in _PRIVATE and reach.allow_private) or (reason == "loopback" and key == typed)
        if not allowed:
            fix = "" if reason not in _PRIVATE or reach.allow_private else _FIXES[reach.typed]
            raise BadInput(f"{url} is not fetched: {host} leads to {address}, which is not public ({reason}){fix}.")
    return _Place(host=host, port=port, addresses=addresses)


async def _asked(client: httpx2.AsyncClient, url: str, place: _Place) -> httpx2.Response:
    whole = httpx2.URL(url)
    problem: httpx2.HTTPError | None = None
    for address in place.addresses:
        request = client.build_request("GET", whole.copy_with(host=address), headers={"Host": whole.netloc.decode("ascii")})
        # TLS is with the name, whatever address was dialled.
        request.extensions = {**request.extensions, "sni_hostname": place.host}
        try:
            return await client.send(request, stream=True, follow_redirects=False)
        except httpx2.ConnectError as error:
            problem = error
    assert problem is not None
    raise problem


async def _read(response: httpx2.Response, limit: int, url: str) -> bytes:
    from bmm.sources.openapi.load import in_mib

    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit:
            raise BadInput(f"{url} is larger than {in_mib(limit)}, the limit for documents; --max-size sets another.")
    return bytes(body)
