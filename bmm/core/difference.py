"""What differs between two specs: tools, schemas, annotations, hosts, secrets and everything else a version can change. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Struct, UnsetType

from bmm.core.acts import acts
from bmm.core.outline import Effect, effect, place_of
from runner.contract import CertificateCredential, DigestCredential, HttpTool, PythonTool, ServerSpec, SqlTool, Tool, keys_of

Part = Literal["tools", "hosts", "secrets", "databases", "scopes", "resources", "resource_templates", "prompts"]
_KEYS: dict[Part, tuple[str, ...]] = {
    "tools": ("name",), "hosts": ("name", "port"), "secrets": ("key",), "databases": ("name",), "scopes": ("name",),
    "resources": ("uri",), "resource_templates": ("uri",), "prompts": ("name",),
}  # fmt: skip
_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE", "QUERY")
_HARM: tuple[Effect, ...] = ("reads", "changes", "destroys")


class Change(Struct, frozen=True, kw_only=True):
    """One value that differs; `place` is a JSON pointer below its owner. A side that is left out had nothing there."""

    place: str
    before: Any | UnsetType = UNSET
    after: Any | UnsetType = UNSET


class Changed(Struct, frozen=True, kw_only=True):
    """A part that both specs have, with what differs in it."""

    key: str
    changes: tuple[Change, ...]


class PartDifference(Struct, frozen=True, kw_only=True):
    """What differs in one list of the spec; its members are known by `name`, `name:port`, `key` or `uri`."""

    part: Part
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[Changed, ...]


class Difference(Struct, frozen=True, kw_only=True):
    """`fields`: the server's own name, description, instructions and tool_list. `widens`: why the newer one may do more than the older."""

    fields: tuple[Change, ...]
    parts: tuple[PartDifference, ...]
    widens: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not self.fields and not self.parts


def difference(old: ServerSpec, new: ServerSpec) -> Difference:
    """What `new` has that `old` has not, and the other way round; an order that differs is no difference, a new name of a tool is a change of it."""
    renamed = _renamed(old, new)
    fields = [field.name for field in msgspec.structs.fields(ServerSpec) if field.name not in _KEYS]
    return Difference(
        fields=tuple(change for name in fields for change in _changes(getattr(old, name), getattr(new, name), f"/{name}")),
        parts=tuple(part for name in _KEYS if (part := _part(name, old, new, renamed)) is not None),
        widens=tuple(_widens(old, new, renamed)),
    )


def _renamed(old: ServerSpec, new: ServerSpec) -> dict[str, str]:
    """The new names of tools that do what they did before, by their old ones."""
    before, after = ({tool.name for tool in spec.tools} for spec in (old, new))
    gone: dict[bytes, list[str]] = {}
    for tool in old.tools:
        if tool.name not in after:
            gone.setdefault(acts(tool), []).append(tool.name)
    return {left.pop(0): tool.name for tool in new.tools if tool.name not in before and (left := gone.get(acts(tool)))}


def _part(name: Part, old: ServerSpec, new: ServerSpec, renamed: dict[str, str]) -> PartDifference | None:
    before, after = _by_key(name, getattr(old, name)), _by_key(name, getattr(new, name))
    if name == "tools":
        before = {renamed.get(key, key): tool for key, tool in before.items()}
    both = [(key, tuple(_changes(before[key], after[key], ""))) for key in after if key in before]
    changed = tuple(Changed(key=key, changes=changes) for key, changes in both if changes)
    added, removed = tuple(key for key in after if key not in before), tuple(key for key in before if key not in after)
    return PartDifference(part=name, added=added, removed=removed, changed=changed) if added or removed or changed else None


def _by_key(name: Part, members: Iterable[Struct]) -> dict[str, Struct]:
    return {":".join(str(getattr(each, field)) for field in _KEYS[name]): each for each in members}


def _changes(before: object, after: object, place: str) -> Iterator[Change]:
    if isinstance(before, Struct) and type(before) is type(after):
        for field in before.__struct_fields__:
            yield from _changes(getattr(before, field), getattr(after, field), f"{place}/{field}")
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            yield from _changes(before.get(key, UNSET), after.get(key, UNSET), f"{place}/{str(key).replace('~', '~0').replace('/', '~1')}")
    elif type(before) is not type(after) or before != after:
        yield Change(place=place, before=_plain(before), after=_plain(after))


def _plain(value: object) -> object:
    return value if value is UNSET else msgspec.to_builtins(value)


def _widens(old: ServerSpec, new: ServerSpec, renamed: dict[str, str]) -> Iterator[str]:
    """Sentences for what a person must have seen before it runs."""
    words: tuple[tuple[Part, str], ...] = (
        ("hosts", "reaches"), ("secrets", "uses the secret"), ("databases", "uses the database"), ("scopes", "offers the scope"),
    )  # fmt: skip
    for part, word in words:
        before = _by_key(part, getattr(old, part))
        yield from (f"{word} {key}" for key in _by_key(part, getattr(new, part)) if key not in before)
    hosts = {(host.name, host.port): host for host in old.hosts}
    for host in new.hosts:
        if (before_host := hosts.get((host.name, host.port))) is not None:
            if host.plain and not before_host.plain:
                yield f"reaches {host.name}:{host.port} without TLS"
            if host.protocol != before_host.protocol:
                yield f"speaks {host.protocol} with {host.name}:{host.port}"
    databases = {each.name: each for each in old.databases}
    for each in new.databases:
        if (known := databases.get(each.name)) is not None:
            if place_of(each) != place_of(known):
                yield f"uses the database {each.name} at {place_of(each)}"
            if (each.tls, each.trust) != (known.tls, known.trust):
                yield f"trusts another certificate of the database {each.name}" if each.tls == "verify" else f"uses the database {each.name} without TLS"
    sent, told = _sent(old), _sent(old, itself=True)
    known_secrets = {need.key for need in old.secrets}
    yield from (f"sends the secret {key} to {place}" for key, place in _sent(new) if (key, place) not in sent and key in known_secrets)
    yield from (f"sends the secret {key} itself to {place}" for key, place in _sent(new, itself=True) if (key, place) in sent and (key, place) not in told)
    older = {renamed.get(tool.name, tool.name): tool for tool in old.tools}
    for tool in new.tools:
        yield from (f"{tool.name} {words}" for words in _widens_tool(older.get(tool.name), tool))


def _widens_tool(was: Tool | None, tool: Tool) -> Iterator[str]:
    """What a new or changed tool may do that it did not: as it claims, and as its declaration shows whatever it claims."""
    if _HARM.index(effect(tool)) > (_HARM.index(effect(was)) if was else 0):
        yield effect(tool)
    elif (power := _power(tool)) is not None and (was is None or power != _power(was)):
        yield power
    if was is None:
        return
    if was.confirm and not tool.confirm:
        yield "asks no longer before it runs"
    yield from (f"needs no longer the scope {scope}" for scope in was.scopes if scope not in tool.scopes)
    # With the hosts, secrets and databases there are, it can do what the old one did not; only its reader can tell.
    if isinstance(tool, PythonTool) and isinstance(was, PythonTool) and tool.code != was.code:
        yield "runs other code"
    if isinstance(tool, SqlTool) and isinstance(was, SqlTool) and tool.query != was.query:
        yield "runs another query"


def _power(tool: Tool) -> str | None:
    """What a tool can do beyond reading, annotations aside."""
    if isinstance(tool, HttpTool):
        return f"sends {tool.method}" if tool.method not in _SAFE else None
    if isinstance(tool, SqlTool):
        return None if tool.read_only else f"may write to the database {tool.database}"
    return "runs Python"


def _sent(spec: ServerSpec, *, itself: bool = False) -> dict[tuple[str, str], None]:
    """Which secret goes where, as `http` tools declare it; in their order. `itself`: without those that only prove that they are known."""
    tools = (tool for tool in spec.tools if isinstance(tool, HttpTool))
    sent = ((tool, credential) for tool in tools for alternative in tool.auth for credential in alternative)
    return {
        (key, urlsplit(tool.server).netloc): None
        for tool, credential in sent
        if not (itself and isinstance(credential, DigestCredential | CertificateCredential))
        for key in keys_of(credential)
    }
