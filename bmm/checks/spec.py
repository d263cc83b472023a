"""Everything that can be said about a spec without running it."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import NoReturn

import jsonschema_rs
import msgspec

from bmm.checks import declared, wording
from bmm.checks.code import findings_of, readings
from bmm.checks.mirrored import KEYWORD, header_fault
from bmm.checks.secrets import hits
from bmm.core.finding import Finding, by_weight
from runner.contract import BUILTIN_ECHO, JsonSchema, PythonTool, ServerSpec

_WORDS = frozenset({"description", "title", "$comment"})
_UNREAD = frozenset({"blob", "code", "file"})
_SHORTEST = 8
_ALIKE = str.maketrans({"-": None, "_": None, "0": "o", "1": "l", "I": "l", "i": "l"})


def check_spec(spec: ServerSpec) -> list[Finding]:
    """All findings, blocks first, each with its place in the spec.

    Raises:
        EngineFailed: no process could look at the code.
    """
    found = dict.fromkeys((*_schemas(spec), *_code(spec), *_texts(spec), *_names(spec), *_secrets(spec)))
    return by_weight(found)


def _schemas(spec: ServerSpec) -> Iterator[Finding]:
    """What the guard could not use would show at the first call only, and what clients drop in no call at all."""
    for number, tool in enumerate(spec.tools):
        place = f"/tools/{number}/input_schema"
        yield from _unusable(tool.input_schema, place)
        if (fault := header_fault(tool.input_schema)) is not None:
            message = f"Clients would not show the tool {tool.name!r}: {fault[0]}."
            yield Finding(level="block", id="schema.header", place=place + fault[1], message=message, fix=f"Correct {KEYWORD}, or take it out")
        # What an API answers is as its own document says; only what code returns is held to it.
        if isinstance(tool, PythonTool) and tool.output_schema is not None:
            yield from _unusable(tool.output_schema, f"/tools/{number}/output_schema")


def _unusable(schema: JsonSchema, place: str) -> Iterator[Finding]:
    try:
        jsonschema_rs.Draft202012Validator(schema, retriever=_refuse)
    except ValueError as error:
        message = f"This is not a usable JSON Schema: {str(error).splitlines()[0][:300].rstrip('.')}."
        yield Finding(level="block", id="schema.unusable", place=place, message=message, fix="Write it in JSON Schema 2020-12")


def _refuse(address: str) -> NoReturn:
    raise ValueError(f"it refers to {address[:200]}, outside itself")


def _code(spec: ServerSpec) -> Iterator[Finding]:
    written = {
        number: tool.code for number, tool in enumerate(spec.tools) if isinstance(tool, PythonTool) and tool.code != BUILTIN_ECHO
    }
    # Many tools share one module; it is read once.
    read = dict(zip(codes := list(dict.fromkeys(written.values())), readings(codes), strict=True))
    for number, code in written.items():
        yield from findings_of(read[code], code, f"/tools/{number}/code")
    yield from declared.compare(spec, {number: uses for number, code in written.items() if (uses := read[code].uses) is not None})


def _texts(spec: ServerSpec) -> Iterator[Finding]:
    """Each text once, at the first of its places: documents repeat a schema in many tools."""
    places: dict[tuple[str, wording.Kind], list[str]] = {}
    for place, text, kind in _read(spec):
        places.setdefault((text, kind), []).append(place)
    names = {tool.name for tool in spec.tools}
    for (text, kind), found in places.items():
        for each in wording.scan(text, found[0], kind=kind, others=names):
            more = f" (and in {len(found) - 1} more places)" if len(found) > 1 else ""
            yield msgspec.structs.replace(each, message=each.message + more)


def _read(spec: ServerSpec) -> Iterator[tuple[str, str, wording.Kind]]:
    """What a model or a person reads: the place, the text and its kind."""
    yield from (("/name", spec.name, "text"), ("/description", spec.description, "text"), ("/instructions", spec.instructions, "document"))
    for number, tool in enumerate(spec.tools):
        place = f"/tools/{number}"
        yield f"{place}/description", tool.description, "text"
        yield f"{place}/title", tool.title or "", "text"
        for name, schema in (("input_schema", tool.input_schema), ("output_schema", tool.output_schema or {})):
            for at, text in _strings(schema, f"{place}/{name}"):
                yield at, text, "text" if at.rpartition("/")[2] in _WORDS else "value"
    for list_name, offers in (("resources", spec.resources), ("resource_templates", spec.resource_templates), ("prompts", spec.prompts)):
        for number, offer in enumerate(offers):
            for at, text in _strings(msgspec.to_builtins(offer), f"/{list_name}/{number}"):
                yield at, text, "text" if at.rpartition("/")[2] in (*_WORDS, "name") else "document"
    for list_name, people in (("scopes", spec.scopes), ("secrets", spec.secrets), ("hosts", spec.hosts)):
        for number, each in enumerate(people):
            for at, text in _strings(msgspec.to_builtins(each), f"/{list_name}/{number}"):
                yield at, text, "text"


def _names(spec: ServerSpec) -> Iterator[Finding]:
    """Names that a reader takes for one another."""
    alike = Counter(tool.name.translate(_ALIKE).lower() for tool in spec.tools)
    for number, tool in enumerate(spec.tools):
        if alike[tool.name.translate(_ALIKE).lower()] > 1:
            message = f"The name {tool.name!r} can be taken for that of another tool."
            yield Finding(level="ask", id="name.alike", place=f"/tools/{number}/name", message=message, fix="Choose names that differ more")


def _secrets(spec: ServerSpec) -> Iterator[Finding]:
    places: dict[str, str] = {}
    for at, text in _strings(msgspec.to_builtins(spec), ""):
        if at.rpartition("/")[2] in _UNREAD or len(text) < _SHORTEST:
            continue
        # Where a text stands twice, the place that weighs more counts.
        if text not in places or (_is_shown(places[text]) and not _is_shown(at)):
            places[text] = at
    for text, at in places.items():
        for hit in hits(text, thorough=False):
            message, fix = f"This text holds what looks like {hit.kind}.", "Take it out; values of secrets are given by `bmm secret set`"
            yield Finding(level="ask" if _is_shown(at) else "block", id="secret.in_spec", place=at, message=message, fix=fix)


def _is_shown(place: str) -> bool:
    """Documents of others show made-up credentials in their examples."""
    return "/input_schema/" in place or "/output_schema/" in place or place.endswith("/description")


def _strings(value: object, place: str) -> Iterator[tuple[str, str]]:
    """Every text in a document with its place, names of members included."""
    waiting: list[tuple[object, str]] = [(value, place)]
    while waiting:
        each, at = waiting.pop()
        if isinstance(each, str):
            yield at, each
        elif isinstance(each, dict):
            for key, inner in each.items():
                step = str(key).replace("~", "~0").replace("/", "~1")
                if not step.isascii() or not step.isprintable():
                    yield f"{at}/{json.dumps(step)[1:-1]}", str(key)
                waiting.append((inner, f"{at}/{step}"))
        elif isinstance(each, list | tuple):
            waiting += [(inner, f"{at}/{number}") for number, inner in enumerate(each)]
