"""What a client sends that a reply alone does not answer: calls that run, streams, and what it says about itself."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal, get_args

import msgspec
from msgspec import Raw, Struct, field

from runner.protocol.jsonrpc import Reply, RequestId
from runner.tools.context import Level, Question

LEVELS: tuple[Level, ...] = get_args(Level)
Kind = Literal["form", "url", "sampling", "roots"]
"""A kind of question that a client may be able to answer; elicitation has two."""

MAX_SUBSCRIBED, MAX_SUBSCRIBED_URI = 200, 2048

_canonical = msgspec.json.Encoder(order="sorted").encode


class Asked(Struct, frozen=True, kw_only=True):
    """A well-formed request whose answer may take a while, and what it says about notifications and questions.

    `capabilities`, `responses` and `state` are of 2026-07-28 only: before, they come in messages of their own.
    """

    id: RequestId
    name: str
    modern: bool
    progress: RequestId | None = None
    level: Level | None = None
    capabilities: Mapping[str, Raw] = {}
    responses: dict[str, dict[str, Any]] | None = None
    state: str | None = None


class ToolCall(Asked, frozen=True, kw_only=True):
    """A `tools/call`; whether the tool exists and takes the arguments is still open."""

    arguments: dict[str, Any]

    def digest(self) -> bytes:
        """What a `requestState` is bound to, beside the person."""
        return sha256(_canonical(["tools/call", self.name, self.arguments])).digest()


class PromptGet(Asked, frozen=True, kw_only=True):
    """A `prompts/get` that may need the person."""

    arguments: dict[str, str]

    def digest(self) -> bytes:
        return sha256(_canonical(["prompts/get", self.name, self.arguments])).digest()


class Filter(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The kinds of changes a client wants to hear of (2026-07-28, Subscriptions)."""

    tools_list_changed: bool = False
    prompts_list_changed: bool = False
    resources_list_changed: bool = False
    resource_subscriptions: tuple[str, ...] = ()


def honoured(wanted: Filter, capabilities: Mapping[str, object]) -> Filter:
    """What of a wish a server can fulfil: changes of what it offers, and of at most `MAX_SUBSCRIBED` resources with addresses that are not
    longer than `MAX_SUBSCRIBED_URI`."""
    resources = "resources" in capabilities
    uris = dict.fromkeys(uri for uri in wanted.resource_subscriptions if len(uri) <= MAX_SUBSCRIBED_URI)
    return Filter(
        tools_list_changed=wanted.tools_list_changed and "tools" in capabilities,
        prompts_list_changed=wanted.prompts_list_changed and "prompts" in capabilities,
        resources_list_changed=wanted.resources_list_changed and resources,
        resource_subscriptions=tuple(uris)[:MAX_SUBSCRIBED] if resources else (),
    )


class Listen(Struct, frozen=True, kw_only=True):
    """A `subscriptions/listen`, with what of its wishes this server can fulfil."""

    id: RequestId
    wanted: Filter


class Declared(Struct, frozen=True, kw_only=True):
    """`initialize`: from here on this client is known to answer these questions."""

    reply: Reply
    kinds: frozenset[Kind]


class Levelled(Struct, frozen=True, kw_only=True):
    """`logging/setLevel`."""

    reply: Reply
    level: Level


class Cancelled(Struct, frozen=True, kw_only=True):
    """`notifications/cancelled`."""

    request_id: RequestId = field(name="requestId")


class Answered(Struct, frozen=True, kw_only=True):
    """The client's response to a request that this server has sent; no `result`: it was an error."""

    id: RequestId
    result: Raw | None


def kinds_of(capabilities: Mapping[str, Raw]) -> frozenset[Kind]:
    """The questions that a client says it answers. Elicitation without modes means forms (2025-11-25, Elicitation)."""
    said = _given(capabilities)
    kinds: set[Kind] = set()
    if "sampling" in said:
        kinds.add("sampling")
    if "roots" in said:
        kinds.add("roots")
    if "elicitation" in said:
        modes = _given(_modes(capabilities["elicitation"]))
        if not modes or "form" in modes:
            kinds.add("form")
        if "url" in modes:
            kinds.add("url")
    return frozenset(kinds)


def _given(members: Mapping[str, Raw]) -> frozenset[str]:
    # Some clients write null for what they do not have.
    return frozenset(name for name, value in members.items() if bytes(value) != b"null")


def kind_of(question: Question) -> Kind:
    """What a client must be able to do to answer."""
    match question.needs:
        case "elicitation":
            return "url" if question.params.get("mode") == "url" else "form"
        case other:
            return other


def answers(question: Question, result: Mapping[str, Any]) -> bool:
    """Whether a result has the form of an answer to this question."""
    match question.needs:
        case "elicitation":
            return result.get("action") in ("accept", "decline", "cancel")
        case "sampling":
            return "content" in result
        case _:
            return isinstance(result.get("roots"), list)


def _modes(declared: Raw) -> dict[str, Raw]:
    try:
        return msgspec.json.decode(declared, type=dict[str, Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
