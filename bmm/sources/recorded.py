"""Requests that were seen → a `ServerSpec`. They are written down as the OpenAPI document their API might have, which is then compiled
like any other; what such a document cannot say, credentials and values that never change, is added to the tools afterwards."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from bmm.errors import BadInput
from bmm.sources.credentials import OPEN, Credentials
from bmm.sources.endpoints import Endpoint, endpoints_of, give_names, is_mutation
from bmm.sources.finding import Compiled, Finding, Remarks, UnusableDocument
from bmm.sources.merge import merged
from bmm.sources.observed import Observed, Secrets, observed
from bmm.sources.openapi import compile_openapi
from bmm.sources.openapi.options import Options
from bmm.sources.seen import Seen
from runner.contract import AllowedHost, Annotations, Body, HttpTool, Parameter, Scope, ServerSpec, Tool

_SIGN_IN = re.compile(r"(?i)/(log-?in|sign-?in|auth|authenticate|oauth2?|token|sessions?|refresh)(/token)?/?$")


def compile_recorded(seen: Sequence[Seen], *, options: Options, remarks: Remarks) -> Compiled:
    """The spec of requests; what is to be said about them is added to `remarks`.

    Raises:
        BadInput: no tool comes out of them, or an option does not fit.
    """
    try:
        endpoints = endpoints_of(seen)
    except ValueError as error:
        raise BadInput(f"A request cannot be used: {error}") from error
    open_host = next((each for each in endpoints if re.search(f"[{{}}<>$*{OPEN}]", each.origin)), None)
    if open_host is not None and options.server is None:
        raise BadInput(f"The host of {open_host.seen[0][0].where} is a variable; write it out, or pass --server URL")
    by_origin: dict[str, list[Endpoint]] = {}
    for each in endpoints:
        by_origin.setdefault(each.origin if options.server is None else "", []).append(each)
    for group in by_origin.values():
        give_names(group)
    # Secrets are named after it. Of several hosts each keeps its own, or one host's credential would go to all.
    titles = dict.fromkeys(by_origin, options.name) if options.name and len(by_origin) == 1 else _titles(list(by_origin), endpoints)
    secrets = Secrets()
    unused = set(options.pins)
    parts = [
        part
        for origin, group in by_origin.items()
        if (part := _compiled(group, options, titles[origin], secrets, remarks, unused)) is not None
    ]
    if not parts:
        found = remarks.all()
        first = next((each for each in found if each.level == "error"), None)
        reason = f": {first.message}{f'; {first.fix}' if first.fix else ''}" if first else ""
        raise UnusableDocument(f"No request can be used{reason}", findings=found)
    if unused:
        raise BadInput(f"--pin {sorted(unused)[0]}: no request has a parameter or a body member of this name")
    if lost := sorted(options.picks.keys() - {tool.name for part in parts for tool in part.spec.tools}):
        raise BadInput(f"--pick {lost[0]}: no request becomes a tool of this name")
    whole = merged(parts, name=options.name)
    used = {need.key for need in whole.spec.secrets}
    values = {key: value for key, value in secrets.values.items() if key in used}
    return Compiled(spec=whole.spec, findings=(*remarks.all(), *whole.findings), seen=Credentials(values))


def _compiled(
    endpoints: list[Endpoint], options: Options, title: str, secrets: Secrets, remarks: Remarks, unused: set[str]
) -> Compiled | None:
    """The spec of one host; names of pins that its requests have are taken out of `unused`."""
    notes: dict[str, Observed] = {}
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        about = observed(each, title, secrets, remarks)
        if about is None:
            continue
        if about.dropped and _SIGN_IN.search(each.path):
            remarks.note("", f"{each.name}: a request that signs in is no tool; a server signs in with its secrets")
            continue
        notes[each.name] = about
        # The fragment tells operations of one path apart; no server ever sees it.
        path = each.path if each.method.lower() not in paths.get(each.path, {}) else f"{each.path}#{each.name}"
        paths.setdefault(path, {})[each.method.lower()] = about.operation
    if not notes:
        return None
    named = {name for about in notes.values() for name in about.names}
    unused -= named
    pins = {name: value for name, value in options.pins.items() if name in named}
    picks = {name: fields for name, fields in options.picks.items() if name in notes}
    own = {"openapi": "3.1.0", "info": {"title": title, "version": "1"}, "servers": [{"url": endpoints[0].origin}], "paths": paths}
    try:
        found = compile_openapi(msgspec.json.encode(own), options=msgspec.structs.replace(options, pins=pins, picks=picks, name=title))
    except UnusableDocument as error:
        for finding in error.findings or (Finding(level="error", pointer="", message=error.user_message),):
            remarks.add([msgspec.structs.replace(finding, pointer="")])
        return None
    tools = tuple(_completed(tool, notes[tool.name]) for tool in found.spec.tools)
    findings = tuple(dict.fromkeys(msgspec.structs.replace(each, pointer="") for each in found.findings))
    needs = secrets.needs({tool.name: notes[tool.name].auth for tool in tools})
    spec = msgspec.structs.replace(found.spec, tools=tools, secrets=needs, hosts=_hosts(found.spec), scopes=_scopes(tools, title))
    return Compiled(spec=spec, findings=findings)


def _completed(tool: Tool, about: Observed) -> HttpTool:
    """The tool with its credentials, and with what is sent the same every time."""
    assert isinstance(tool, HttpTool)
    fixed = tuple(Parameter(name=name, place=place, value=value) for place, name, value in about.fixed)
    body = tool.body
    if about.fixed_body:
        body = body or Body(media_type=about.media_type, required=True)
        body = msgspec.structs.replace(body, fixed={**body.fixed, **about.fixed_body})
    tool = msgspec.structs.replace(tool, auth=(about.auth,) if about.auth else (), parameters=(*tool.parameters, *fixed), body=body)
    if "query" in about.fixed_body and not is_mutation(about.fixed_body["query"]):
        marks = Annotations(read_only=True, destructive=False, idempotent=True)
        return msgspec.structs.replace(tool, annotations=marks, scopes=("read",))
    return tool


def _hosts(spec: ServerSpec) -> tuple[AllowedHost, ...]:
    """Why each is allowed, without the API that nobody has described."""
    return tuple(msgspec.structs.replace(each, reason=each.reason.replace(" of the API", "")) for each in spec.hosts)


def _scopes(tools: Sequence[HttpTool], title: str) -> tuple[Scope, ...]:
    described = {"read": f"Read data from {title}", "write": f"Create, change and delete data in {title}"}
    used = {scope for tool in tools for scope in tool.scopes}
    return tuple(Scope(name=scope, description=sentence) for scope, sentence in described.items() if scope in used)


def _titles(origins: list[str], endpoints: list[Endpoint]) -> dict[str, str]:
    """A name for each host: that of its domain, or with what stands before it where two have the same."""
    hosts = {origin: re.sub(r":\d+$", "", (origin or endpoints[0].origin).partition("://")[2]) for origin in origins}
    short = {origin: _domain(host) for origin, host in hosts.items()}
    counts = Counter(short.values())
    return {origin: name if counts[name] == 1 else hosts[origin][:80] for origin, name in short.items()}


def _domain(host: str) -> str:
    labels = host.split(".")
    if len(labels) < 2 or labels[-1].isdigit() or "[" in host:
        return host.capitalize()[:80]
    ends = 2 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in ("co", "com", "org", "net", "gov", "ac", "gv", "or") else 1
    return labels[-ends - 1].capitalize()[:80]
