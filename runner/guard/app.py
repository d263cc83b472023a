"""The HTTP face of a server: who may ask, which message it is, and the reply."""

import math
import time

from runner.contract import Manifest
from runner.guard.asking import Asking
from runner.guard.body import Bodies
from runner.guard.calls import Calls, where
from runner.guard.challenge import Challenge
from runner.guard.events import EventLog
from runner.guard.exchange import Exchange
from runner.guard.health import health
from runner.guard.limits import Limits, address_of
from runner.guard.policy import Control
from runner.guard.request import Request
from runner.guard.subscriptions import Subscriptions
from runner.guard.token import Barred, Caller, TokenChecker, TokenRefused
from runner.protocol import jsonrpc
from runner.protocol.eras import Contradiction, Era, era_of, single
from runner.protocol.jsonrpc import Header, Message, Reply, RpcError, decode_message, encode, error_reply
from runner.protocol.legacy import Legacy
from runner.protocol.modern import Modern, claims_modern, mismatch, unsupported
from runner.protocol.requests import Answered, Cancelled, Declared, Levelled, Listen, PromptGet, ToolCall
from runner.protocol.search import ToolSearch

Headers = dict[bytes, bytes]


def _plain(status: int, error: str, text: str, *headers: Header) -> Reply:
    return Reply(status=status, body=encode({"error": error, "error_description": text}), headers=headers)


_NOT_FOUND = _plain(404, "not_found", "There is nothing here; the endpoint is /mcp.")
_POST_ONLY = _plain(405, "method_not_allowed", "Send messages with POST.", (b"allow", b"POST"))
_NOT_JSON = _plain(415, "unsupported_media_type", "Send the message as application/json.")
_FOREIGN = error_reply(None, jsonrpc.INVALID_REQUEST, "This Origin is not allowed.", status=403)
_FAILED = error_reply(None, jsonrpc.INTERNAL_ERROR, "The server failed inside; its owner can see it in the log.", status=500)
_PAUSED = error_reply(None, jsonrpc.INTERNAL_ERROR, "This server is paused.", status=503, headers=((b"retry-after", b"60"),))


class Guard:
    """Answers on two sockets: `public` needs a token, `private` is for the control plane and counts nothing."""

    def __init__(
        self,
        *,
        manifest: Manifest,
        control: Control,
        tokens: TokenChecker,
        challenge: Challenge,
        calls: Calls,
        events: EventLog,
        limits: Limits,
        asking: Asking,
        subscriptions: Subscriptions,
        legacy: Legacy,
        modern: Modern,
        search: ToolSearch,
    ) -> None:
        self._manifest, self._control, self._tokens, self._challenge = manifest, control, tokens, challenge
        self._calls, self._events, self._legacy, self._modern, self._search = calls, events, legacy, modern, search
        self._limits, self._asking, self._subscriptions = limits, asking, subscriptions
        self._bodies = Bodies()
        self.stopping = False

    async def public(self, request: Request) -> None:
        """Answer on the public socket."""
        origin = request.headers.get(b"origin")
        if origin is not None and not self._allows(origin.decode("latin-1")):
            return await Exchange(request).answer(_FOREIGN)
        exchange = Exchange(request, () if origin is None else _cors(origin))
        try:
            found = self._admitted(request)
            reply = found if isinstance(found, Reply) else await self._mcp(request, exchange, found)
        except Exception as error:
            reply = self._unexpected(error)
        if reply is not None:
            await exchange.answer(reply)
        return None

    def _allows(self, origin: str) -> bool:
        self._control.look(time.monotonic())
        return origin in self._manifest.origins or origin in self._control.policy.origins

    async def private(self, request: Request) -> None:
        """Answer on the private socket."""
        exchange = Exchange(request)
        reply: Reply | None
        try:
            if request.path == "/health" and request.method in (b"GET", b"HEAD"):
                reply = await health(self._manifest, search=self._search, calls=self._calls, events=self._events, stopping=self.stopping)
            elif request.path != "/mcp":
                reply = _NOT_FOUND
            else:
                reply = await self._mcp(request, exchange, None)
        except Exception as error:
            reply = self._unexpected(error)
        if reply is not None:
            await exchange.answer(reply)

    def stop(self) -> None:
        """Answer what came; what would wait for clients ends now, so that they go on with whoever takes over."""
        self.stopping = True
        self._subscriptions.stop()
        self._asking.stop()

    def _admitted(self, request: Request) -> Caller | Reply:
        if request.path != "/mcp":
            return _NOT_FOUND
        caller = self._caller(request.headers)
        return _PAUSED if self._control.policy.paused and isinstance(caller, Caller) else caller

    def _caller(self, headers: Headers) -> Caller | Reply:
        self._control.look(time.monotonic())
        authorization = headers.get(b"authorization")
        if authorization is None:
            return self._challenge.missing
        # A second Authorization header was joined with a comma, which no token contains.
        scheme, _, token = authorization.strip(b" \t").partition(b" ")
        if scheme.lower() != b"bearer":
            return self._challenge.missing
        address = address_of(headers.get(b"x-forwarded-for"))
        try:
            return self._tokens.check(
                token.strip(b" "),
                revoked=self._control.policy.revoked_grants,
                now=time.time(),
                barred=lambda: self._limits.barred(address, time.monotonic()),
            )
        except Barred as error:
            return _wait(error.seconds)
        except TokenRefused as error:
            # Clients come back with what has expired, many of them from one address of a service: nobody guesses there.
            if not error.genuine:
                self._limits.refused(address, time.monotonic())
            return self._challenge.refused(error.reason)

    async def _mcp(self, request: Request, exchange: Exchange, caller: Caller | None) -> Reply | None:
        if request.method != b"POST":
            return _POST_ONLY
        headers = request.headers
        kind = headers.get(b"content-type")
        if kind is not None and kind != b"application/json" and kind.partition(b";")[0].strip().lower() != b"application/json":
            return _NOT_JSON
        body: bytes | Reply | None = request.arrived()
        if body is None:
            body = await self._bodies.read(headers.get(b"content-length"), request.piece)
        if body is None or isinstance(body, Reply):
            return body
        found = self._dispatch(body, headers)
        exchange.size = len(body)
        del body  # a call, and a stream all the more, outlasts the need of it
        if isinstance(found, Reply):
            return found
        address = address_of(headers.get(b"x-forwarded-for"))
        if isinstance(found, ToolCall):
            return await self._calls.run(found, caller=caller, address=address, exchange=exchange)
        return await self._other(found, caller, address, exchange)

    async def _other(
        self, found: PromptGet | Listen | Declared | Levelled | Cancelled | Answered, caller: Caller | None, address: str, exchange: Exchange
    ) -> Reply | None:
        grant = caller.grant if caller is not None else ""
        match found:
            case PromptGet():
                return await self._calls.prompt(found, caller=caller, address=address, exchange=exchange)
            case Listen():
                self._calls.watch.wake()
                return await self._subscriptions.listen(found, caller=caller, exchange=exchange)
            case Declared():
                self._asking.declare(grant, found.kinds)
                return found.reply
            case Levelled():
                self._asking.set_level(grant, found.level)
                return found.reply
            case Cancelled():
                self._calls.cancel(found, caller=caller, address=address)
            case Answered():
                self._asking.answered(grant, found)
        return jsonrpc.ACCEPTED

    def _dispatch(self, body: bytes, headers: Headers) -> Reply | ToolCall | PromptGet | Listen | Declared | Levelled | Cancelled | Answered:
        try:
            message = decode_message(body)
        except RpcError as error:
            return error_reply(None, error.code, error.message, status=error.status)
        try:
            version = single("MCP-Protocol-Version", headers.get(b"mcp-protocol-version"))
        except Contradiction as error:
            return mismatch(message, str(error))
        era = era_of(version)
        if era is Era.MODERN:
            return self._modern.answer(message, headers)
        if era is Era.LEGACY or (era is Era.ABSENT and _is_legacy(message)):
            return self._legacy.answer(message)
        if version is None:
            return mismatch(message, "the required header MCP-Protocol-Version is missing.")
        return _unknown_version(message, version.decode("latin-1"))

    def _unexpected(self, error: Exception) -> Reply:
        self._events.log("error", f"a request failed unexpectedly: {where(error)}", at=time.time())
        return _FAILED


def _is_legacy(message: Message) -> bool:
    return message.method == "initialize" or claims_modern(message) is None


def _unknown_version(message: Message, version: str) -> Reply:
    named = claims_modern(message)
    if named is not None and named != version:
        return mismatch(message, f"MCP-Protocol-Version is {version[:100]!r}, the body names {named[:100]!r}.")
    return unsupported(message, version[:100])


def _wait(seconds: float) -> Reply:
    text = "Too many tokens from this address were refused. Try again later."
    return _plain(429, "too_many_requests", text, (b"retry-after", b"%d" % math.ceil(seconds)))


def _cors(origin: bytes) -> tuple[Header, ...]:
    exposed = (b"access-control-expose-headers", b"www-authenticate, retry-after")
    return (b"access-control-allow-origin", origin), (b"vary", b"origin"), exposed
