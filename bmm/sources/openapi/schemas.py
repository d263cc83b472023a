"""Schema Objects of OpenAPI 3.0 and 3.1 -> JSON Schema 2020-12, written out in place; `$defs` only where a schema contains itself."""

import re
from collections.abc import Iterator

from msgspec import Struct

from bmm.sources.openapi.cycles import Cycles
from bmm.sources.openapi.keywords import LATER_ONE_SCHEMA, MANY_SCHEMAS, NAMED_SCHEMAS, ONE_SCHEMA, PLAIN, bounds, types_of
from bmm.sources.openapi.refs import Document, under
from bmm.sources.openapi.texts import clean
from runner.contract import JsonSchema

MAX_NODES = 5_000
"""Above this many schemas in one tool every component is written once, under `$defs`."""
MAX_EXAMPLE = 500
"""Longer ones cost a model more than they tell it, in every conversation."""

_ANNOTATIONS = frozenset({"title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "nullable"})
_IDLE = frozenset({"xml", "externalDocs", "deprecated"})
_PLAIN_OBJECT = _IDLE | frozenset({"type", "properties", "required", "additionalProperties", "title", "description", "example", "examples"})


class Converted(Struct, frozen=True):
    """A converted schema, the components it needs under `$defs`, and how many schemas it consists of."""

    schema: JsonSchema | bool
    needs: frozenset[str] = frozenset()
    nodes: int = 1


class Schemas:
    """Converts the schemas of one document; `without` is the flag of properties to leave out (`readOnly` in requests).

    Converted components are kept and shared, so nothing returned may be changed.
    """

    def __init__(self, document: Document, *, without: str = "readOnly", shared: bool = False) -> None:
        self._document, self._without, self._shared = document, without, shared
        self._components: dict[str, Converted] = {}
        self._cycles = Cycles(document)
        self._names: dict[str, str] = {}

    def convert(self, schema: object, pointer: str) -> Converted:
        """One schema.

        Raises:
            RefError: a `$ref` inside leads nowhere usable.
        """
        if isinstance(schema, bool):
            return Converted(schema)
        if not isinstance(schema, dict):
            return Converted(True)
        if isinstance(schema.get("$ref"), str):
            return self._reference(schema, schema["$ref"], pointer)
        return self._written_out(schema, pointer)

    def properties(self, schema: object, pointer: str) -> tuple[dict[str, Converted], list[str]] | None:
        """The members of a plain object and the names of the required ones; None for anything that is more than a plain object."""
        node, place = self._document.follow(schema, pointer)
        if not isinstance(node, dict) or not {key for key in node if not key.startswith("x-")} <= _PLAIN_OBJECT:
            return None
        members = node.get("properties")
        if node.get("type", "object") not in ("object", ["object"]) or node.get("additionalProperties", False) is not False:
            return None
        if not isinstance(members, dict) or not members:
            return None
        kept = {name: self.convert(member, under(place, "properties", name)) for name, member in self._kept(members, place)}
        required = PLAIN["required"](node.get("required")) or []
        assert isinstance(required, list)
        return kept, [name for name in required if name in kept]

    def size(self, converted: Converted) -> int:
        """How many schemas a converted one has together with everything under its `$defs`."""
        return converted.nodes + sum(self._component(target).nodes for target in self._closure(converted.needs))

    def definitions(self, needs: frozenset[str]) -> dict[str, JsonSchema | bool]:
        """What belongs under `$defs` for schemas that need these components."""
        return {self._name(target): self._component(target).schema for target in sorted(self._closure(needs))}

    def _closure(self, needs: frozenset[str]) -> set[str]:
        found: set[str] = set()
        waiting = list(needs)
        while waiting:
            if (target := waiting.pop()) not in found:
                found.add(target)
                waiting += self._component(target).needs
        return found

    def _reference(self, schema: dict[str, object], ref: str, pointer: str) -> Converted:
        self._document.follow(schema, pointer)  # refuses a circle of nothing but references
        _, place = self._document.target(ref, pointer)
        if self._shared or self._cycles.contains_itself(place):
            converted = Converted({"$ref": f"#/$defs/{self._name(place)}"}, frozenset({place}))
        else:
            converted = self._component(place)
        return self._with_siblings(converted, {key: value for key, value in schema.items() if key != "$ref"}, pointer)

    def _with_siblings(self, converted: Converted, siblings: dict[str, object], pointer: str) -> Converted:
        """3.0 ignores what stands beside `$ref`, 3.1 applies it; authors mean descriptions and nullable to count in both."""
        known = {key: value for key, value in siblings.items() if key in PLAIN or key in _ANNOTATIONS or key in _COMPOSED}
        if not known:
            return converted
        beside = self._written_out(known, pointer)
        if not isinstance(converted.schema, dict) or not isinstance(beside.schema, dict):
            return converted
        if known.keys() <= _ANNOTATIONS:
            extra = {key: value for key, value in beside.schema.items() if key != "anyOf"}
            schema = {**converted.schema, **extra}
            if known.get("nullable") is True:
                schema = {**extra, "anyOf": [converted.schema, {"type": "null"}]}
        else:
            schema = {"allOf": [converted.schema, beside.schema]}
        return Converted(schema, converted.needs | beside.needs, converted.nodes + beside.nodes)

    def _component(self, place: str) -> Converted:
        if place not in self._components:
            node, _ = self._document.target(f"#{place}", place)
            self._components[place] = self.convert(node, place)
        return self._components[place]

    def _written_out(self, schema: dict[str, object], pointer: str) -> Converted:
        result: JsonSchema = {}
        parts: list[Converted] = []
        for key, value in {**schema, **bounds(schema)}.items():
            if key in PLAIN and (cleaned := PLAIN[key](value)) is not None:
                result[key] = cleaned
            elif key in _COMPOSED:
                found = self._composed(key, value, under(pointer, key), result)
                parts += found
        if "properties" in result and "required" in result:
            dropped = schema.get("properties")
            gone = set(dropped) - set(result["properties"]) if isinstance(dropped, dict) else set()
            result["required"] = [name for name in result["required"] if name not in gone]
            if not result["required"]:
                del result["required"]
        _type(schema, result)
        _examples(schema, result)
        return Converted(
            result, frozenset().union(*(part.needs for part in parts)) if parts else frozenset(), 1 + sum(part.nodes for part in parts)
        )

    def _composed(self, key: str, value: object, pointer: str, result: JsonSchema) -> list[Converted]:
        """Converts what stands under a keyword that holds schemas, and puts it into the result."""
        if key == "items" and isinstance(value, list):
            key = "prefixItems"
        if key in MANY_SCHEMAS:
            many = [self.convert(each, under(pointer, number)) for number, each in enumerate(value)] if isinstance(value, list) else []
            if many:
                result[key] = [each.schema for each in many]
            return many
        if key in ("properties", *NAMED_SCHEMAS):
            if not isinstance(value, dict):
                return []
            members = self._kept(value, pointer.rpartition("/")[0]) if key == "properties" else value.items()
            named = {name: self.convert(each, under(pointer, name)) for name, each in members}
            result[key] = {name: each.schema for name, each in named.items()}
            return list(named.values())
        one = self.convert(value, pointer)
        if isinstance(value, dict | bool):
            result[key] = one.schema
        return [one]

    def _kept(self, members: dict[str, object], pointer: str) -> Iterator[tuple[str, object]]:
        for name, member in members.items():
            target: object = member
            if isinstance(member, dict) and "$ref" in member and self._without not in member:
                target, _ = self._document.follow(member, under(pointer, "properties", name))
            if not (isinstance(target, dict) and target.get(self._without) is True):
                yield name, member

    def _name(self, place: str) -> str:
        """A component's own name; a second one of the same name gets a number."""
        if place not in self._names:
            name = re.sub(r"[^A-Za-z0-9_.-]+", "_", place.rpartition("/")[2].replace("~1", "/")) or "root"
            taken = set(self._names.values())
            number = 1
            while (choice := name if number == 1 else f"{name}_{number}") in taken:
                number += 1
            self._names[place] = choice
        return self._names[place]


_COMPOSED = frozenset({"properties", *ONE_SCHEMA, *LATER_ONE_SCHEMA, *MANY_SCHEMAS, *NAMED_SCHEMAS})


def _type(schema: dict[str, object], result: JsonSchema) -> None:
    types = types_of(schema.get("type"))
    nullable = schema.get("nullable") is True
    if nullable and "enum" in result and None not in result["enum"]:
        result["enum"] = [*result["enum"], None]
    if types:
        if nullable and "null" not in types:
            types.append("null")
        result["type"] = types[0] if len(types) == 1 else types
    elif nullable and any(key in result for key in MANY_SCHEMAS):
        inner = {key: result.pop(key) for key in list(result) if key in _COMPOSED}
        result["anyOf"] = [inner, {"type": "null"}]
    if "const" in schema:
        result["const"] = schema["const"]


def _examples(schema: dict[str, object], result: JsonSchema) -> None:
    if "default" in schema and schema["default"] is not None:
        result["default"] = schema["default"]
    given = [schema["example"]] if "example" in schema else schema.get("examples")
    if isinstance(given, list) and (short := [each for each in given if len(str(each)) <= MAX_EXAMPLE]):
        result["examples"] = short[:3]
    if isinstance(result.get("title"), str):
        result["title"] = clean(result["title"], 200)
