"""Connections of the public socket: uvicorn's, with what a proxy that shares them among strangers makes necessary."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_SECONDS = 20.0


class PublicConnection(HttpToolsProtocol):
    """Speaks nothing but HTTP, and waits for a request no longer than `REQUEST_SECONDS`: waiting must not use up descriptors."""

    _deadline: asyncio.TimerHandle | None = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_time()
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.close)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            # The parser ends such a request (`Upgrade`, CONNECT) at its head and would read its body as the next one: whoever shares
            # this connection through Caddy would have his own put behind what a stranger wrote (CWE-444). uvicorn answers 400.
            raise ValueError("this appliance speaks HTTP only")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_time()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def _in_time(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
