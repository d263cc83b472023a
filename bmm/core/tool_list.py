"""How clients see the tools of a server, and what that costs a model."""

from typing import Literal

from msgspec import Struct


class Tokens(Struct, frozen=True, kw_only=True):
    """About how many tokens the whole list takes in a model's context, and how many the three tools that search it."""

    all: int
    search: int


class ToolList(Struct, frozen=True, kw_only=True):
    """What a running guard says of itself."""

    tools: int
    tool_list: Literal["all", "search"]
    tokens: Tokens

    def __str__(self) -> str:
        if self.tool_list == "all":
            return f"tool list: all, {about(self.tokens.all)} tokens"
        return f"tool list: search, {about(self.tokens.search)} tokens instead of {about(self.tokens.all)}"


def about(tokens: int) -> str:
    """Two digits are what an estimate is worth: 192,846 is about 190,000."""
    return f"about {round(tokens, 2 - len(str(tokens))):,}"
