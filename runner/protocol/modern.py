"""MCP 2026-07-28: every request stands alone and repeats itself in its headers."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct, UnsetType, field

from runner.protocol import jsonrpc
from runner.protocol.completion import CompleteParams
from runner.protocol.eras import MODERN, plain_text, says
from runner.protocol.jsonrpc import Message, Reply, RequestId, RpcError, error_reply, result_reply
from runner.protocol.offers import Offers
from runner.protocol.param_headers import disagreement
from runner.protocol.requests import Filter, Listen, PromptGet, ToolCall, honoured
from runner.protocol.tools import Catalogue
from runner.tools.context import Level, Question

SERVER_INFO = "io.modelcontextprotocol/serverInfo"
# Lists change only with a deployment; a client that keeps one for a minute meets a new version soon enough.
LIST_TTL_MS = 60_000


class Meta(Struct, frozen=True, kw_only=True):
    """What every request carries about itself; `client_info` is a SHOULD, so nothing may need it."""

    version: str = field(name="io.modelcontextprotocol/protocolVersion")
    capabilities: dict[str, Raw] = field(name="io.modelcontextprotocol/clientCapabilities")
    client_info: dict[str, Raw] | None = field(name="io.modelcontextprotocol/clientInfo", default=None)
    level: Level | None = field(name="io.modelcontextprotocol/logLevel", default=None)
    progress: RequestId | None = field(name="progressToken", default=None)


class _Envelope(Struct, frozen=True, kw_only=True):
    meta: Meta = field(name="_meta")
    cursor: str | None = None


class _Rounds(Struct, frozen=True, kw_only=True):
    """The params of a request that may have been answered with a question before."""

    meta: Meta = field(name="_meta")
    responses: dict[str, dict[str, Any]] | None = field(name="inputResponses", default=None)
    state: str | None = field(name="requestState", default=None)


class _Call(_Rounds, frozen=True, kw_only=True):
    name: str
    arguments: dict[str, Any] | None = None


class _Prompt(_Rounds, frozen=True, kw_only=True):
    name: str
    arguments: dict[str, str] | None = None


class _Read(_Rounds, frozen=True, kw_only=True):
    uri: str


class _Complete(CompleteParams, frozen=True, kw_only=True):
    meta: Meta = field(name="_meta")


class _Listen(Struct, frozen=True, kw_only=True):
    meta: Meta = field(name="_meta")
    notifications: Filter


class _Peek(Struct, frozen=True, kw_only=True):
    meta: dict[str, Raw] = field(name="_meta", default_factory=dict)


_Params = _Envelope | _Call | _Prompt | _Read | _Complete | _Listen
_Decode = Callable[[bytes | Raw], _Params]

_envelope: _Decode = msgspec.json.Decoder(_Envelope).decode
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

    def __init__(self, catalogue: Catalogue, offers: Offers) -> None:
        self._offers, self._mirrored = offers, catalogue.mirrored
        self._identity = {SERVER_INFO: {"name": catalogue.name, "title": catalogue.title, "version": catalogue.version}}
        self._meta = b'"_meta":%b,' % jsonrpc.encode(self._identity)
        self._cached = b'"ttlMs":%d,"cacheScope":"private",' % LIST_TTL_MS
        self.complete = b'{"resultType":"complete",%b' % self._meta
        self.capabilities = _capabilities(catalogue, offers)
        discovery: dict[str, object] = {"supportedVersions": [MODERN], "capabilities": self.capabilities}
        if catalogue.instructions:
            discovery["instructions"] = catalogue.instructions
        self._lists = {"server/discover": self.complete + self._cached + jsonrpc.encode(discovery)[1:]}
        self._decoders: dict[str, _Decode] = {"subscriptions/listen": msgspec.json.Decoder(_Listen).decode}
        if catalogue.has_tools:
            self._lists["tools/list"] = b'%b%b"tools":%b}' % (self.complete, self._cached, catalogue.modern_tools)
            self._decoders["tools/call"] = msgspec.json.Decoder(_Call).decode
        if "prompts" in offers.capabilities:
            self._decoders["prompts/get"] = msgspec.json.Decoder(_Prompt).decode
        if "resources" in offers.capabilities:
            self._decoders["resources/read"] = msgspec.json.Decoder(_Read).decode
        if "completions" in offers.capabilities:
            self._decoders["completion/complete"] = msgspec.json.Decoder(_Complete).decode

    def answer(self, message: Message, headers: Mapping[bytes, bytes]) -> Reply | ToolCall | PromptGet | Listen:
        """The reply, or what has to be run. `headers` are the routing headers, lower case."""
        if isinstance(message.method, UnsetType):
            return error_reply(message.id, jsonrpc.INVALID_REQUEST, "A client must not send responses.", status=400)
        if isinstance(message.id, UnsetType) or message.id is None:
            return jsonrpc.ACCEPTED
        params = self._params(message, message.method)
        if isinstance(params, Reply):
            return self._contradicted(message) or params
        if refusal := _compare(message, message.method, params, headers):
            return refusal
        if isinstance(params, _Call):
            arguments = params.arguments or {}
            if (declared := self._mirrored.get(params.name)) and (problem := disagreement(declared, arguments, headers)):
                return mismatch(message, problem)
            meta = params.meta
            return ToolCall(
                id=message.id,
                name=params.name,
                arguments=arguments,
                modern=True,
                progress=meta.progress,
                level=meta.level,
                capabilities=meta.capabilities,
                responses=params.responses,
                state=params.state,
            )
        try:
            return self._other(message.id, message.method, params)
        except RpcError as error:
            return error_reply(message.id, error.code, error.message, status=error.status)

    def input_required(self, questions: Mapping[str, Question], state: str) -> bytes:
        """An InputRequiredResult: what to ask the person or the client, and what to bring back with the answers."""
        requests = {key: {"method": each.method, "params": each.params} for key, each in questions.items()}
        body = jsonrpc.encode({"inputRequests": requests, "requestState": state})
        return b'{"resultType":"input_required",%b%b' % (self._meta, body[1:])

    def ended(self, meta: Mapping[str, Any]) -> bytes:
        """An empty result with more `_meta`."""
        return jsonrpc.encode({"resultType": "complete", "_meta": {**self._identity, **meta}})

    def _other(self, request_id: RequestId, method: str, params: _Params) -> Reply | PromptGet | Listen:
        match params:
            case _Prompt(name=name):
                arguments = params.arguments or {}
                if params.state is None and not self._offers.missing(name, arguments):
                    return result_reply(request_id, b"%b%b}" % (self.complete, self._offers.prompt(name, arguments)))
                return PromptGet(
                    id=request_id,
                    name=name,
                    arguments=arguments,
                    modern=True,
                    capabilities=params.meta.capabilities,
                    responses=params.responses,
                    state=params.state,
                )
            case _Read(uri=uri):
                if params.state is not None:
                    raise RpcError(jsonrpc.INVALID_PARAMS, "The requestState was not issued for this request: reading a resource asks nothing.")
                return result_reply(request_id, b"%b%b%b}" % (self.complete, self._cached, self._offers.read(uri)))
            case _Complete():
                values = self._offers.complete(params.ref, params.argument, params.chosen)
                return result_reply(request_id, b"%b%b}" % (self.complete, values))
            case _Listen():
                return Listen(id=request_id, wanted=honoured(params.notifications, self.capabilities))
            case _Envelope() if (found := self._list(method)) is not None:
                if params.cursor is not None:
                    raise RpcError(jsonrpc.INVALID_PARAMS, "Unknown cursor: this list has one page.")
                return result_reply(request_id, found)
        raise RpcError(jsonrpc.METHOD_NOT_FOUND, f"Method not found: {method[:100]}", status=404)

    def _list(self, method: str) -> bytes | None:
        if method not in self._lists and (listed := self._offers.list(method)) is not None:
            self._lists[method] = b"%b%b%b}" % (self.complete, self._cached, listed)
        return self._lists.get(method)

    def _params(self, message: Message, method: str) -> _Params | Reply:
        raw = b"{}" if isinstance(message.params, UnsetType) else message.params
        try:
            return self._decoders.get(method, _envelope)(raw)
        except msgspec.ValidationError as error:
            return error_reply(message.id, jsonrpc.INVALID_PARAMS, f"Invalid params: {error}", status=400)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return error_reply(None, jsonrpc.PARSE_ERROR, "The body is not JSON, or it is nested too deeply.", status=400)

    def _contradicted(self, message: Message) -> Reply | None:
        # A client that disagrees with itself about the version is told so first, whatever else is wrong.
        named = claims_modern(message)
        return None if named is None else _version_differs(message, named)


def _capabilities(catalogue: Catalogue, offers: Offers) -> dict[str, dict[str, bool]]:
    """What has a handler. Lists change when another version takes over; listeners are told then."""
    found: dict[str, dict[str, bool]] = {"tools": {"listChanged": True}} if catalogue.has_tools else {}
    for name, shown in offers.capabilities.items():
        listed = {"listChanged": True} if name in ("resources", "prompts") else {}
        found[name] = {**shown, **listed, **({"subscribe": True} if name == "resources" else {})}
    if catalogue.logs:
        found["logging"] = {}
    return found


def _compare(message: Message, method: str, params: _Params, headers: Mapping[bytes, bytes]) -> Reply | None:
    if refusal := _version_differs(message, params.meta.version):
        return refusal
    sent = headers.get(b"mcp-method")
    if sent is None or not says(sent, method, plain_text):
        return mismatch(message, f"Mcp-Method must be present and equal the method {method[:100]!r} of the body.")
    if isinstance(params, _Call | _Prompt):
        name = params.name
    elif isinstance(params, _Read):
        name = params.uri
    else:
        return None
    sent = headers.get(b"mcp-name")
    if sent is None or not says(sent, name):
        field_name = "uri" if isinstance(params, _Read) else "name"
        return mismatch(message, f"Mcp-Name must be present and equal the {field_name} {name[:100]!r} of the body.")
    return None


def _version_differs(message: Message, named: str) -> Reply | None:
    if named == MODERN:
        return None
    return mismatch(message, f"MCP-Protocol-Version is {MODERN!r}, the body names {named[:100]!r}.")
