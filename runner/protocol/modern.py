"""MCP 2026-07-28: every request stands alone and repeats itself in its headers."""

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from runner.protocol import jsonrpc
from runner.protocol.eras import MODERN, says
from runner.protocol.jsonrpc import Message, Reply, RequestId, error_reply, result_reply
from runner.protocol.param_headers import disagreement
from runner.protocol.tools import Catalogue, ToolCall, ToolParams

SERVER_INFO = "io.modelcontextprotocol/serverInfo"
# Lists change only with a deployment; a client that keeps one for a minute meets a new version soon enough.
LIST_TTL_MS = 60_000


class Meta(Struct, frozen=True, kw_only=True):
    """What every request carries about itself; `client_info` is a SHOULD, so nothing may need it."""

    version: str = field(name="io.modelcontextprotocol/protocolVersion")
    capabilities: dict[str, Raw] = field(name="io.modelcontextprotocol/clientCapabilities")
    client_info: dict[str, Raw] | UnsetType = field(name="io.modelcontextprotocol/clientInfo", default=UNSET)


class _Envelope(Struct, frozen=True, kw_only=True):
    meta: Meta = field(name="_meta")
    cursor: str | None = None


class _Call(ToolParams, frozen=True, kw_only=True):
    meta: Meta = field(name="_meta")


class _Peek(Struct, frozen=True, kw_only=True):
    meta: dict[str, Raw] = field(name="_meta", default_factory=dict)


_envelope = msgspec.json.Decoder(_Envelope).decode
_call = msgspec.json.Decoder(_Call).decode
_peek = msgspec.json.Decoder(_Peek).decode


def claims_modern(message: Message) -> str | None:
    """The protocol version named in the body, if the message is written in the modern form."""
    if isinstance(message.params, UnsetType):
        return None
    try:
        raw = _peek(message.params).meta.get("io.modelcontextprotocol/protocolVersion")
        return None if raw is None else msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def unsupported(message: Message, requested: str) -> Reply:
    data = {"supported": [MODERN], "requested": requested}
    return error_reply(message.id, jsonrpc.UNSUPPORTED_VERSION, "Unsupported protocol version", status=400, data=data)


def mismatch(message: Message, text: str) -> Reply:
    return error_reply(message.id, jsonrpc.HEADER_MISMATCH, f"Header mismatch: {text}", status=400)


class Modern:
    """Answers requests whose header names 2026-07-28."""

    def __init__(self, catalogue: Catalogue) -> None:
        identity = jsonrpc.encode({SERVER_INFO: {"name": catalogue.name, "title": catalogue.title, "version": catalogue.version}})
        self._mirrored = catalogue.mirrored
        cache = b'"ttlMs":%d,"cacheScope":"private"' % LIST_TTL_MS
        self.complete = b'{"resultType":"complete","_meta":%b,' % identity
        discovery: dict[str, object] = {"supportedVersions": [MODERN], "capabilities": {"tools": {}}}
        if catalogue.instructions:
            discovery["instructions"] = catalogue.instructions
        self._lists = {
            "server/discover": self.complete + cache + b"," + jsonrpc.encode(discovery)[1:],
            "tools/list": b'%b%b,"tools":%b}' % (self.complete, cache, catalogue.modern_tools),
        }

    def answer(self, message: Message, headers: Mapping[bytes, bytes]) -> Reply | ToolCall:
        """The reply, or the call to run. `headers` are the routing headers, lower case."""
        if isinstance(message.id, UnsetType) or message.id is None:
            return jsonrpc.ACCEPTED
        if isinstance(message.method, UnsetType):
            return error_reply(message.id, jsonrpc.INVALID_REQUEST, "A client must not send responses.", status=400)
        params = self._params(message, message.method)
        if isinstance(params, Reply):
            return self._contradicted(message) or params
        if refusal := _compare(message, message.method, params, headers):
            return refusal
        if isinstance(params, _Call):
            arguments = params.arguments or {}
            if (declared := self._mirrored.get(params.name)) and (problem := disagreement(declared, arguments, headers)):
                return mismatch(message, problem)
            return ToolCall(id=message.id, name=params.name, arguments=arguments, modern=True)
        return self._listed(message.id, message.method, params)

    def _listed(self, request_id: RequestId, method: str, params: _Envelope) -> Reply:
        found = self._lists.get(method)
        if found is None:
            return error_reply(request_id, jsonrpc.METHOD_NOT_FOUND, f"Method not found: {method[:100]}", status=404)
        if params.cursor is not None:
            return error_reply(request_id, jsonrpc.INVALID_PARAMS, "Unknown cursor: this list has one page.", status=400)
        return result_reply(request_id, found)

    def _params(self, message: Message, method: str) -> _Call | _Envelope | Reply:
        raw = b"{}" if isinstance(message.params, UnsetType) else message.params
        try:
            return _call(raw) if method == "tools/call" else _envelope(raw)
        except msgspec.ValidationError as error:
            return error_reply(message.id, jsonrpc.INVALID_PARAMS, f"Invalid params: {error}", status=400)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return error_reply(None, jsonrpc.PARSE_ERROR, "The body is not JSON, or it is nested too deeply.", status=400)

    def _contradicted(self, message: Message) -> Reply | None:
        # A client that disagrees with itself about the version is told so first, whatever else is wrong.
        named = claims_modern(message)
        return None if named is None else _version_differs(message, named)


def _compare(message: Message, method: str, params: _Call | _Envelope, headers: Mapping[bytes, bytes]) -> Reply | None:
    if refusal := _version_differs(message, params.meta.version):
        return refusal
    sent = headers.get(b"mcp-method")
    if sent is None or not says(sent, method):
        return mismatch(message, f"Mcp-Method must be present and equal the method {method[:100]!r} of the body.")
    if isinstance(params, _Call):
        name = headers.get(b"mcp-name")
        if name is None or not says(name, params.name):
            return mismatch(message, f"Mcp-Name must be present and equal the name {params.name[:100]!r} of the body.")
    return None


def _version_differs(message: Message, named: str) -> Reply | None:
    if named == MODERN:
        return None
    return mismatch(message, f"MCP-Protocol-Version is {MODERN!r}, the body names {named[:100]!r}.")
