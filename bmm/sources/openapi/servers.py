"""Which base URL an operation is called at, and which hosts a spec must therefore allow."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from urllib.parse import quote, urljoin, urlsplit

import idna

from bmm.sources.openapi.refs import Document, under
from runner.contract import AllowedHost, HttpTool, SpecError, reached_host

NAME_THE_SERVER = "pass --server URL"


class ServerError(Exception):
    """No usable base URL; `pointer` is where one should stand."""

    def __init__(self, message: str, pointer: str, fix: str = NAME_THE_SERVER) -> None:
        super().__init__(message)
        self.message, self.pointer, self.fix = message, pointer, fix


class ServerVarError(Exception):
    """A value that a person gave for a server variable is none of those it may have."""

    def __init__(self, name: str, value: str, choices: list[str], pointer: str) -> None:
        self.message = f"--server-var {name}={value}: {name} must be one of {', '.join(choices[:20])}"
        super().__init__(self.message)
        self.pointer = pointer


class Servers:
    """Finds base URLs: `override` before everything, then the operation's, the path's and the document's own.

    `variables` replace the defaults of server variables; which of them some server has is in `used`.
    """

    def __init__(
        self, document: Document, *, root: object, location: str | None, override: str | None, variables: Mapping[str, str]
    ) -> None:
        self._document, self._root, self._location = document, root, location
        self._override = base_url(override, "") if override else None
        self._variables = variables
        self._found: dict[str, str] = {}
        self.used: set[str] = set()

    def for_operation(self, *levels: tuple[object, str]) -> str:
        """`levels` are the `servers` of operation and path item with their pointers.

        Raises:
            ServerError: the nearest `servers` has no usable entry.
        """
        if self._override:
            return self._override
        for servers, pointer in (*levels, (self._root, "/servers")):
            if isinstance(servers, list) and servers:
                if pointer not in self._found:
                    self._found[pointer] = self._first(servers, pointer)
                return self._found[pointer]
        # OpenAPI: without servers, the default is one at "/", relative to where the document is served.
        return self._first([{"url": "/"}], "/servers")

    def _first(self, servers: list[object], pointer: str) -> str:
        problem: ServerError | None = None
        for number, server in enumerate(servers):
            place = under(pointer, number)
            try:
                url = self._usable(server, place)
            except ServerError as error:
                problem = problem or error
                continue
            if url.startswith("http://") and (safe := f"https{url.removeprefix('http')}") in self._after(number, servers, pointer):
                self._document.remarks.note(place, f"the same server is listed with https too; {safe} is used")
                return safe
            return url
        assert problem is not None
        raise problem

    def _after(self, first: int, servers: list[object], pointer: str) -> Iterator[str]:
        for number, server in enumerate(servers[first + 1 :], first + 1):
            with suppress(ServerError, ServerVarError):
                yield self._usable(server, under(pointer, number))

    def _usable(self, server: object, pointer: str) -> str:
        return base_url(self._absolute(self._plain(self._expanded(server, pointer), pointer), pointer), pointer)

    def _plain(self, url: str, pointer: str) -> str:
        """The URL with its scheme, and without what a base URL cannot have."""
        remarks = self._document.remarks
        if url.startswith("//") and len(url) > 2 and self._location is None:
            remarks.warn(pointer, f"the server URL {url!r} has no scheme; https is used")
            url = f"https:{url}"
        elif self._location is None and _HOST_FIRST.match(url):
            remarks.warn(pointer, f"the server URL {url!r} has no scheme; https is used")
            url = f"https://{url}"
        elif _SLIPPED_SCHEME.match(url):
            fixed = _SLIPPED_SCHEME.sub(lambda match: f"{match.group(1).lower()}://", url)
            if fixed != url:
                remarks.warn(pointer, f"the server URL {url!r} is read as {fixed!r}")
            url = fixed
        bare = url.partition("#")[0].partition("?")[0]
        if bare != url:
            remarks.warn(pointer, f"the server URL {url!r} has a query or a fragment, which is left out")
        if "//" in bare.partition("://")[2]:
            remarks.note(pointer, f"the server URL {url!r} has an empty segment, which is left out")
        return bare

    def _absolute(self, url: str, pointer: str) -> str:
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", url):
            return url
        if self._location is None:
            named = f"the server URL {url!r} is not absolute" if url.strip("/") else "the document names no absolute server URL"
            raise ServerError(named, pointer)
        return urljoin(self._location, url)

    def _expanded(self, server: object, pointer: str) -> str:
        """The URL of a Server Object with the values of its variables."""
        if isinstance(server, str):
            server = {"url": server}
        if not isinstance(server, dict) or not isinstance(server.get("url"), str):
            raise ServerError("a server must have a url", pointer)
        variables = server.get("variables")

        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            variable = variables.get(name) if isinstance(variables, dict) else None
            choices = variable.get("enum") if isinstance(variable, dict) else None
            allowed = [str(each) for each in choices] if isinstance(choices, list) and choices else None
            if name in self._variables:
                self.used.add(name)
                if allowed and self._variables[name] not in allowed:
                    raise ServerVarError(name, self._variables[name], allowed, pointer)
                return self._variables[name]
            default = variable.get("default") if isinstance(variable, dict) else None
            if default is None and allowed:
                default = allowed[0]
            if default is None or isinstance(default, dict | list):
                raise ServerError(f"the server variable {{{name}}} has no default", pointer, f"pass --server-var {name}=VALUE")
            return str(default)

        return re.sub(r"\{([^{}]*)\}", value, server["url"].strip())


_HOST_FIRST = re.compile(r"(?i)[a-z0-9-]+(\.[a-z0-9-]+)*\.(?!json|ya?ml|html?|php|aspx?)[a-z]{2,}(:\d+)?(/|$)")
# `https//x`, `https:/x`, `https:///x`, `http;//x` and a scheme in capitals.
_SLIPPED_SCHEME = re.compile(r"(?i)(https?)(?::/{1,4}|//|;//)(?=[^/])")


def base_url(url: str, pointer: str) -> str:
    """A base URL in its plain form: name in lower case and ASCII, no empty segment, no final slash, percent-encoded.

    Raises:
        ServerError: not http(s), an address instead of a name, or with parts a base URL must not have.
    """
    try:
        host, _, _ = reached_host(url.strip())
        parts = urlsplit(url.strip())
        port = f":{parts.port}" if parts.port is not None else ""
    except SpecError as error:
        raise ServerError(error.message, pointer, "pass --server with one, such as https://api.example.com/v1") from error
    path = quote(re.sub("//+", "/", parts.path).rstrip("/"), safe="!$&'()*+,;=:@/%")
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
