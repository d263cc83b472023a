"""A server's public address: its listening socket in the holder, published while something serves and moved aside while nothing may."""

import os
import socket

from bmm.servers.sockets import HeldSocket, Sockets, StillHeld


class Addresses:
    """What the reconciler does with the holder, in the product's words."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets

    def listening_socket(self, slug: str) -> socket.socket:
        """A duplicate of the server's socket, made on first use; the caller closes it.

        Raises:
            StillHeld: the holder was killed and a container still listens behind the name; end that container first.
        """
        return self._sockets.open(slug)

    def identity(self, slug: str) -> str:
        """Names the socket itself. A container that was given another one listens where nobody dials and must be replaced."""
        try:
            with self._sockets.open(slug) as listening:
                return str(os.fstat(listening.fileno()).st_ino)
        except StillHeld:
            return "still held"

    def publish(self, slug: str) -> None:
        self._sockets.publish(slug)

    def list(self) -> tuple[HeldSocket, ...]:
        """Every address there is, published or not."""
        return self._sockets.list()

    def park(self, slug: str) -> None:
        """Move the name aside, so that the front door answers at once."""
        if slug in self._sockets.held():
            self._sockets.park(slug)

    def drain(self, slug: str) -> None:
        """Answer whoever already waits behind a parked name; no container may serve it any more."""
        if slug in self._sockets.held():
            self._sockets.drain(slug)

    def forget(self, slug: str) -> None:
        self._sockets.forget(slug)
