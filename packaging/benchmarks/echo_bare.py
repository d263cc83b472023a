"""The ceiling: the tool `echo` written by hand, as little as answers both revisions; no token, no check, no count.

    python echo_bare.py UNIX_SOCKET
"""

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
import uvicorn
from msgspec import Struct

Message = MutableMapping[str, Any]


class Params(Struct):
    name: str = ""
    arguments: dict[str, Any] = {}
    meta: dict[str, Any] | None = msgspec.field(default=None, name="_meta")


class Request(Struct):
    method: str
    id: int | str = 0
    params: Params = msgspec.field(default_factory=Params)


_decode = msgspec.json.Decoder(Request).decode
_encode = msgspec.json.Encoder().encode
_SERVER = {"io.modelcontextprotocol/serverInfo": {"name": "echo", "title": "Echo", "version": "1"}}
_TOOL = {"name": "echo", "description": "Give the text back.", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}


def result(request: Request) -> dict[str, Any]:
    modern = {"resultType": "complete", "_meta": _SERVER} if request.params.meta is not None else {}
    if request.method == "tools/list":
        return modern | {"tools": [_TOOL]}
    return modern | {"content": [{"type": "text", "text": request.params.arguments["text"]}], "isError": False}


async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    body, more = b"", True
    while more:
        event = await receive()
        body += event["body"]
        more = event["more_body"]
    request = _decode(body)
    answer = _encode({"jsonrpc": "2.0", "id": request.id, "result": result(request)})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(app, uds=sys.argv[1], loop="uvloop", http="httptools", lifespan="off", access_log=False, log_level="warning")
