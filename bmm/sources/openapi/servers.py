"""Which base URL an operation is called at, and which hosts a spec must therefore allow."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import quote, urljoin, urlsplit

import idna

from bmm.sources.openapi.refs import under
from runner.contract import AllowedHost, HttpTool, SpecError, reached_host

NAME_THE_SERVER = "pass --server URL"


class ServerError(Exception):
    """No usable base URL; `pointer` is where one should stand."""

    def __init__(self, message: str, pointer: str, fix: str = NAME_THE_SERVER) -> None:
        super().__init__(message)
        self.message, self.pointer, self.fix = message, pointer, fix


class Servers:
    """Finds base URLs: `override` before everything, then the operation's, the path's and the document's own."""

    def __init__(self, *, root: object, location: str | None, override: str | None) -> None:
        self._root, self._location = root, location
        self._override = base_url(override, "") if override else None

    def for_operation(self, *levels: tuple[object, str]) -> str:
        """`levels` are the `servers` of operation and path item with their pointers.

        Raises:
            ServerError: the nearest `servers` has no usable entry.
        """
        if self._override:
            return self._override
        for servers, pointer in (*levels, (self._root, "/servers")):
            if isinstance(servers, list) and servers:
                return self._first(servers, pointer)
        # OpenAPI: without servers, the default is one at "/", relative to where the document is served.
        return self._first([{"url": "/"}], "/servers")

    def _first(self, servers: list[object], pointer: str) -> str:
        problem: ServerError | None = None
        for number, server in enumerate(servers):
            place = under(pointer, number)
            try:
                return base_url(self._absolute(_expanded(server, place), place), place)
            except ServerError as error:
                problem = problem or error
        assert problem is not None
        raise problem

    def _absolute(self, url: str, pointer: str) -> str:
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", url):
            return url
        if self._location is None:
            named = f"the server URL {url!r} is not absolute" if url.strip("/") else "the document names no absolute server URL"
            raise ServerError(named, pointer)
        return urljoin(self._location, url)


def base_url(url: str, pointer: str) -> str:
    """A base URL in its plain form: name in lower case and ASCII, no final slash, percent-encoded.

    Raises:
        ServerError: not http(s), an address instead of a name, or with parts a base URL must not have.
    """
    try:
        host, _, _ = reached_host(url.strip())
        parts = urlsplit(url.strip())
        port = f":{parts.port}" if parts.port is not None else ""
    except SpecError as error:
        raise ServerError(error.message, pointer, "pass --server URL with an absolute http or https URL") from error
    path = quote(parts.path.rstrip("/"), safe="!$&'()*+,;=:@/%")
    return f"{parts.scheme}://{_name(host, pointer)}{port}{path}"


def allowed_hosts(tools: Iterable[HttpTool]) -> tuple[AllowedHost, ...]:
    """One entry per destination, in the order of first use, with how many tools call it."""
    tools_at: dict[tuple[str, int], int] = {}
    plain_at: dict[tuple[str, int], bool] = {}
    for tool in tools:
        name, port, plain = reached_host(tool.server)
        tools_at[name, port] = tools_at.get((name, port), 0) + 1
        plain_at[name, port] = plain_at.get((name, port), False) or plain
    return tuple(
        AllowedHost(name=name, port=port, plain=plain_at[name, port], reason=f"{count} tool{'s' if count != 1 else ''} of the API")
        for (name, port), count in tools_at.items()
    )


def _name(host: str, pointer: str) -> str:
    if _is_address(host):
        raise ServerError(
            f"the server is the address {host}, and an address cannot be an allowed host",
            pointer,
            "pass --server URL with a name; an administrator maps the name to the address in the configuration (egress_exceptions)",
        )
    host = host.rstrip(".").lower()
    try:
        return host if host.isascii() and _PLAIN_NAME.fullmatch(host) else idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise ServerError(f"{host!r} is not a host name: {error}", pointer) from error


_PLAIN_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        last = host.rstrip(".").rsplit(".", 1)[-1]
        return last.isdigit() or re.fullmatch(r"0[xX][0-9a-fA-F]*", last) is not None
    return True


def _expanded(server: object, pointer: str) -> str:
    """The URL of a Server Object with the defaults of its variables."""
    if not isinstance(server, dict) or not isinstance(server.get("url"), str):
        raise ServerError("a server must have a url", pointer)
    variables = server.get("variables")

    def value(match: re.Match[str]) -> str:
        variable = variables.get(match.group(1)) if isinstance(variables, dict) else None
        choices = variable.get("enum") if isinstance(variable, dict) else None
        default = variable.get("default") if isinstance(variable, dict) else None
        if default is None and isinstance(choices, list) and choices:
            default = choices[0]
        if default is None or isinstance(default, dict | list):
            raise ServerError(f"the server variable {{{match.group(1)}}} has no default", pointer)
        return str(default)

    return re.sub(r"\{([^{}]*)\}", value, server["url"].strip())
