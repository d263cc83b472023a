"""How tools look on the wire: the list of them, a call, and what a call gave."""

from collections.abc import Iterator

from msgspec import Struct

from runner.contract import HttpTool, Manifest, ServerSpec
from runner.protocol.described import Promise, described
from runner.protocol.described import promise_of as promise_of
from runner.protocol.jsonrpc import encode
from runner.protocol.param_headers import ParamHeader, param_headers
from runner.protocol.requests import ToolCall as ToolCall
from runner.protocol.search import listing
from runner.tools.result import ToolAnswer

NEXT = "buildmymcpserver/next"
"""Where a content block about an answer holds the arguments that ask for the next page."""


class Catalogue(Struct, frozen=True, kw_only=True):
    """What does not change while a container runs; the lists are encoded once, in the order of the spec."""

    name: str
    title: str
    version: str
    instructions: str
    modern_tools: bytes
    legacy_tools: bytes
    mirrored: dict[str, tuple[ParamHeader, ...]]
    """The argument headers of the tools that declare any."""
    logs: bool = False
    """Whether a tool may send log messages."""

    @property
    def has_tools(self) -> bool:
        return self.modern_tools != b"[]"


def catalogue(spec: ServerSpec, manifest: Manifest) -> Catalogue:
    shown = listing(spec)
    return Catalogue(
        name=manifest.slug,
        title=manifest.title,
        version=str(manifest.version),
        instructions="\n\n".join(filter(None, (spec.instructions, shown.advice))),
        modern_tools=encode([described(tool, modern=True) for tool in shown.tools]),
        legacy_tools=encode([described(tool, modern=False) for tool in shown.tools]),
        # Of the published tools only: a client can send only what a list has told it.
        mirrored={tool.name: declared for tool in shown.tools if (declared := param_headers(tool.input_schema))},
        logs=any(not isinstance(tool, HttpTool) for tool in spec.tools),
    )


def encoded_result(answer: ToolAnswer, *, start: bytes, promise: Promise | None = None) -> bytes:
    """A CallToolResult. `start` opens the object and ends with a comma or the brace."""
    content = b"" if answer.text is None else b'{"type":"text","text":%b}' % encode(answer.text)
    if answer.note is not None or answer.blocks:
        content = b",".join(filter(None, (content, *_further(answer))))
    if answer.is_error:
        return b'%b"content":[%b],"isError":true}' % (start, content)
    shown = answer.structured
    if not isinstance(shown, dict):
        if promise is None:
            return b'%b"content":[%b],"isError":false}' % (start, content)
        if promise == "object":
            shown = (
                {}
                if answer.blocks
                else {"text": answer.text}
                if shown is None
                else {"items" if isinstance(shown, list) else "value": shown}
            )
    return b'%b"content":[%b],"structuredContent":%b,"isError":false}' % (start, content, encode(shown))


def _further(answer: ToolAnswer) -> Iterator[bytes]:
    # A block of its own: inside the structured content a note could not be told from the answer.
    if answer.note is not None:
        meta = {"_meta": {NEXT: answer.following}} if answer.following else {}
        yield encode({"type": "text", "text": answer.note, **meta})
    yield from map(encode, answer.blocks)
