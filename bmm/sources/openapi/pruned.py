"""Schemas cut at a depth, for tools whose arguments would otherwise fill a model's memory: what is nearest to the top stays."""

from collections.abc import Callable, Mapping

from bmm.sources.openapi.keywords import MANY_SCHEMAS, NAMED_SCHEMAS, ONE_SCHEMA
from runner.contract import JsonSchema

MAX_DEPTH = 8
_KEPT = ("type", "title", "description", "enum", "const", "format")
_DEEPER = frozenset({"properties", "items", "additionalProperties", "prefixItems", *NAMED_SCHEMAS})


class _TooMany(Exception):
    pass


def pruned(arguments: Mapping[str, JsonSchema | bool], definition: Callable[[str], JsonSchema | bool], *, limit: int) -> JsonSchema:
    """The schemas without references, as deep as `limit` schemas in all allow; below that, whatever a caller sends is accepted.

    `definition` gives what stands under `$defs` by a name.
    """
    first = _Cutter(definition, len(arguments))
    found = {name: first.cut(schema, 0) for name, schema in arguments.items()}
    for depth in range(1, MAX_DEPTH + 1):
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
        self._left -= 1
        if self._left < 0:
            raise _TooMany
        if not isinstance(schema, dict):
            return schema
        if isinstance(ref := schema.get("$ref"), str):
            target = self._definition(ref.removeprefix("#/$defs/"))
            siblings = {key: value for key, value in schema.items() if key != "$ref"}
            if depth > 0:
                return self.cut({**target, **siblings} if isinstance(target, dict) else siblings, depth)
            schema = {**target, **siblings} if isinstance(target, dict) else siblings
        if depth == 0:
            return {key: schema[key] for key in _KEPT if key in schema}
        return {key: self._member(key, value, depth - (key in _DEEPER)) for key, value in schema.items()}

    def _member(self, key: str, value: object, depth: int) -> object:
        if key in ("properties", *NAMED_SCHEMAS) and isinstance(value, dict):
            return {name: self.cut(each, depth) for name, each in value.items()}
        if key in MANY_SCHEMAS and isinstance(value, list):
            return [self.cut(each, depth) for each in value]
        return self.cut(value, depth) if key in ONE_SCHEMA and isinstance(value, dict) else value
