"""MCP 2025-11-25 and before: the same server behind the `initialize` handshake, without sessions."""

from typing import Any

import msgspec
from msgspec import Raw, Struct, UnsetType, field

from runner.protocol import jsonrpc
from runner.protocol.completion import CompleteParams
from runner.protocol.eras import LATEST_LEGACY, LEGACY
from runner.protocol.jsonrpc import Message, Reply, RequestId, RpcError, error_reply, result_reply
from runner.protocol.offers import LEGACY_UNKNOWN_RESOURCE, Offers
from runner.protocol.requests import Answered, Cancelled, Declared, Levelled, PromptGet, ToolCall, kinds_of
from runner.protocol.tools import Catalogue
from runner.tools.context import Level


class _Initialize(Struct, frozen=True, kw_only=True):
    version: str = field(name="protocolVersion")
    capabilities: dict[str, Raw] = {}


class _Page(Struct, frozen=True, kw_only=True):
    cursor: str | None = None


class _Meta(Struct, frozen=True, kw_only=True):
    progress: RequestId | None = field(name="progressToken", default=None)


class _Call(Struct, frozen=True, kw_only=True):
    name: str
    arguments: dict[str, Any] | None = None
    meta: _Meta | None = field(name="_meta", default=None)

    @property
    def progress(self) -> RequestId | None:
        return None if self.meta is None else self.meta.progress


class _Prompt(Struct, frozen=True, kw_only=True):
    name: str
    arguments: dict[str, str] | None = None
    meta: _Meta | None = field(name="_meta", default=None)

    @property
    def progress(self) -> RequestId | None:
        return None if self.meta is None else self.meta.progress


class _Read(Struct, frozen=True, kw_only=True):
    uri: str


class _SetLevel(Struct, frozen=True, kw_only=True):
    level: Level


_initialize = msgspec.json.Decoder(_Initialize).decode
_call = msgspec.json.Decoder(_Call).decode
_page = msgspec.json.Decoder(_Page).decode
_prompt = msgspec.json.Decoder(_Prompt).decode
_read = msgspec.json.Decoder(_Read).decode
_complete = msgspec.json.Decoder(CompleteParams).decode
_set_level = msgspec.json.Decoder(_SetLevel).decode
_cancelled = msgspec.json.Decoder(Cancelled).decode
_NOTHING = b"{}"

Asks = ToolCall | PromptGet | Declared | Levelled | Cancelled | Answered


def _params(message: Message) -> bytes | Raw:
    # Some older clients send null where they have no params.
    return _NOTHING if isinstance(message.params, UnsetType) or bytes(message.params) == b"null" else message.params


class Legacy:
    """Answers every request as if the handshake had happened; what must be remembered nevertheless is told to the guard."""

    def __init__(self, catalogue: Catalogue, offers: Offers) -> None:
        self._identity = {"name": catalogue.name, "title": catalogue.title, "version": catalogue.version}
        self._instructions = catalogue.instructions
        self._offers = offers
        self._has_tools = catalogue.has_tools
        self._tools = b'{"tools":%b}' % catalogue.legacy_tools
        self._capabilities: dict[str, dict[str, bool]] = {**({"tools": {}} if catalogue.has_tools else {}), **offers.capabilities, "logging": {}}

    def answer(self, message: Message) -> Reply | Asks:
        if isinstance(message.method, UnsetType) or isinstance(message.id, UnsetType) or message.id is None:
            return _untold(message) or jsonrpc.ACCEPTED
        try:
            return self._request(message.id, message.method, _params(message))
        except RpcError as error:
            return error_reply(message.id, error.code, error.message, status=200)
        except msgspec.ValidationError as error:
            return error_reply(message.id, jsonrpc.INVALID_PARAMS, f"Invalid params: {error}", status=200)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return error_reply(None, jsonrpc.PARSE_ERROR, "The body is not JSON, or it is nested too deeply.", status=400)

    def _request(self, request_id: RequestId, method: str, params: bytes | Raw) -> Reply | Asks:
        match method:
            case "tools/call" if self._has_tools:
                call = _call(params)
                return ToolCall(id=request_id, name=call.name, arguments=call.arguments or {}, modern=False, progress=call.progress)
            case "tools/list" if self._has_tools:
                _first_page(params)
                return result_reply(request_id, self._tools)
            case "initialize":
                asked = _initialize(params)
                return Declared(reply=result_reply(request_id, self._welcome(asked.version)), kinds=kinds_of(asked.capabilities))
            case "ping":
                return result_reply(request_id, _NOTHING)
            case "logging/setLevel":
                return Levelled(reply=result_reply(request_id, _NOTHING), level=_set_level(params).level)
            case "prompts/get" if "prompts" in self._offers.capabilities:
                get = _prompt(params)
                arguments = get.arguments or {}
                if self._offers.missing(get.name, arguments):
                    return PromptGet(id=request_id, name=get.name, arguments=arguments, modern=False, progress=get.progress)
                return result_reply(request_id, b"{%b}" % self._offers.prompt(get.name, arguments))
            case "resources/read" if "resources" in self._offers.capabilities:
                return result_reply(request_id, b"{%b}" % self._offers.read(_read(params).uri, unknown=LEGACY_UNKNOWN_RESOURCE))
            case "resources/subscribe" | "resources/unsubscribe" if "resources" in self._offers.capabilities:
                # Not advertised; some clients do it all the same. Resources change with a version only, so nothing is missed.
                self._offers.read(_read(params).uri, unknown=LEGACY_UNKNOWN_RESOURCE)
                return result_reply(request_id, _NOTHING)
            case "completion/complete" if "completions" in self._offers.capabilities:
                sought = _complete(params)
                return result_reply(request_id, b"{%b}" % self._offers.complete(sought.ref, sought.argument, sought.chosen))
            case _ if (listed := self._offers.list(method)) is not None:
                _first_page(params)
                return result_reply(request_id, b"{%b}" % listed)
            case _:
                # Legacy clients read a 404 as "the session is gone", so this stays a 200 (2025-11-25 gives no status).
                return error_reply(request_id, jsonrpc.METHOD_NOT_FOUND, f"Method not found: {method[:100]}", status=200)

    def _welcome(self, asked: str) -> bytes:
        # The version asked for is echoed: Cursor asks for 2025-06-18 and breaks when answered with a newer one.
        welcome: dict[str, object] = {
            "protocolVersion": asked if asked in LEGACY else LATEST_LEGACY,
            "capabilities": self._capabilities,
            "serverInfo": self._identity,
        }
        if self._instructions:
            welcome["instructions"] = self._instructions
        return jsonrpc.encode(welcome)


def _first_page(params: bytes | Raw) -> None:
    if _page(params).cursor is not None:
        raise RpcError(jsonrpc.INVALID_PARAMS, "Unknown cursor: this list has one page.")


def _untold(message: Message) -> Cancelled | Answered | None:
    """What a notification or a response has to say; nothing where it is malformed, for nobody would read the error."""
    if message.method == "notifications/cancelled":
        try:
            return _cancelled(_params(message))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
    if isinstance(message.method, UnsetType) and not isinstance(message.id, UnsetType) and message.id is not None:
        return Answered(id=message.id, result=None if isinstance(message.result, UnsetType) else message.result)
    return None
