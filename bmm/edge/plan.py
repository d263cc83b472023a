"""The whole Caddy configuration, as a pure function of the settings and the machine."""

import errno
import socket
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from bmm.config import Config
from bmm.errors import Conflict

_WHY = {
    errno.EADDRINUSE: "another program listens there; end it, or choose another port for listen and public_url",
    errno.EACCES: "ports below 1024 are closed to ordinary users; choose a higher one, or open them as docs/configuration.md says",
    errno.EADDRNOTAVAIL: "no network of this machine has this address; correct listen",
}
TEMPLATE = Path(__file__).parent.parent.parent / "Caddyfile.tmpl"


def caddyfile(config: Config, addresses: tuple[str, ...], template: str) -> str:
    """The Caddyfile. `addresses` are what to bind, see `bind_addresses`."""
    url, port = urlsplit(config.public_url), config.listen.rpartition(":")[2]
    return Template(template).substitute(
        admin_socket=f"{config.run}/caddy.sock",
        global_options="auto_https off" if url.scheme == "http" else "",
        site=f"{url.scheme}://{f'[{url.hostname}]' if ':' in (url.hostname or '') else url.hostname}:{port}",
        other_names=f"{url.scheme}://:{port}",
        bind=" ".join(addresses),
        security_headers="header Strict-Transport-Security max-age=31536000" if url.scheme == "https" else "",
        run=config.run,
    )


def environment(cores: int) -> dict[str, str]:
    """What Caddy's runtime is told on a machine with so many cores; docs/decisions/020 gives the reasons."""
    return {"GOGC": "400", "GOMEMLIMIT": "512MiB", "GOMAXPROCS": str(max(1, cores // 2))}


def bind_addresses(config: Config) -> tuple[str, ...]:
    """The address to listen on, and for IPv4 loopback its IPv6 sister where the host has one: browsers try `localhost` on both."""
    host = config.listen.rpartition(":")[0].strip("[]")
    if host == "127.0.0.1" and _has_ipv6_loopback():
        return (host, "::1")
    return (host,)


def refuse_taken(config: Config) -> None:
    """Look whether Caddy can listen, before it starts.

    Caddy itself would share the port with another Caddy of this user (SO_REUSEPORT), and each would get some of the requests.

    Raises:
        Conflict: it cannot, or somebody else does; says what to do.
    """
    port = int(config.listen.rpartition(":")[2])
    for address in bind_addresses(config):
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                # What else can be wrong Caddy knows better, such as a name that it resolves.
                if error.errno in _WHY:
                    raise Conflict(f"Nothing can listen on {address} port {port}: {_WHY[error.errno]}") from error


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
