"""A real gateway process in a folder with a short name, real upstream servers on loopback, and a client as a container would be one."""

import contextlib
import json
import os
import select
import signal
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bmm.egress.control import EgressControl
from bmm.egress.rules import EgressEntry, EgressRules, remove_rules, write_rules
from bmm.servers import detached
from tests.waiting import PATIENCE


class Gateway:
    """The process under test and what a test does with it."""

    def __init__(self, folder: Path) -> None:
        self.run, self.data, self.log_file = folder / "run", folder / "data", folder / "log"
        self.program = detached.egress(run=self.run, data=self.data, log=self.log_file)
        self.control = EgressControl(self.run)
        self.pid = 0

    def start(self) -> None:
        self.pid = detached.ensure(self.program, run=self.run)

    def kill(self) -> None:
        descriptor = os.pidfd_open(self.pid)
        os.kill(self.pid, signal.SIGKILL)
        assert select.select([descriptor], [], [], PATIENCE)[0]
        os.close(descriptor)

    def allow(self, *entries: EgressEntry, key: str = "srv_1", **limits: float) -> None:
        write_rules(self.data, EgressRules(server_id=key, entries=entries, **limits))  # type: ignore[arg-type]
        assert self.control.reload().wrong == {}

    def forbid(self, key: str = "srv_1") -> None:
        remove_rules(self.data, key)

    def dial(self, index: int = 0, *, key: str = "srv_1") -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(PATIENCE)
        try:
            client.connect(str(self.run / "out" / key / f"{index}.sock"))
        except OSError:
            client.close()
            raise
        return client

    def log(self, event: str) -> list[dict[str, Any]]:
        lines = [line for line in self.log_file.read_text().splitlines() if line.startswith("{")]
        return [line for line in map(json.loads, lines) if line["event"] == event]


class Upstream:
    """A server on loopback whose conversation is a function of the connection."""

    def __init__(self, talk: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.settimeout(PATIENCE)
                with contextlib.suppress(OSError):
                    if context is None:
                        talk(self.request)
                        return
                    with context.wrap_socket(self.request, server_side=True) as tls:
                        talk(tls)

        class Server(socketserver.ThreadingTCPServer):
            request_queue_size = 256
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
