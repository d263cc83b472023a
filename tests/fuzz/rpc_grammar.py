"""Messages of both eras of the protocol, with something changed in body or headers."""

import base64
import json
import random
from collections.abc import Callable
from typing import Any

from tests.fuzz import json_grammar
from tests.fuzz.http_grammar import Header
from tests.fuzz.schemas import CODED, HARD, MIRRORED, arguments

Chance = random.Random
MODERN, LEGACY = "2026-07-28", ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
_PREFIX = "io.modelcontextprotocol/"
TOOLS = ("echo", "mirrored", "admin_tool", "confirmed", *CODED, *HARD)
METHODS = (
    "initialize", "ping", "server/discover", "tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read",
    "resources/subscribe",
    "resources/unsubscribe", "prompts/list", "prompts/get", "completion/complete", "logging/setLevel", "subscriptions/listen",
    "tasks/get", "tasks/list",
    "tasks/cancel", "tasks/result", "tasks/update", "roots/list", "sampling/createMessage", "elicitation/create",
    "notifications/initialized",
    "notifications/cancelled", "notifications/progress", "notifications/message", "notifications/roots/list_changed",
    "notifications/tools/list_changed",
    "notifications/elicitation/complete",
)  # fmt: skip
IDS: tuple[Any, ...] = (
    0,
    -1,
    1,
    2**31,
    2**53 + 1,
    -(2**63),
    2**63,
    2**64,
    10**40,
    "",
    "0",
    "é",
    "🙂" * 50,
    "i" * 5000,
    "\x00",
    1.0,
    1.5,
    1e300,
    None,
    True,
    [],
    {},
    [1],
)
VERSIONS = (
    *LEGACY,
    MODERN,
    "2099-01-01",
    "",
    "draft",
    "2026-07-28 ",
    "2026-07-28, 2026-07-28",
    "2026-07-28, 2025-11-25",
    "2025-11-25,",
    "x" * 300,
    "ÿ",
)
CAPABILITIES: tuple[Any, ...] = ({}, {}, {"elicitation": {}}, {"elicitation": {"form": {}}, "sampling": {}, "roots": {}})
Message = dict[str, Any]


def request(chance: Chance, mark: str, bearers: tuple[str, ...]) -> tuple[list[Header], bytes]:
    """Headers and body of a message in which little or much is wrong."""
    message, headers = sound(chance, mark)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        chance.choice(_CHANGES)(chance, message, headers)
    headers["authorization"] = _authorization(chance, bearers)
    listed = [(name.encode(), value.encode("utf-8", "surrogatepass")) for name, value in headers.items() if name]
    # A line break within a value is the business of the other grammar.
    listed = [(name, value.translate(None, b"\r\n\x00")) for name, value in listed]
    body: Any = message
    if chance.random() < 0.05:
        body = chance.choice(([message], [message, message], [], [[message]], [1]))
    return listed, json.dumps(body, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")


def sound(chance: Chance, mark: str) -> tuple[Message, dict[str, str]]:
    """A message of either era with its headers, as an honest client sends it."""
    method = chance.choice((*METHODS, "tools/call", "tools/call", "tools/call", "tools/call", "tools/list", "initialize"))
    modern = method != "initialize" and chance.random() < 0.6
    params = _params(chance, method, mark)
    version = MODERN if modern else chance.choice(LEGACY)
    headers = {
        "host": "guard",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": version,
    }
    if modern:
        params["_meta"] = {f"{_PREFIX}protocolVersion": MODERN, f"{_PREFIX}clientCapabilities": chance.choice(CAPABILITIES)}
        headers |= {"mcp-method": method}
        name = params.get("name", params.get("uri"))
        if method in ("tools/call", "prompts/get", "resources/read"):
            headers["mcp-name"] = str(name)
        if params.get("name") == "mirrored":
            headers |= _mirrored(params["arguments"])
    message: Message = {"jsonrpc": "2.0", "method": method, "params": params}
    if not method.startswith("notifications/"):
        message["id"] = mark if chance.random() < 0.6 else chance.randrange(1, 10**9)
    return message, headers


def _params(chance: Chance, method: str, mark: str) -> Message:
    if method == "tools/call":
        name = chance.choice(TOOLS)
        return {"name": name, "arguments": arguments(chance, name, mark)}
    if method == "initialize":
        return {"protocolVersion": chance.choice(VERSIONS), "capabilities": {}, "clientInfo": {"name": mark, "version": "1"}}
    fixed: dict[str, Message] = {
        "resources/read": {"uri": chance.choice(("docs://guide", "docs://picture", "docs://a/page", "docs://c/page", "docs://" + mark))},
        "resources/subscribe": {"uri": "docs://guide"},
        "prompts/get": {"name": "greet", "arguments": chance.choice(({"who": mark}, {}, {"when": mark}))},
        "completion/complete": {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "who", "value": mark}},
        "logging/setLevel": {"level": "debug"},
        "subscriptions/listen": {"notifications": {"toolsListChanged": True}},
        "tasks/get": {"taskId": mark},
        "notifications/cancelled": {"requestId": chance.choice((1, mark, None)), "reason": "x"},
        "notifications/progress": {"progressToken": mark, "progress": 1},
    }
    return dict(fixed.get(method, {}))


def _mirrored(given: Message) -> dict[str, str]:
    tokens = {key: f"mcp-param-{one['x-mcp-header']}".lower() for key, one in MIRRORED["properties"].items()}
    return {tokens[key]: "true" if value is True else str(value) for key, value in given.items()}


def _authorization(chance: Chance, bearers: tuple[str, ...]) -> str:
    bearer = chance.choice(bearers)
    if chance.random() < 0.9:
        return f"Bearer {bearer}"
    header, body, seal = bearer.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt","kid":"k1"}').decode().rstrip("=")
    return chance.choice(
        (
            "Bearer", "Bearer ", "", "Basic dTpw", "Bearer null", f"Bearer {bearer}, Bearer {bearer}", f"Bearer {bearer[:-3]}",
            f"Bearer {header}.{body}.",
            f"Bearer {none}.{body}.", f"Bearer {none}.{body}.{seal}", f"Bearer {body}.{header}.{seal}", "Bearer a.b.c", "Bearer ...",
            "Bearer " + "." * 5000,
            f"Bearer {header}.{'A' * 20_000}.{seal}", "Bearer é.ü.ß", f"bearer  {bearer}", f"Bearer\t{bearer}",
            f"Bearer {header}..{seal}", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.",
        )
    )  # fmt: skip


def _id(chance: Chance, message: Message, _headers: dict[str, str]) -> None:
    message["id"] = chance.choice(IDS)


def _no_id(_chance: Chance, message: Message, _headers: dict[str, str]) -> None:
    message.pop("id", None)


def _method(chance: Chance, message: Message, headers: dict[str, str]) -> None:
    message["method"] = chance.choice(
        (*METHODS, "", "tools/call ", "Tools/List", "rpc.discover", "../x", "m" * 3000, 1, None, [], "\x00", "é")
    )
    if chance.random() < 0.5 and isinstance(message["method"], str):
        headers["mcp-method"] = message["method"]


def _envelope(chance: Chance, message: Message, _headers: dict[str, str]) -> None:
    key = chance.choice(("jsonrpc", "method", "params", "id", "result", "error", "extra", "Jsonrpc"))
    if chance.random() < 0.4:
        message.pop(key, None)
    else:
        message[key] = chance.choice(("2.0", "1.0", 2.0, 2, None, [], {}, "", {"code": 1, "message": "x"}, json_grammar.value(chance)))


def _response(chance: Chance, message: Message, _headers: dict[str, str]) -> None:
    message.pop("method", None)
    message.pop("params", None)
    message[chance.choice(("result", "error"))] = chance.choice(({}, {"action": "accept"}, {"code": -1, "message": "no"}, None, 1))


def _param(chance: Chance, message: Message, _headers: dict[str, str]) -> None:
    """One thing anywhere within the parameters: missing, new, of another type, or null."""
    place: Any = message.get("params")
    while isinstance(place, dict) and place:
        key = chance.choice(sorted(place))
        if isinstance(place[key], dict) and chance.random() < 0.5:
            place = place[key]
            continue
        if chance.random() < 0.25:
            del place[key]
        elif chance.random() < 0.2:
            place[json_grammar.text(chance)] = json_grammar.value(chance)
        else:
            place[key] = chance.choice(
                (None, 0, "", [], {}, True, 1.5, [place[key]], {"a": place[key]}, str(place[key]), json_grammar.value(chance))
            )
        return


def _add_param(chance: Chance, message: Message, _headers: dict[str, str]) -> None:
    params = message.get("params")
    if isinstance(params, dict):
        garbage = base64.urlsafe_b64encode(b"\x01" + chance.randbytes(chance.choice((5, 36, 60, 3000)))).decode().rstrip("=")
        kinds: dict[str, tuple[Any, ...]] = {
            "cursor": ("", "0", "1", "-1", garbage, "x" * 10_000, 1, None, [], "\x00"),
            "requestState": (garbage, "", "A" * 70_000, 5, None, {}, "é", "\ud800"),
            "inputResponses": (
                {},
                {"a": {"action": "accept", "content": {"x": 1}}},
                {"a": None},
                [],
                None,
                1,
                {"": {"action": "x"}},
                {"a": {"action": "decline"}},
            ),
            "task": ({}, {"ttl": 1}, {"ttl": -1}, None, 1),
            "_meta": ({}, None, [], {"progressToken": []}, {"progressToken": 1}, {"traceparent": "x" * 500}),
            "ttl": (1,),
        }
        key = chance.choice(sorted(kinds))
        params[key] = chance.choice(kinds[key])


def _meta(chance: Chance, message: Message, _headers: dict[str, str]) -> None:
    params = message.get("params")
    if isinstance(params, dict):
        meta = params.get("_meta")
        meta = params["_meta"] = dict(meta) if isinstance(meta, dict) else {}
        key = _PREFIX + chance.choice(
            ("protocolVersion", "clientCapabilities", "clientInfo", "logLevel", "serverInfo", "related-task", "subscriptionId", "x")
        )
        capabilities: tuple[Any, ...] = (
            {"elicitation": {}},
            {"elicitation": {"form": {}}},
            {"sampling": {}, "roots": {}},
            {"extensions": {"x": 1}},
        )
        meta[key] = chance.choice((*VERSIONS, *capabilities, {}, None, 1, [], "debug", json_grammar.value(chance)))
        if chance.random() < 0.3:
            del meta[key]


def _header(chance: Chance, message: Message, headers: dict[str, str]) -> None:
    key = chance.choice(
        ("mcp-protocol-version", "mcp-method", "mcp-name", "mcp-param-query", "mcp-param-number", "mcp-param-flag", "mcp-param-x",
        "mcp-session-id",
         "last-event-id", "accept", "content-type", "origin", "content-encoding", "accept-encoding")
    )  # fmt: skip
    if chance.random() < 0.25:
        headers.pop(key, None)
        return
    was = headers.get(key, "echo")
    sentinel = f"=?base64?{base64.b64encode(was.encode('utf-8', 'surrogatepass')).decode()}?="
    headers[key] = chance.choice(
        (
            sentinel, sentinel[:-3], sentinel.replace("=?base64?", "=?BASE64?"), "=?base64??=", "=?base64?%%%?=", "=?base64?YQ?=",
            "=?base64?/w==?=", f"{was}, {was}",
            f"{was},other", was.upper(), f" {was}\t", "", ",", "1e2", "42.0", "9" * 400, "-0", "TRUE", "é", "x" * 9000, "null",
            "https://evil.test", "https://app.test",
            "text/plain", "application/json; charset=utf-16", "text/event-stream", "gzip", "*/*", "application/json;", "APPLICATION/JSON",
            str(message.get("method")),
        )
    )  # fmt: skip


def _version(chance: Chance, _message: Message, headers: dict[str, str]) -> None:
    headers["mcp-protocol-version"] = chance.choice(VERSIONS)


_CHANGES: tuple[Callable[[Chance, Message, dict[str, str]], None], ...] = (
    _id, _id, _no_id, _method, _envelope, _response, _param, _param, _param, _add_param, _add_param, _meta, _meta, _header, _header,
    _header, _version,
)  # fmt: skip
