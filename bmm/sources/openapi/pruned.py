"""Schemas cut at a depth, for tools whose arguments would otherwise fill a model's memory: what is nearest to the top stays.

Where the cut goes through an object, it keeps what it cannot do without: its type and its required members, each cut the same way.
"""

from collections.abc import Callable, Mapping

from bmm.sources.openapi.folded import folded
from bmm.sources.openapi.keywords import LATER_ONE_SCHEMA, MANY_SCHEMAS, NAMED_SCHEMAS, ONE_SCHEMA
from runner.contract import JsonSchema

MAX_DEPTH = 8
MAX_VARIANTS = 3
"""Of alternatives at the cut."""
_HOLDING = frozenset({"properties", *ONE_SCHEMA, *LATER_ONE_SCHEMA, *MANY_SCHEMAS, *NAMED_SCHEMAS, "default", "examples", "$ref"})
_DEEPER = frozenset({"properties", "items", "additionalProperties", "prefixItems", *NAMED_SCHEMAS})


class _TooMany(Exception):
    pass


def pruned(arguments: Mapping[str, JsonSchema | bool], definition: Callable[[str], JsonSchema | bool], *, limit: int) -> JsonSchema:
    """The schemas without references, as deep as `limit` schemas in all allow; below that, with what is required.

    `definition` gives what stands under `$defs` by a name.
    """
    found: JsonSchema = {name: _type_of(schema, definition) for name, schema in arguments.items()}
    for depth in range(MAX_DEPTH + 1):
        cutter = _Cutter(definition, limit)
        try:
            found = {name: cutter.cut(schema, depth) for name, schema in arguments.items()}
        except (_TooMany, RecursionError):
            break
    return found


class _Cutter:
    def __init__(self, definition: Callable[[str], JsonSchema | bool], limit: int) -> None:
        self._definition, self._left = definition, limit

    def cut(self, schema: object, depth: int) -> object:
        if depth == 0:
            return self._least(schema, frozenset())
        self._left -= 1
        if self._left < 0:
            raise _TooMany
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            return self.cut(_followed(schema, self._definition), depth)
        return {key: self._member(key, value, depth - (key in _DEEPER)) for key, value in schema.items()}

    def _member(self, key: str, value: object, depth: int) -> object:
        if key in ("properties", *NAMED_SCHEMAS) and isinstance(value, dict):
            return {name: self.cut(each, depth) for name, each in value.items()}
        if key in MANY_SCHEMAS and isinstance(value, list):
            return [self.cut(each, depth) for each in value]
        return self.cut(value, depth) if key in ONE_SCHEMA and isinstance(value, dict) else value

    def _least(self, schema: object, inside: frozenset[str]) -> object:
        """A schema whose values fit the whole one: alternatives are fewer, members that need not be there are not described.

        `inside` are the references that led here; one that comes again would have no end.
        """
        self._left -= 1
        if self._left < 0:
            raise _TooMany
        if not isinstance(schema, dict):
            return schema
        if isinstance(ref := schema.get("$ref"), str):
            if ref in inside:
                return _type_of(schema, self._definition)
            return self._least(_followed(schema, self._definition), inside | {ref})
        if not _HOLDING & schema.keys():
            return schema
        result = {key: value for key, value in schema.items() if key not in _HOLDING}
        properties = schema.get("properties")
        if isinstance(properties, dict) and (needed := [name for name in schema.get("required", ()) if name in properties]):
            result["properties"] = {name: self._least(properties[name], inside) for name in needed}
        for key in ("items", "additionalProperties"):
            if key in schema:
                result[key] = self._least(schema[key], inside)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                result[key] = [self._least(each, inside) for each in schema[key][:MAX_VARIANTS]]
        if "allOf" in schema:
            result["allOf"] = [self._least(each, inside) for each in schema["allOf"]]
        return folded(result)


def _followed(schema: JsonSchema, definition: Callable[[str], JsonSchema | bool]) -> JsonSchema:
    target = definition(schema["$ref"].removeprefix("#/$defs/"))
    siblings = {key: value for key, value in schema.items() if key != "$ref"}
    return {**target, **siblings} if isinstance(target, dict) else siblings


def _type_of(schema: JsonSchema | bool, definition: Callable[[str], JsonSchema | bool]) -> JsonSchema | bool:
    if not isinstance(schema, dict):
        return schema
    found = _followed(schema, definition) if "$ref" in schema else schema
    return {key: found[key] for key in ("type", "title", "description", "enum", "const", "format") if key in found}
