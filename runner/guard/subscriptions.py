"""`subscriptions/listen`: streams on which clients hear that a list or a resource has changed (2026-07-28, Subscriptions)."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Literal

from runner.guard.exchange import Exchange
from runner.guard.token import Caller
from runner.protocol.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST, Reply, RequestId, encode, error_reply, result_reply
from runner.protocol.requests import Listen

MAX_OF_A_GRANT, MAX_OF_A_PERSON, MAX_OF_A_SERVER = 8, 64, 256
SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId"
_RETRY_LATER = ((b"retry-after", b"30"),)


class Listener:
    """One stream. What has to be said is kept as a set of messages: a client that reads slowly hears of ten changes once."""

    def __init__(self, listen: Listen, caller: Caller | None, exchange: Exchange, welcome: Callable[[Caller], bool]) -> None:
        self.id, self.wanted, self.caller, self.exchange = listen.id, listen.wanted, caller, exchange
        self._welcome = welcome
        self._waiting: dict[bytes, None] = {}
        self._news = asyncio.Event()
        self._ending = False

    async def serve(self) -> bool:
        """Acknowledge, then pass on what comes, until the end; False when the client has gone before."""
        self._say("subscriptions/acknowledged", {"notifications": self.wanted})
        while self._waiting or not self._ending:
            await self._news.wait()
            self._news.clear()
            # A busy stream is never quiet for so long that somebody else asks.
            if not self.still_welcome():
                break
            waiting, self._waiting = self._waiting, {}
            for message in waiting:
                if not await self.exchange.notify(message):
                    return False
        return True

    def changed(self, what: str) -> None:
        if getattr(self.wanted, f"{what}_list_changed"):
            self._say(f"{what}/list_changed", {})

    def updated(self, uri: str) -> None:
        if uri in self.wanted.resource_subscriptions:
            self._say("resources/updated", {"uri": uri})

    def end(self) -> None:
        self._ending = True
        self._news.set()

    def client_left(self) -> None:
        self.end()

    def still_welcome(self) -> bool:
        if self.caller is None or self._welcome(self.caller):
            return True
        self.end()
        return False

    def _say(self, what: str, params: dict[str, Any]) -> None:
        message = {"jsonrpc": "2.0", "method": f"notifications/{what}", "params": {"_meta": {SUBSCRIPTION_ID: self.id}, **params}}
        self._waiting[encode(message)] = None
        self._news.set()


class Subscriptions:
    """All streams of one server."""

    def __init__(self, *, revoked: Callable[[], frozenset[str]], complete: Callable[[dict[str, Any]], bytes]) -> None:
        """`revoked` are the grants whose streams end; `complete` makes a whole result with this `_meta`."""
        self._revoked, self._complete = revoked, complete
        self._stopped = False
        self.listeners: set[Listener] = set()

    async def listen(self, listen: Listen, *, caller: Caller | None, exchange: Exchange) -> Reply | None:
        """Serve one stream to its end."""
        if not exchange.takes_stream:
            return error_reply(listen.id, INVALID_REQUEST, "This is answered with text/event-stream, which Accept leaves out.", status=406)
        if self._crowded(caller):
            most = f"{MAX_OF_A_GRANT} such streams of one grant, {MAX_OF_A_PERSON} of one person and {MAX_OF_A_SERVER} of a server"
            text = f"At most {most} are kept open."
            return error_reply(listen.id, INTERNAL_ERROR, text, status=503, headers=_RETRY_LATER)
        listener = Listener(listen, caller, exchange, self._is_welcome)
        self.listeners.add(listener)
        if self._stopped:
            listener.end()
        try:
            whole = await listener.serve()
        finally:
            self.listeners.discard(listener)
        return self._completion(listen.id) if whole else None

    def changed(self, what: Literal["tools", "prompts", "resources"]) -> None:
        for listener in self.listeners:
            listener.changed(what)

    def updated(self, uri: str) -> None:
        for listener in self.listeners:
            listener.updated(uri)

    def stop(self) -> None:
        """Another version takes over, with other lists: everybody is told, and listens there."""
        self._stopped = True
        for listener in self.listeners:
            for what in ("tools", "prompts", "resources"):
                listener.changed(what)
            for uri in listener.wanted.resource_subscriptions:
                listener.updated(uri)
            listener.end()

    def _crowded(self, caller: Caller | None) -> bool:
        # Grants cost nothing: whoever has many must leave streams for others.
        others = [each.caller for each in self.listeners]
        of_grant = sum(_grant(other) == _grant(caller) for other in others)
        of_person = sum(other is not None and caller is not None and other.subject == caller.subject for other in others)
        return len(others) >= MAX_OF_A_SERVER or of_grant >= MAX_OF_A_GRANT or of_person >= MAX_OF_A_PERSON

    def _is_welcome(self, caller: Caller) -> bool:
        return time.time() < caller.expires and caller.grant not in self._revoked()

    def _completion(self, request_id: RequestId) -> Reply:
        return result_reply(request_id, self._complete({SUBSCRIPTION_ID: request_id}))


def _grant(caller: Caller | None) -> str:
    return "" if caller is None else caller.grant
