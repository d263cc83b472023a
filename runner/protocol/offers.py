"""How resources and prompts look on the wire (2026-07-28 and 2025-11-25, Resources, Prompts, Completion); no I/O."""

from collections.abc import Mapping
from typing import Any

from runner.contract import Prompt, PromptArgument, PromptMessage, Resource, ResourceTemplate, ServerSpec
from runner.offers import APP_MIME_TYPE, APP_SCHEME, MAX_ALL_BYTES
from runner.protocol.completion import PromptRef, Ref, Typed, completion
from runner.protocol.jsonrpc import INVALID_PARAMS, RpcError, encode
from runner.protocol.templates import expanded, filled, longest, parsed

LEGACY_UNKNOWN_RESOURCE = -32002
"""What 2025-11-25 and before say for a resource that does not exist; 2026-07-28 has INVALID_PARAMS and forbids this one."""
APPS = "io.modelcontextprotocol/ui"
"""The extension MCP Apps (2026-01-26)."""
_TOO_LONG = f"This would be longer than {MAX_ALL_BYTES // 1024**2} MiB. Give shorter arguments."


class Offers:
    """A spec's resources, templates and prompts. Every method gives inner JSON of a result, without the braces.

    Lists are encoded when they are first asked for; contents and messages each time, so that no text lies in memory twice.
    """

    def __init__(self, spec: ServerSpec) -> None:
        self._spec = spec
        self._resources = {resource.uri: resource for resource in spec.resources}
        self._templates = [(parsed(template.uri), template) for template in spec.resource_templates]
        self._prompts = {prompt.name: prompt for prompt in spec.prompts}
        self._lists: dict[str, bytes] = {}
        self.capabilities: dict[str, dict[str, Any]] = {}
        """What to advertise, beside tools."""
        if spec.resources or spec.resource_templates:
            self.capabilities["resources"] = {}
        if spec.prompts:
            self.capabilities["prompts"] = {}
        if any(each.values for each in spec.resource_templates) or any(one.values for each in spec.prompts for one in each.arguments):
            self.capabilities["completions"] = {}
        if any(uri.startswith(APP_SCHEME) for uri in (*self._resources, *(each.uri for each in spec.resource_templates))):
            self.capabilities["extensions"] = {APPS: {}}

    def list(self, method: str) -> bytes | None:
        """The list that `method` asks for; None where it is none of these or the server offers nothing of the kind."""
        if method.partition("/")[0] not in self.capabilities:
            return None
        if (kept := self._lists.get(method)) is not None:
            return kept
        spec = self._spec
        match method:
            case "resources/list":
                made = b'"resources":' + encode([_listed_resource(each) for each in spec.resources])
            case "resources/templates/list":
                made = b'"resourceTemplates":' + encode([_listed_template(each) for each in spec.resource_templates])
            case "prompts/list":
                made = b'"prompts":' + encode([_listed_prompt(each) for each in spec.prompts])
            case _:
                return None
        self._lists[method] = made
        return made

    def read(self, uri: str, *, unknown: int = INVALID_PARAMS) -> bytes:
        """The contents of a resource; never empty.

        Raises:
            RpcError: with the code `unknown`, where there is no such resource.
        """
        return b'"contents":' + encode([self._contents(uri, unknown)])

    def prompt(self, name: str, arguments: Mapping[str, str]) -> bytes:
        """A prompt's messages, with its arguments in place.

        Raises:
            RpcError: no such prompt, a required argument is missing, one is not the prompt's, an argument names no resource, or the
                messages would be longer than the texts of a spec may be.
        """
        prompt = self._prompt(name)
        if strange := arguments.keys() - {each.name for each in prompt.arguments}:
            raise RpcError(INVALID_PARAMS, f"The prompt {name} has no argument {min(strange)[:100]!r}.")
        if missing := [each.name for each in prompt.arguments if each.required and each.name not in arguments]:
            raise RpcError(INVALID_PARAMS, f"The prompt {name} needs the argument {missing[0]!r}.")
        messages, size = [], 0
        for message in prompt.messages:
            content = self._content(message, arguments)
            size += _length(content)
            if size > MAX_ALL_BYTES:
                raise RpcError(INVALID_PARAMS, _TOO_LONG)
            messages.append({"role": message.role, "content": content})
        description = b'"description":%b,' % encode(prompt.description) if prompt.description else b""
        return b'%b"messages":%b' % (description, encode(messages))

    def missing(self, name: str, arguments: Mapping[str, str]) -> tuple[PromptArgument, ...]:
        """The required arguments that are absent and that the person may be asked for.

        Raises:
            RpcError: no such prompt.
        """
        return tuple(each for each in self._prompt(name).arguments if each.required and each.ask and each.name not in arguments)

    def complete(self, ref: Ref, argument: Typed, context: Mapping[str, str]) -> bytes:
        """Values for what is being typed. `context` are the arguments chosen before: no values of a spec depend on each other.

        Raises:
            RpcError: no such prompt or template, or it has no such argument.
        """
        values = self._values(ref).get(argument.name)
        if values is None:
            raise RpcError(INVALID_PARAMS, f"There is no argument {argument.name[:100]!r} to complete.")
        return completion(values, argument.value)

    def _values(self, ref: Ref) -> dict[str, tuple[str, ...]]:
        if isinstance(ref, PromptRef):
            return {each.name: each.values for each in self._prompt(ref.name).arguments}
        for uri, template in self._templates:
            if template.uri == ref.uri:
                return {name: template.values.get(name, ()) for name in uri.names}
        if ref.uri in self._resources:
            return {}
        raise RpcError(INVALID_PARAMS, f"Resource template not found: {ref.uri[:200]}")

    def _prompt(self, name: str) -> Prompt:
        if (prompt := self._prompts.get(name)) is None:
            raise RpcError(INVALID_PARAMS, f"Prompt not found: {name[:100]}")
        return prompt

    def _contents(self, uri: str, unknown: int = INVALID_PARAMS) -> dict[str, Any]:
        if (resource := self._resources.get(uri)) is not None:
            body = {"text": resource.text} if resource.blob is None else {"blob": resource.blob}
            return _present(uri=uri, mimeType=_mime_type(resource), **body, _meta=resource.meta or None)
        for taken, template in self._templates:
            if (variables := taken.match(uri, template.values)) is not None:
                text = _filled(template.text, variables)
                return _present(uri=uri, mimeType=_mime_type(template), text=text, _meta=template.meta or None)
        raise RpcError(unknown, f"Resource not found: {uri[:200]}")

    def _content(self, message: PromptMessage, arguments: Mapping[str, str]) -> dict[str, Any]:
        if message.text is not None:
            return {"type": "text", "text": _filled(message.text, arguments)}
        if message.resource is not None:
            return {"type": "resource", "resource": self._contents(expanded(message.resource, arguments))}
        mime_type = message.mime_type or ""
        return {"type": "audio" if mime_type.startswith("audio/") else "image", "data": message.data, "mimeType": mime_type}


def _filled(text: str, values: Mapping[str, str]) -> str:
    # A value may stand in many places, and be as long as a message.
    if longest(text, values) > MAX_ALL_BYTES:
        raise RpcError(INVALID_PARAMS, _TOO_LONG)
    return filled(text, values)


def _length(content: Mapping[str, Any]) -> int:
    """Characters of the text, or of the base64, that a content block holds."""
    body = content.get("resource", content)
    return len(body.get("text") or body.get("blob") or body.get("data") or "")


def _listed_resource(resource: Resource) -> dict[str, Any]:
    shown = _named(resource) | {"uri": resource.uri, "size": _size(resource)}
    return shown | _present(mimeType=_mime_type(resource), _meta=resource.meta or None)


def _listed_template(template: ResourceTemplate) -> dict[str, Any]:
    return _named(template) | _present(uriTemplate=template.uri, mimeType=_mime_type(template), _meta=template.meta or None)


def _listed_prompt(prompt: Prompt) -> dict[str, Any]:
    arguments = [_named(each) | {"required": each.required} for each in prompt.arguments]
    return _named(prompt) | _present(arguments=arguments or None, _meta=prompt.meta or None)


def _named(offer: Resource | ResourceTemplate | Prompt | PromptArgument) -> dict[str, Any]:
    return _present(name=offer.name, title=offer.title, description=offer.description or None)


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _mime_type(offer: Resource | ResourceTemplate) -> str | None:
    return offer.mime_type or (APP_MIME_TYPE if offer.uri.startswith(APP_SCHEME) else None)


def _size(resource: Resource) -> int:
    """Bytes, before base64."""
    if resource.blob is not None:
        return len(resource.blob) // 4 * 3 - resource.blob[-2:].count("=")
    text = resource.text or ""
    return len(text) if text.isascii() else len(text.encode())
