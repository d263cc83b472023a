"""What a server offers beside tools: resources, templates of resources, and prompts; part of `runner.contract`."""

import base64
import re
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from runner.protocol.templates import Malformed, UriTemplate, parsed, places

_MIB = 1024 * 1024
ARGUMENT_NAME = r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"
MAX_OFFERS = 1000
MAX_CONTENT_BYTES = _MIB
"""Of one resource or message, as text in UTF-8 or as base64."""
MAX_ALL_BYTES = 4 * _MIB
APP_SCHEME = "ui://"
APP_MIME_TYPE = "text/html;profile=mcp-app"
"""What a resource of MCP Apps must be (2026-01-26, UI Resource Format); published where a spec leaves it out."""
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-\[\]_a-z~]+")


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

    name: Annotated[str, Meta(pattern=ARGUMENT_NAME)]
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


class _Fault(Exception):
    """What is wrong with an offer, and where."""

    def __init__(self, message: str, pointer: str) -> None:
        super().__init__(message)
        self.message, self.pointer = message, pointer


def fault_of(
    resources: tuple[Resource, ...], templates: tuple[ResourceTemplate, ...], prompts: tuple[Prompt, ...]
) -> tuple[str, str] | None:
    """The first thing that is wrong with the offers of a spec: what to do about it, and its place in the document."""
    try:
        uris = {each.uri for each in resources}
        for number, resource in enumerate(resources):
            _check_resource(resource, f"/resources/{number}")
        _once("resource", "/resources", "uri", [each.uri for each in resources])
        families = [
            (_checked_template(template, f"/resource_templates/{number}"), template.values) for number, template in enumerate(templates)
        ]
        _once("resource template", "/resource_templates", "uri", [each.uri for each in templates])
        _once("prompt", "/prompts", "name", [each.name for each in prompts])
        for number, prompt in enumerate(prompts):
            for place, message in enumerate(prompt.messages):
                pointer = f"/prompts/{number}/messages/{place}"
                named = _check_message(message, prompt, pointer)
                if named is not None and named not in uris and not any(family.match(named, values) for family, values in families):
                    raise _Fault(
                        f"the prompt {prompt.name!r} holds the resource {named}, which the spec does not have; add it",
                        f"{pointer}/resource",
                    )
            _once(f"argument of {prompt.name!r}", f"/prompts/{number}/arguments", "name", [each.name for each in prompt.arguments])
        texts = [each.text or each.blob or "" for each in resources] + [each.text for each in templates]
        texts += [each.text or each.data or "" for prompt in prompts for each in prompt.messages]
        if sum(map(_bytes, texts)) > MAX_ALL_BYTES:
            raise _Fault(
                f"the texts of resources and prompts are larger than {MAX_ALL_BYTES // _MIB} MiB together; serve fewer or shorter ones", ""
            )
    except _Fault as fault:
        return fault.message, fault.pointer
    return None


def _check_resource(resource: Resource, pointer: str) -> None:
    _check_uri(resource.uri, resource.uri, resource.mime_type, pointer)
    if (resource.text is None) == (resource.blob is None):
        raise _Fault(f"the resource {resource.uri} must have a text or a blob, one of them", pointer)
    _check_size(resource.text, f"{pointer}/text")
    _check_base64(resource.blob, f"{pointer}/blob")


def _checked_template(template: ResourceTemplate, pointer: str) -> UriTemplate:
    try:
        parsed_uri = parsed(template.uri)
    except Malformed as error:
        raise _Fault(f"{template.uri} is not a usable template: {error}", f"{pointer}/uri") from error
    if not parsed_uri.rest:
        raise _Fault(f"{template.uri} has no variable such as {{name}}; make it a resource", f"{pointer}/uri")
    _check_uri(template.uri, template.uri.replace("{", "").replace("}", ""), template.mime_type, pointer)
    if ":" not in parsed_uri.start:
        raise _Fault(f"{template.uri} must begin with a scheme that is no variable, such as docs://", f"{pointer}/uri")
    _check_places(template.text, parsed_uri.names, "the variables of its uri", f"{pointer}/text")
    _check_size(template.text, f"{pointer}/text")
    for name, values in template.values.items():
        if name not in parsed_uri.names:
            raise _Fault(f"{name!r} is not a variable of {template.uri}; correct the name or take it out", f"{pointer}/values")
        if not values or "" in values:
            raise _Fault(f"the values of {name!r} must be one or more texts, none of them empty", f"{pointer}/values/{name}")
    return parsed_uri


def _check_message(message: PromptMessage, prompt: Prompt, pointer: str) -> str | None:
    """The resource that the message names, where it does not depend on arguments."""
    if sum(each is not None for each in (message.text, message.resource, message.data)) != 1:
        raise _Fault(f"a message of the prompt {prompt.name!r} must have a text, a resource or data, exactly one of them", pointer)
    names, known = tuple(each.name for each in prompt.arguments), f"the arguments of {prompt.name!r}"
    if message.data is not None:
        if not re.fullmatch(r"(image|audio)/[!-~]+", message.mime_type or ""):
            raise _Fault("data of a prompt needs the mime_type of an image or a sound, such as image/png", f"{pointer}/mime_type")
        _check_base64(message.data, f"{pointer}/data")
    elif message.mime_type is not None:
        raise _Fault("only data has a mime_type here; take it out", f"{pointer}/mime_type")
    if message.text is not None:
        _check_size(message.text, f"{pointer}/text")
        _check_places(message.text, names, known, f"{pointer}/text")
    if message.resource is None:
        return None
    return None if _check_places(message.resource, names, known, f"{pointer}/resource") else message.resource


def _check_uri(uri: str, bare: str, mime_type: str | None, pointer: str) -> None:
    if not _URI.fullmatch(bare):
        raise _Fault(f"{uri!r} is not an absolute URI such as docs://guide; other characters are percent-encoded", f"{pointer}/uri")
    if uri.startswith(APP_SCHEME) and mime_type not in (None, APP_MIME_TYPE):
        raise _Fault(f"the mime_type of {uri} must be {APP_MIME_TYPE} (MCP Apps), or left out", f"{pointer}/mime_type")


def _check_places(text: str, known: tuple[str, ...], where: str, pointer: str) -> list[str]:
    try:
        found = places(text)
    except Malformed as error:
        raise _Fault(str(error), pointer) from error
    if strange := next((name for name in found if name not in known), None):
        raise _Fault(f"{{{strange}}} is not among {where}; declare it, or write {{{{{strange}}}}} for the text itself", pointer)
    return found


def _check_size(text: str | None, pointer: str) -> None:
    if text is not None and _bytes(text) > MAX_CONTENT_BYTES:
        raise _Fault(f"one content has at most {MAX_CONTENT_BYTES // _MIB} MiB; cut it into several", pointer)


def _check_base64(data: str | None, pointer: str) -> None:
    _check_size(data, pointer)
    try:
        base64.b64decode(data or "", validate=True)
    except ValueError as error:
        raise _Fault(f"this is not base64: {error}", pointer) from error


def _once(what: str, pointer: str, field: str, values: list[str]) -> None:
    seen = set[str]()
    for number, value in enumerate(values):
        if value in seen:
            raise _Fault(f"the {what} {value!r} occurs twice; take one out", f"{pointer}/{number}/{field}")
        seen.add(value)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
