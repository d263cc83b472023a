"""The admin socket lets in its own user and root only, whatever its file's mode says."""

import os
import socket
import struct
from asyncio import Transport
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class OwnUserOnly(HttpToolsProtocol):
    """uvicorn's protocol behind a look at who connected (SO_PEERCRED, unix(7))."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        peer = cast(socket.socket, transport.get_extra_info("socket"))
        _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        if uid in (0, os.getuid()):
            super().connection_made(transport)
        else:
            transport.abort()
