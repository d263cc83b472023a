"""Asking a running guard how it lists its tools."""

import http.client
from pathlib import Path

import msgspec

from bmm.config import Config
from bmm.core.server import Server
from bmm.core.tool_list import ToolList
from bmm.servers.launch import ask_privately
from bmm.store import servers
from bmm.store.db import Store


def tool_list(private: Path) -> ToolList:
    """What the guard behind a private socket says.

    Raises:
        OSError, http.client.HTTPException, msgspec.MsgspecError: it does not answer, or not with that.
    """
    return msgspec.json.decode(ask_privately(private, "GET", "/health").body, type=ToolList)


def shown_by(store: Store, config: Config, server: Server) -> ToolList | None:
    """Of the server's running version; None while none answers."""
    for container in store.all(servers.open_containers()):
        if (container.server_id, container.version) == (server.id, server.version):
            try:
                return tool_list(config.run / "prv" / f"{container.id}.sock")
            except (OSError, http.client.HTTPException, msgspec.MsgspecError):
                continue
    return None
