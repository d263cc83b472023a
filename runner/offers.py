"""What a server offers beside tools: resources, templates of resources, and prompts; part of `runner.contract`."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

MAX_OFFERS = 1000
MAX_CONTENT_BYTES = 1024 * 1024
"""Of one resource, as text in UTF-8 or as base64."""


class Resource(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something to read, whole in the spec: `text`, or `blob` as base64. `meta` is published as `_meta` (MCP Apps: `ui`)."""

    uri: Annotated[str, Meta(min_length=1, max_length=2000)]
    name: Annotated[str, Meta(min_length=1, max_length=128)]
    title: str | None = None
    description: str = ""
    mime_type: str | None = None
    text: str | None = None
    blob: str | None = None
    meta: dict[str, Any] = {}


class ResourceTemplate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A family of text resources: `{name}` in `uri` and in `text` stands for a variable.

    `values` are what a variable may be, offered as completions; a variable without values takes anything but a slash.
    """

    uri: Annotated[str, Meta(min_length=1, max_length=2000)]
    name: Annotated[str, Meta(min_length=1, max_length=128)]
    text: str
    title: str | None = None
    description: str = ""
    mime_type: str | None = None
    values: dict[str, tuple[str, ...]] = {}
    meta: dict[str, Any] = {}


class PromptArgument(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing a prompt is made with; `values` are offered as completions. `ask` asks the person where a client left it out."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
    title: str | None = None
    description: str = ""
    required: bool = False
    values: tuple[str, ...] = ()
    ask: bool = False


class PromptMessage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One message of a prompt: `text` with `{argument}` places, the resource at `resource` (a URI with such places), or an image
    or sound as base64 `data` of `mime_type`. Exactly one of the three."""

    role: Literal["user", "assistant"] = "user"
    text: str | None = None
    resource: str | None = None
    data: str | None = None
    mime_type: str | None = None


class Prompt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Messages a person can start from."""

    name: Annotated[str, Meta(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]{0,63}$")]
    messages: Annotated[tuple[PromptMessage, ...], Meta(min_length=1, max_length=100)]
    title: str | None = None
    description: str = ""
    arguments: Annotated[tuple[PromptArgument, ...], Meta(max_length=64)] = ()
    meta: dict[str, Any] = {}
