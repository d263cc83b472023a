"""What `completion/complete` is asked with and how values are chosen: those that begin with what was typed, then those that hold it."""

from collections.abc import Iterable

from msgspec import Struct

from runner.protocol.jsonrpc import encode

MAX_VALUES = 100


class PromptRef(Struct, frozen=True, kw_only=True, tag="ref/prompt", tag_field="type"):
    name: str


class ResourceRef(Struct, frozen=True, kw_only=True, tag="ref/resource", tag_field="type"):
    """`uri` is a template as it is listed."""

    uri: str


Ref = PromptRef | ResourceRef


class Typed(Struct, frozen=True, kw_only=True):
    """The argument being completed and what has been typed of it."""

    name: str
    value: str


class Context(Struct, frozen=True, kw_only=True):
    """The arguments that are already chosen. No values of a spec depend on each other, so they change nothing here."""

    arguments: dict[str, str] | None = None


class CompleteParams(Struct, frozen=True, kw_only=True):
    """The params of `completion/complete`."""

    ref: Ref
    argument: Typed
    context: Context | None = None

    @property
    def chosen(self) -> dict[str, str]:
        """The arguments that are already chosen."""
        return (self.context and self.context.arguments) or {}


def completion(values: Iterable[str], typed: str) -> bytes:
    """The inner JSON of the result: at most 100 values in the order of the spec, how many there are, whether some were left out."""
    sought = typed.casefold()
    begin, hold = list[str](), list[str]()
    for value in dict.fromkeys(values):
        if (folded := value.casefold()).startswith(sought):
            begin.append(value)
        elif sought in folded:
            hold.append(value)
    found = begin + hold
    shown = {"values": found[:MAX_VALUES], "total": len(found), "hasMore": len(found) > MAX_VALUES}
    return b'"completion":' + encode(shown)
