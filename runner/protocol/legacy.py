"""MCP 2025-11-25 and before: the same server behind the `initialize` handshake, without sessions."""

import msgspec
from msgspec import Struct, UnsetType

from runner.protocol import jsonrpc
from runner.protocol.eras import LATEST_LEGACY, LEGACY
from runner.protocol.jsonrpc import Message, Reply, error_reply, result_reply
from runner.protocol.tools import Catalogue, ToolCall, ToolParams


class _Initialize(Struct, frozen=True, kw_only=True):
    version: str = msgspec.field(name="protocolVersion")


class _Page(Struct, frozen=True, kw_only=True):
    cursor: str | None = None


_initialize = msgspec.json.Decoder(_Initialize).decode
_call = msgspec.json.Decoder(ToolParams).decode
_page = msgspec.json.Decoder(_Page).decode
_NOTHING = b"{}"


def _params(message: Message) -> bytes | msgspec.Raw:
    # Some older clients send null where they have no params.
    return _NOTHING if isinstance(message.params, UnsetType) or bytes(message.params) == b"null" else message.params


class Legacy:
    """Answers every request as if the handshake had happened: nothing is remembered between two."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._identity = {"name": catalogue.name, "title": catalogue.title, "version": catalogue.version}
        self._instructions = catalogue.instructions
        self._tools = b'{"tools":%b}' % catalogue.legacy_tools

    def answer(self, message: Message) -> Reply | ToolCall:
        if isinstance(message.method, UnsetType) or isinstance(message.id, UnsetType) or message.id is None:
            return jsonrpc.ACCEPTED
        try:
            return self._request(message.id, message.method, _params(message))
        except msgspec.ValidationError as error:
            return error_reply(message.id, jsonrpc.INVALID_PARAMS, f"Invalid params: {error}", status=200)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return error_reply(None, jsonrpc.PARSE_ERROR, "The body is not JSON, or it is nested too deeply.", status=400)

    def _request(self, request_id: jsonrpc.RequestId, method: str, params: bytes | msgspec.Raw) -> Reply | ToolCall:
        match method:
            case "tools/call":
                call = _call(params)
                return ToolCall(id=request_id, name=call.name, arguments=call.arguments or {}, modern=False)
            case "tools/list":
                if _page(params).cursor is not None:
                    return error_reply(request_id, jsonrpc.INVALID_PARAMS, "Unknown cursor: this list has one page.", status=200)
                return result_reply(request_id, self._tools)
            case "initialize":
                return result_reply(request_id, self._welcome(_initialize(params).version))
            case "ping" | "logging/setLevel":
                return result_reply(request_id, _NOTHING)
            case _:
                # Legacy clients read a 404 as "the session is gone", so this stays a 200 (2025-11-25 gives no status).
                return error_reply(request_id, jsonrpc.METHOD_NOT_FOUND, f"Method not found: {method[:100]}", status=200)

    def _welcome(self, asked: str) -> bytes:
        # The version asked for is echoed: Cursor asks for 2025-06-18 and breaks when answered with a newer one.
        welcome: dict[str, object] = {
            "protocolVersion": asked if asked in LEGACY else LATEST_LEGACY,
            "capabilities": {"tools": {}},
            "serverInfo": self._identity,
        }
        if self._instructions:
            welcome["instructions"] = self._instructions
        return jsonrpc.encode(welcome)
