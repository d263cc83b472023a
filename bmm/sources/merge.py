"""Several specs as one, whatever they were made of: names that clash get the name of the API or database they belong to."""

import re
from collections import Counter
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from bmm.errors import BadInput
from bmm.sources.credentials import Credentials
from bmm.sources.finding import Compiled, Finding
from runner.contract import (
    MAX_DATABASES,
    MAX_HOSTS,
    MAX_TOOLS,
    AllowedHost,
    Database,
    HttpTool,
    PythonTool,
    Scope,
    SecretNeed,
    ServerSpec,
    SpecError,
    SqlTool,
    Tool,
    decode_spec,
    reached_host,
    secrets_used,
    with_keys,
)

_MAX_NAME = 64
_MAX_DATABASE_NAME = 32


def merged(parts: Sequence[Compiled], *, name: str | None = None) -> Compiled:
    """One spec with the tools of all; findings say which source they are about.

    Raises:
        BadInput: together they are more than a spec may hold.
    """
    if len(parts) == 1:
        return parts[0]
    prefixes = _prefixes([part.spec.name for part in parts])
    clashing = {name for name, count in Counter(tool.name for part in parts for tool in part.spec.tools).items() if count > 1}
    tools: list[Tool] = []
    secrets: dict[str, _Shared] = {}
    databases: dict[str, Database] = {}
    findings: list[Finding] = []
    seen: dict[str, str] = {}
    for part, prefix in zip(parts, prefixes, strict=True):
        renamed = _secrets(part, secrets, prefix)
        stored = _databases(part.spec, databases, prefix, renamed)
        seen |= {renamed.get(key, key): value for key, value in part.seen.items()}
        for tool in part.spec.tools:
            called = f"{prefix}_{tool.name}"[:_MAX_NAME].rstrip("_-") if tool.name in clashing else tool.name
            if called != tool.name:
                message = f"the tool {tool.name} is in more than one source; this one is called {called}"
                findings.append(Finding(level="note", pointer="", message=message))
            tools.append(_renamed(msgspec.structs.replace(tool, name=called), renamed, stored))
        findings += [msgspec.structs.replace(each, message=f"{part.spec.name}: {each.message}") for each in part.findings]
    titles = [part.spec.name for part in parts]
    spec = ServerSpec(
        name=(name or ", ".join(dict.fromkeys(titles)))[:80],
        description="\n\n".join(part.spec.description for part in parts if part.spec.description)[:1024],
        tools=tuple(tools),
        secrets=tuple(each.need for each in secrets.values()),
        hosts=_hosts(parts),
        databases=tuple(databases.values()),
        scopes=_scopes(parts, titles),
        instructions="\n\n".join(part.spec.instructions for part in parts if part.spec.instructions),
        resources=tuple(each for part in parts for each in part.spec.resources),
        resource_templates=tuple(each for part in parts for each in part.spec.resource_templates),
        prompts=tuple(each for part in parts for each in part.spec.prompts),
        tool_list=next((part.spec.tool_list for part in parts if part.spec.tool_list != "auto"), "auto"),
    )
    return Compiled(spec=_checked(spec), findings=tuple(findings), seen=Credentials(seen))


def _prefixes(names: list[str]) -> list[str]:
    found: list[str] = []
    for number, name in enumerate(names):
        words = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:20].strip("_")
        prefix = words if words and words[0].isalpha() else f"api{number + 1}_{words}".strip("_")
        found.append(prefix if prefix not in found else f"{prefix}_{number + 1}")
    return found


class _Shared(Struct, frozen=True):
    """A secret, the hosts that are sent it, and its value where one was seen. Prints as its name."""

    need: SecretNeed
    hosts: frozenset[str]
    value: str | None

    def __repr__(self) -> str:
        return f"_Shared({self.need.key})"

    def is_one_with(self, other: "_Shared") -> bool:
        """Whether one value can be meant. One that was seen was given for the hosts of its own source, and is for no others."""
        if self.need.hint != other.need.hint or not self.hosts & other.hosts or (self.value and other.value and self.value != other.value):
            return False
        return (not self.value or bool(other.value) or other.hosts <= self.hosts) and (not other.value or bool(self.value) or self.hosts <= other.hosts)


def _secrets(part: Compiled, known: dict[str, _Shared], prefix: str) -> dict[str, str]:
    """Adds a spec's secrets to those known; returns which had to be renamed, because another source means something else by them.

    Two that call no host in common never share one: what was given for the one API would be sent to the other.
    """
    renamed: dict[str, str] = {}
    for need in part.spec.secrets:
        own = _Shared(need, _receivers(part.spec, need.key), part.seen.get(need.key))
        key, number = need.key, 1
        while (same := known.get(key)) is not None and not same.is_one_with(own):
            key = f"{prefix.upper()}_{need.key}"[: _MAX_NAME - 4].rstrip("_") + (f"_{number}" if number > 1 else "")
            number += 1
        if key != need.key:
            renamed[need.key] = key
        required = need.required or (same is not None and same.need.required)
        hosts, value = (own.hosts | same.hosts, own.value or same.value) if same is not None else (own.hosts, own.value)
        known[key] = _Shared(SecretNeed(key=key, hint=need.hint, required=required), hosts, value)
    return renamed


def _receivers(spec: ServerSpec, key: str) -> frozenset[str]:
    """The hosts that are sent a secret; code may send it to all."""
    if any(isinstance(tool, PythonTool) for tool in spec.tools):
        return frozenset(host.name for host in spec.hosts)
    called = {reached_host(tool.server)[0] for tool in spec.tools if isinstance(tool, HttpTool) and key in secrets_used(tool)}
    return frozenset(called | {each.host for each in spec.databases if each.password == key})


def _databases(spec: ServerSpec, known: dict[str, Database], prefix: str, keys: dict[str, str]) -> dict[str, str]:
    """Adds a spec's databases to those known; returns which had to be renamed."""
    renamed: dict[str, str] = {}
    for each in spec.databases:
        name, number = each.name, 2
        while name in known:
            name = f"{prefix}_{each.name}"[:_MAX_DATABASE_NAME] if number == 2 else f"{each.name[:_MAX_DATABASE_NAME - 4]}_{number}"
            number += 1
        renamed[each.name] = name
        known[name] = msgspec.structs.replace(each, name=name, password=keys.get(each.password, each.password) if each.password else None)
    return renamed


def _renamed(tool: Tool, keys: dict[str, str], databases: dict[str, str]) -> Tool:
    if isinstance(tool, SqlTool):
        return msgspec.structs.replace(tool, database=databases.get(tool.database, tool.database))
    if not keys or not isinstance(tool, HttpTool):
        return tool

    return msgspec.structs.replace(tool, auth=tuple(tuple(with_keys(each, keys) for each in alternative) for alternative in tool.auth))


def _hosts(parts: Sequence[Compiled]) -> tuple[AllowedHost, ...]:
    found: dict[tuple[str, int], AllowedHost] = {}
    for part in parts:
        for host in part.spec.hosts:
            reason = f"{part.spec.name}: {host.reason}"
            before = found.get((host.name, host.port))
            if before is not None and before.protocol != host.protocol:
                raise BadInput(f"{host.name}:{host.port} is asked in two protocols, {before.protocol} and {host.protocol}; make two servers")
            if before is not None:
                host = msgspec.structs.replace(host, plain=host.plain or before.plain)
                reason = f"{before.reason}; {reason}"
            found[host.name, host.port] = msgspec.structs.replace(host, reason=reason)
    return tuple(found.values())


def _scopes(parts: Sequence[Compiled], titles: list[str]) -> tuple[Scope, ...]:
    used = {scope.name for part in parts for scope in part.spec.scopes}
    apis = ", ".join(dict.fromkeys(titles))
    sentences = {"read": f"Read data from {apis}", "write": f"Create, change and delete data in {apis}"}
    return tuple(Scope(name=name, description=sentence) for name, sentence in sentences.items() if name in used)


def _checked(spec: ServerSpec) -> ServerSpec:
    if len(spec.databases) > MAX_DATABASES:
        raise BadInput(f"Together there are {len(spec.databases)} databases; a server may have {MAX_DATABASES}.")
    if len(spec.tools) > MAX_TOOLS:
        raise BadInput(
            f"Together the sources have {len(spec.tools):,} tools; a server may have {MAX_TOOLS:,}. Choose with --tag, --path or --tables."
        )
    if len(spec.hosts) > MAX_HOSTS:
        raise BadInput(f"Together the sources call {len(spec.hosts)} hosts; a server may call {MAX_HOSTS}.")
    if any(each.kind == "sqlite" for each in spec.databases):
        return spec  # its file is put in later; until then the check would refuse the path in its place
    try:
        return decode_spec(msgspec.json.encode(spec))
    except SpecError as error:
        raise BadInput(f"No valid spec comes out of these sources together: {error}.") from error
