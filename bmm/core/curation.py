"""What a model may do to the spec that a source made: choose, rename, describe, group and shape answers. Everything else is the source's. Pure."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from bmm.core.acts import FIELDS, acts
from bmm.core.finding import Finding
from runner.contract import (
    Annotations,
    HttpTool,
    JsonSchema,
    PythonTool,
    ServerSpec,
    SqlTool,
    Tool,
    secrets_used,
)

_WORDS: dict[str, type] = {"description": str, "title": str, "examples": list}
_MAPS, _LISTS, _SCHEMAS = ("properties", "$defs", "definitions", "patternProperties"), ("anyOf", "oneOf", "allOf", "prefixItems"), ("items", "not")
_BEYOND = "A wish for more is a round of another kind: `bmm new --beyond`, or `bmm iterate` after the build"
_MOST_SHOWN = 400
E = TypeVar("E", bound=Struct)


class Curated(Struct, frozen=True, kw_only=True):
    """The answer within its bounds. `wrong`: what only the model can correct, because tools are no source's; `kept`: what was taken from the source."""

    spec: ServerSpec
    wrong: tuple[Finding, ...]
    kept: tuple[Finding, ...]


def curated(source: ServerSpec, answer: ServerSpec) -> Curated:
    """What of an answer counts against the spec that was to be curated."""
    unused: dict[bytes, list[Tool]] = {}
    for tool in source.tools:
        unused.setdefault(acts(tool), []).append(tool)
    tools: list[Tool] = []
    wrong: list[Finding] = []
    kept: list[Finding] = []
    for number, tool in enumerate(answer.tools):
        alike = unused.get(acts(tool), [])
        if not alike:
            wrong.append(_wrong(tool, number, source))
            continue
        own = next((each for each in alike if each.name == tool.name), alike[0])
        alike.remove(own)
        bounded = _bounded(own, tool, source)
        if rest := [name for name, said in _said(tool).items() if getattr(bounded, name) != said]:
            message = f"Of the tool {tool.name} stays as the source has it: {', '.join(rest)}."
            kept.append(Finding(level="note", id="curate.kept", place=f"/tools/{len(tools)}", message=message))
        tools.append(bounded)
    spec = msgspec.structs.replace(source, name=answer.name, description=answer.description, instructions=answer.instructions, tools=tuple(tools))
    spec = _parts(spec, source, answer)
    others = list(_left_out(spec, answer))
    if wrong:  # whoever corrects a tool has to know where it may go
        wrong += [_to_write(each, getattr(source, each.place[1:])) for each in others]
    kept += others
    return Curated(spec=spec, wrong=tuple(wrong), kept=tuple(kept))


def _said(tool: Tool) -> dict[str, object]:
    """What the model wrote; a field that it left out is as the source has it anyway."""
    values = {each.name: (getattr(tool, each.name), each.default) for each in msgspec.structs.fields(tool)}
    return {name: value for name, (value, default) in values.items() if value != default}


def _arguments(tool: Tool) -> JsonSchema:
    found: JsonSchema = tool.input_schema.get("properties", {})
    return found


def _bounded(own: Tool, given: Tool, source: ServerSpec) -> Tool:
    """The source's tool with what the model may say about it."""
    known = {scope.name for scope in source.scopes}
    scopes = (*(scope for scope in given.scopes if scope in known), *(scope for scope in own.scopes if scope not in given.scopes))
    whole = msgspec.structs.replace(
        own, name=given.name, title=given.title or own.title, description=given.description, scopes=scopes, confirm=own.confirm or given.confirm,
        input_schema=_described(own.input_schema, given.input_schema), output_schema=_shaped(own, given),
        annotations=_worse(own.annotations, given.annotations),
    )  # fmt: skip
    if isinstance(whole, HttpTool) and isinstance(given, HttpTool):
        paging = given.answer.paging
        known_page = paging is None or paging.argument in _arguments(own)
        return msgspec.structs.replace(whole, answer=given.answer if known_page else msgspec.structs.replace(given.answer, paging=whole.answer.paging))
    if isinstance(whole, SqlTool) and isinstance(given, SqlTool):
        return msgspec.structs.replace(whole, max_rows=given.max_rows, max_bytes=given.max_bytes)
    return whole


def _shaped(own: Tool, given: Tool) -> JsonSchema | None:
    """What code returns is held to its schema; elsewhere it only describes, and follows what is picked."""
    if isinstance(own, PythonTool):
        return own.output_schema
    picked = isinstance(own, HttpTool) and isinstance(given, HttpTool) and own.answer.pick != given.answer.pick
    return given.output_schema if picked or given.output_schema is not None else own.output_schema


def _worse(own: Annotations, given: Annotations) -> Annotations:
    return Annotations(
        read_only=own.read_only and given.read_only, destructive=own.destructive or given.destructive,
        idempotent=own.idempotent and given.idempotent, open_world=own.open_world or given.open_world,
    )  # fmt: skip


def _described(own: Any, given: Any) -> Any:
    """A schema with the words of another: descriptions, titles and examples, where both have the same place."""
    if not isinstance(own, dict) or not isinstance(given, dict):
        return own
    found = dict(own)
    for word, kind in _WORDS.items():
        if isinstance(given.get(word), kind):
            found[word] = given[word]
    for key in _MAPS:
        mine, theirs = own.get(key), given.get(key)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            # Arguments about one thing may stand together.
            order = [*(name for name in theirs if name in mine), *(name for name in mine if name not in theirs)]
            found[key] = {name: _described(mine[name], theirs.get(name)) for name in order}
    for key in _LISTS:
        mine, theirs = own.get(key), given.get(key)
        if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
            found[key] = [_described(one, other) for one, other in zip(mine, theirs, strict=True)]
    for key in _SCHEMAS:
        if key in own:
            found[key] = _described(own[key], given.get(key))
    return found


def _parts(spec: ServerSpec, source: ServerSpec, answer: ServerSpec) -> ServerSpec:
    """The source's hosts, secrets, databases, scopes and offers, without those that the model has taken away and nothing uses."""
    asked = {tool.database for tool in spec.tools if isinstance(tool, SqlTool)}
    databases = _chosen(source.databases, [each.name for each in answer.databases], asked, "name")
    calling = [tool for tool in spec.tools if isinstance(tool, HttpTool)]
    sent = {key for tool in calling for key in secrets_used(tool)} | {each.password for each in databases if each.password}
    reached = {_reached(tool) for tool in calling} | {f"{each.host}:{each.reached_port}" for each in databases if each.kind != "sqlite"}
    hosts = {f"{each.name}:{each.port}" for each in answer.hosts} | reached
    return msgspec.structs.replace(
        spec, databases=databases,
        secrets=_chosen(source.secrets, [each.key for each in answer.secrets], sent, "key"),
        hosts=tuple(each for each in source.hosts if f"{each.name}:{each.port}" in hosts),
        scopes=_chosen(source.scopes, [each.name for each in answer.scopes], {scope for tool in spec.tools for scope in tool.scopes}, "name"),
        resources=_chosen(source.resources, [each.uri for each in answer.resources], set(), "uri"),
        resource_templates=_chosen(source.resource_templates, [each.uri for each in answer.resource_templates], set(), "uri"),
        prompts=_chosen(source.prompts, [each.name for each in answer.prompts], set(), "name"),
    )  # fmt: skip


def _chosen(members: Sequence[E], wanted: Iterable[str], used: set[str], key: str) -> tuple[E, ...]:
    chosen = {*wanted, *used}
    return tuple(each for each in members if getattr(each, key) in chosen)


def _reached(tool: HttpTool) -> str:
    parts = urlsplit(tool.server)
    return f"{parts.hostname}:{parts.port or (80 if parts.scheme == 'http' else 443)}"


def _left_out(spec: ServerSpec, answer: ServerSpec) -> Iterator[Finding]:
    """What the answer has beside tools, and the source has not or has otherwise."""
    for part in ("hosts", "secrets", "databases", "scopes", "resources", "resource_templates", "prompts"):
        if _members(getattr(answer, part)) - _members(getattr(spec, part)):
            yield Finding(level="note", id="curate.kept", place=f"/{part}", message=f"The {part} are the source's; the model wrote others.")
    if answer.tool_list not in ("auto", spec.tool_list):
        yield Finding(level="note", id="curate.kept", place="/tool_list", message="The tool_list is the source's; the model wrote another.")


def _members(part: tuple[Struct, ...]) -> set[bytes]:
    return {msgspec.json.encode(each, order="deterministic") for each in part}


def _wrong(tool: Tool, number: int, source: ServerSpec) -> Finding:
    """A tool that no source made: what it differs in from the one that it comes nearest to."""
    same = [each for each in source.tools if type(each) is type(tool)]
    near = next((each for each in same if each.name == tool.name), None) or max(same, key=lambda each: -len(_differs(each, tool)), default=None)
    if near is None or (near.name != tool.name and len(_differs(near, tool)) > 1):
        message = f"The tool {tool.name} is none of those that the source has, or is there twice."
        return Finding(level="block", id="curate.added", place=f"/tools/{number}", message=message, fix=f"Take it out. {_BEYOND}")
    differs = _differs(near, tool)
    if not differs:
        message = f"The tool {tool.name} does the same as another one that is made of the source's {near.name}."
        return Finding(level="block", id="curate.added", place=f"/tools/{number}", message=message, fix="Keep one of them")
    message = f"The tool {tool.name} has not the {' and '.join(differs)} of the source's {near.name}; curating changes no tool in what it does."
    return Finding(level="block", id="curate.changed", place=f"/tools/{number}/{differs[0]}", message=message, fix=f"{_as_it_was(near, differs)}. {_BEYOND}")


def _differs(own: Tool, given: Tool) -> list[str]:
    differing = [name for name in FIELDS[type(own)] if getattr(own, name) != getattr(given, name)]
    return [*differing, *(["input_schema"] if set(_arguments(own)) != set(_arguments(given)) else [])]


def _to_write(kept: Finding, part: tuple[Struct, ...] | str) -> Finding:
    return msgspec.structs.replace(kept, level="block", id="curate.changed", fix=_written({kept.place[1:]: msgspec.to_builtins(part)}))


def _as_it_was(own: Tool, differs: list[str]) -> str:
    return _written({name: msgspec.to_builtins(getattr(own, name)) if name != "input_schema" else {"properties": list(_arguments(own))} for name in differs})


def _written(values: dict[str, Any]) -> str:
    text = json.dumps(values, ensure_ascii=False)
    return f"Write {text}" if len(text) <= _MOST_SHOWN else "Write it as it was, or take it out"
