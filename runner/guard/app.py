"""The HTTP face of a server: who may ask, which message it is, and the reply, as a bare ASGI application."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from runner.contract import Manifest
from runner.guard.body import Bodies, Receive
from runner.guard.calls import Calls, where
from runner.guard.challenge import Challenge
from runner.guard.events import EventLog
from runner.guard.health import health
from runner.guard.policy import Control
from runner.guard.token import Caller, TokenChecker, TokenRefused
from runner.protocol import jsonrpc
from runner.protocol.eras import Contradiction, Era, era_of, single
from runner.protocol.jsonrpc import Header, Message, Reply, RpcError, decode_message, encode, error_reply
from runner.protocol.legacy import Legacy
from runner.protocol.modern import Modern, claims_modern, mismatch, unsupported
from runner.protocol.tools import ToolCall

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = dict[bytes, bytes]

# Everything but these is ignored, so a client can neither start a session nor resume a stream.
_READ = frozenset({b"authorization", b"origin", b"content-type", b"content-length", b"mcp-protocol-version", b"mcp-method", b"mcp-name"})
_JSON: Header = (b"content-type", b"application/json")
_NO_STORE: Header = (b"cache-control", b"no-store")
_CLOSE: Header = (b"connection", b"close")


def _plain(status: int, error: str, text: str, *headers: Header) -> Reply:
    return Reply(status=status, body=encode({"error": error, "error_description": text}), headers=headers)


_NOT_FOUND = _plain(404, "not_found", "There is nothing here; the endpoint is /mcp.")
_POST_ONLY = _plain(405, "method_not_allowed", "Send messages with POST.", (b"allow", b"POST"))
_NOT_JSON = _plain(415, "unsupported_media_type", "Send the message as application/json.")
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
        legacy: Legacy,
        modern: Modern,
        tools: int,
    ) -> None:
        self._manifest, self._control, self._tokens, self._challenge = manifest, control, tokens, challenge
        self._calls, self._events, self._legacy, self._modern, self._tools = calls, events, legacy, modern, tools
        self._origins = frozenset(origin.encode() for origin in manifest.origins)
        self._bodies = Bodies()
        self.stopping = False

    async def public(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application of the public socket."""
        headers = _routing(scope["headers"])
        origin = headers.get(b"origin")
        if origin is not None and origin not in self._origins:
            return await _send(send, error_reply(None, jsonrpc.INVALID_REQUEST, "This Origin is not allowed.", status=403))
        try:
            reply = await self._public_reply(scope, headers, receive)
        except Exception as error:
            reply = self._unexpected(error)
        if reply is not None:
            await _send(send, reply, _cors(origin) if origin is not None else ())
        return None

    async def private(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application of the private socket."""
        reply: Reply | None
        try:
            if scope["path"] == "/health" and scope["method"] in ("GET", "HEAD"):
                reply = health(self._manifest, tools=self._tools, calls=self._calls, events=self._events, stopping=self.stopping)
            else:
                reply = await self._mcp(scope, _routing(scope["headers"]), receive, None)
        except Exception as error:
            reply = self._unexpected(error)
        if reply is not None:
            await _send(send, reply)

    async def _public_reply(self, scope: Scope, headers: Headers, receive: Receive) -> Reply | None:
        if scope["path"] != "/mcp":
            return _NOT_FOUND
        caller = self._caller(headers.get(b"authorization"))
        if isinstance(caller, Reply):
            return caller
        if self._control.policy.paused:
            return _PAUSED
        return await self._mcp(scope, headers, receive, caller)

    def _caller(self, authorization: bytes | None) -> Caller | Reply:
        self._control.look(time.monotonic())
        if authorization is None:
            return self._challenge.missing
        # A second Authorization header was joined with a comma, which no token contains.
        scheme, _, token = authorization.strip(b" \t").partition(b" ")
        if scheme.lower() != b"bearer":
            return self._challenge.missing
        try:
            return self._tokens.check(token.strip(b" "), revoked=self._control.policy.revoked_grants, now=time.time())
        except TokenRefused as error:
            return self._challenge.refused(error.reason)

    async def _mcp(self, scope: Scope, headers: Headers, receive: Receive, caller: Caller | None) -> Reply | None:
        if scope["path"] != "/mcp":
            return _NOT_FOUND
        if scope["method"] != "POST":
            return _POST_ONLY
        kind = headers.get(b"content-type")
        if kind is not None and kind.partition(b";")[0].strip().lower() != b"application/json":
            return _NOT_JSON
        body = await self._bodies.read(headers.get(b"content-length"), receive)
        if body is None or isinstance(body, Reply):
            return body
        found = self._dispatch(body, headers)
        if isinstance(found, Reply):
            return found
        return await self._calls.run(found, caller=caller, gone=scope["extensions"]["guard"]["client_gone"])

    def _dispatch(self, body: bytes, headers: Headers) -> Reply | ToolCall:
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


def _routing(raw: list[tuple[bytes, bytes]]) -> Headers:
    headers: dict[bytes, bytes] = {}
    for name, value in raw:
        if name in _READ or name.startswith(b"mcp-param-"):
            headers[name] = b"%b, %b" % (headers[name], value) if name in headers else value
    return headers


def _is_legacy(message: Message) -> bool:
    return message.method == "initialize" or claims_modern(message) is None


def _unknown_version(message: Message, version: str) -> Reply:
    named = claims_modern(message)
    if named is not None and named != version:
        return mismatch(message, f"MCP-Protocol-Version is {version[:100]!r}, the body names {named[:100]!r}.")
    return unsupported(message, version[:100])


async def _send(send: Send, reply: Reply, more: tuple[Header, ...] = ()) -> None:
    headers: list[Header] = [(b"content-length", b"%d" % len(reply.body)), _NO_STORE, *reply.headers, *more]
    if reply.body:
        headers.append(_JSON)
    if reply.close:
        headers.append(_CLOSE)
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def _cors(origin: bytes) -> tuple[Header, ...]:
    exposed = (b"access-control-expose-headers", b"www-authenticate, retry-after")
    return (b"access-control-allow-origin", origin), (b"vary", b"origin"), exposed
