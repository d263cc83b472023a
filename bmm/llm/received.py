"""What has come of a streamed answer so far: events of the Messages protocol in, tools and the state of the answer out. No I/O."""

import math
from typing import Any

import msgspec
from msgspec import Struct

from bmm.llm.ask import Usage
from bmm.llm.current import is_kept
from bmm.llm.partial import SpecReader, Unusable
from bmm.llm.strict import MAX_TOOLS

SUBMIT = "submit_server"
_MAX_PROSE = 20_000
_CHARACTERS_PER_TOKEN = 3


class _Count(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Message(Struct):
    model: str = ""
    usage: _Count | None = None


class _Block(Struct):
    type: str = ""
    name: str = ""
    input: dict[str, Any] = {}


class _Why(Struct):
    category: str | None = None


class _Delta(Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_details: _Why | None = None


class Trouble(Struct):
    """An error that a service reports in a body or in the stream."""

    type: str = ""
    message: str = ""


class _Event(Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Count | None = None
    error: Trouble | None = None


_decode = msgspec.json.Decoder(_Event).decode


class Received:
    """One answer on its way."""

    def __init__(self, asked: int) -> None:
        """`asked`: characters of the request."""
        self._asked = asked
        self.model = ""
        self.stop_reason = ""
        self.category = ""
        """Why the model declined, where the service says so."""
        self.prose = ""
        self.trouble: Trouble | None = None
        self.is_whole = False
        """The last event has come."""
        self.has_begun = False
        """Something of the answer itself has come, so it is paid."""
        self.fault: Unusable | None = None
        """Why the rest need not be read."""
        self._reader = SpecReader()
        self._block: int | None = None
        self._count = _Count()
        self._characters = 0
        self._new_tools = 0

    @property
    def submitted(self) -> str | None:
        """The text of the submitted spec; None where none was begun."""
        return None if self._block is None else self._reader.text

    @property
    def usage(self) -> Usage:
        """As the service counted, or guessed from lengths where the answer broke off before it said so."""
        count = self._count
        cache_read, cache_write = count.cache_read_input_tokens or 0, count.cache_creation_input_tokens or 0
        if self.stop_reason:
            return Usage(input=count.input_tokens or 0, output=count.output_tokens or 0, cache_read=cache_read, cache_write=cache_write)
        return Usage(
            input=_guessed(self._asked) if count.input_tokens is None else count.input_tokens, cache_read=cache_read, cache_write=cache_write,
            output=max(count.output_tokens or 0, _guessed(self._characters)), estimated=True,
        )  # fmt: skip

    def take(self, data: str) -> list[dict[str, Any]]:
        """The tools that this event closes.

        Raises:
            msgspec.DecodeError: this is no event of the protocol.
        """
        event = _decode(data)
        if event.type == "message_start" and event.message:
            self.model = _word(event.message.model)
            self._counted(event.message.usage)
        elif event.type == "content_block_start" and event.content_block:
            return self._start(event.index, event.content_block)
        elif event.type == "content_block_delta" and event.delta:
            return self._more(event.index, event.delta)
        elif event.type == "message_delta":
            self._counted(event.usage)
            if event.delta:
                self.stop_reason = _word(event.delta.stop_reason or "") or self.stop_reason
                self.category = _word((event.delta.stop_details and event.delta.stop_details.category) or "")
        elif event.type == "message_stop":
            self.is_whole = True
        elif event.type == "error":
            self.trouble = event.error or Trouble()
        return []

    def _start(self, index: int, block: _Block) -> list[dict[str, Any]]:
        self.has_begun = True
        if block.type != "tool_use":
            return []
        if block.name != SUBMIT or self._block is not None:
            self.fault = Unusable(f"there must be one call of {SUBMIT} and no other; submit one whole spec")
            return []
        self._block = index
        # Some services send the whole input at once, and no deltas.
        return self._feed(msgspec.json.encode(block.input).decode()) if block.input else []

    def _more(self, index: int, delta: _Delta) -> list[dict[str, Any]]:
        self.has_begun = True
        self._characters += len(delta.text) + len(delta.thinking) + len(delta.partial_json)
        if len(self.prose) < _MAX_PROSE:
            self.prose += delta.text
        return self._feed(delta.partial_json) if delta.partial_json and index == self._block else []

    def _feed(self, text: str) -> list[dict[str, Any]]:
        try:
            tools = self._reader.feed(text)
        except Unusable as error:
            self.fault = error
            return []
        self._new_tools += sum(not is_kept(tool) for tool in tools)
        if self._new_tools > MAX_TOOLS:
            self.fault = Unusable(f"an answer has at most {MAX_TOOLS} new tools, this one has more; leave out what was not asked for", "/tools")
            return []
        return tools

    def _counted(self, count: _Count | None) -> None:
        """Later counts replace earlier ones; what they leave out stays."""
        if count:
            changed = {name: value for name, value in msgspec.structs.asdict(count).items() if value is not None}
            self._count = msgspec.structs.replace(self._count, **changed)


def _guessed(characters: int) -> int:
    return math.ceil(characters / _CHARACTERS_PER_TOKEN)


def _word(text: str) -> str:
    """A service's name for something, fit to be shown."""
    return "".join(each for each in text[:100] if each.isprintable())
