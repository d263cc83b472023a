"""Speaks to Caddy's admin API over its Unix socket. The only module that does."""

import http.client
from pathlib import Path

from bmm.errors import NotReachable
from bmm.unix_http import UnixConnection

_SECONDS = 10.0


class Caddy:
    """One Caddy, found by its admin socket."""

    def __init__(self, admin_socket: Path) -> None:
        self._socket = admin_socket

    def answers(self) -> bool:
        try:
            return self._exchange("GET", "/config/", None).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def load(self, caddyfile: str) -> None:
        """Replace the whole configuration at once; Caddy keeps the old one when the new one is wrong.

        Raises:
            NotReachable: Caddy does not answer, or refuses it and says why.
        """
        try:
            answer = self._exchange("POST", "/load", caddyfile.encode())
        except (OSError, http.client.HTTPException) as error:
            raise NotReachable(f"Caddy does not answer on {self._socket}: {error}") from error
        if answer.status != 200:
            raise NotReachable(f"Caddy refused its configuration: {answer.read(1000).decode(errors='replace')}")

    def _exchange(self, method: str, target: str, body: bytes | None) -> http.client.HTTPResponse:
        connection = UnixConnection(self._socket, timeout=_SECONDS)
        # Caddy's admin endpoint on a Unix socket accepts an empty Host only: any name would have to be in its origins.
        connection.putrequest(method, target, skip_host=True)
        connection.putheader("Host", "")
        connection.putheader("Connection", "close")
        if body is not None:
            connection.putheader("Content-Type", "text/caddyfile")
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return connection.getresponse()
