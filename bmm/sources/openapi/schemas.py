"""Schema Objects of OpenAPI 3.0 and 3.1 -> JSON Schema 2020-12, written out in place; `$defs` only where a schema contains itself."""

import re
from collections.abc import Iterator

from msgspec import Struct

from bmm.sources.openapi.cycles import Cycles
from bmm.sources.openapi.discriminators import values_of
from bmm.sources.openapi.flagged import flagged_names, is_flagged, stripped
from bmm.sources.openapi.folded import folded, without
from bmm.sources.openapi.keywords import LATER_ONE_SCHEMA, MANY_SCHEMAS, NAMED_SCHEMAS, ONE_SCHEMA, PLAIN, types_of
from bmm.sources.openapi.refs import Document, under
from bmm.sources.openapi.repairs import repaired
from bmm.sources.openapi.texts import clean, gives_orders
from runner.contract import JsonSchema

MAX_INLINE = 500
"""Above this many schemas in one tool every component is written once, under `$defs`."""
MAX_NODES = 1_000
"""Above this many, even so, they are cut at a depth."""
ORDERS = "the description speaks to a model instead of about the API; those sentences are left out"
MAX_VARIANTS = 50
"""A root of all types names hundreds; repeated at each use they would outweigh everything else."""
MAX_EXAMPLE = 500
"""Longer ones cost a model more than they tell it, in every conversation."""

_ANNOTATIONS = frozenset({"title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "nullable"})
_IDLE = frozenset({"xml", "externalDocs", "deprecated", "$schema", "$comment", "id", "$id"})
_PLAIN_OBJECT = _IDLE | frozenset(
    {"type", "properties", "required", "additionalProperties", "title", "description", "example", "examples", "allOf", "format"}
)


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
        self._places: dict[str, str] = {}

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

    def properties(self, schema: object, pointer: str, *, closed: bool = True) -> tuple[dict[str, Converted], list[str]] | None:
        """The members of a plain object and the names of the required ones; None for anything that is more than a plain object.

        `allOf` of plain objects is one, unless they disagree about a member. `closed` asks that no other members are welcome.
        """
        try:
            members = self._members(schema, pointer, set(), closed=closed, depth=0)
        except RecursionError:
            return None
        if not members:
            return None
        kept: dict[str, Converted] = {}
        required: list[str] = []
        for name, (member, place, needed) in members.items():
            if self._is_kept(member, place):
                kept[name] = self.convert(member, place)
                required += [name] if needed else []
        return (kept, required) if kept else None

    def _members(
        self, schema: object, pointer: str, asked: set[str], *, closed: bool, depth: int
    ) -> dict[str, tuple[object, str, bool]] | None:
        """Each member's schema, its pointer and whether it is required; `asked` collects the required names of all parts."""
        node, place = self._document.follow(schema, pointer)
        if not isinstance(node, dict) or depth > 8 or not {key for key in node if not key.startswith("x-")} <= _PLAIN_OBJECT:
            return None
        if node.get("type", "object") not in ("object", ["object"]) or (closed and node.get("additionalProperties", False) is not False):
            return None
        own = node.get("properties")
        found: dict[str, tuple[object, str, bool]] = {}
        needed = set(PLAIN["required"](node.get("required")) or ())  # type: ignore[call-overload]
        for number, each in enumerate(node["allOf"] if isinstance(node.get("allOf"), list) else ()):
            part = self._members(each, under(place, "allOf", number), needed, closed=closed, depth=depth + 1)
            if part is None and isinstance(each, dict) and set(each) <= _ANNOTATIONS | {"required"}:
                needed |= set(PLAIN["required"](each.get("required")) or ())  # type: ignore[call-overload]
                part = {}
            if part is None or not self._agree(found, part):
                return None
            found |= {
                name: (*member[:2], member[2] or (name in found and found[name][2]))
                for name, member in part.items()
                if name not in found or self._is_kept(*found[name][:2])
            }
        for name, member in own.items() if isinstance(own, dict) else ():
            described = member, under(place, "properties", name), isinstance(member, dict) and member.get("required") is True
            if not self._agree(found, {name: described}):
                return None
            if name not in found or self._is_kept(*found[name][:2]):
                found[name] = described
        for name in sorted(needed - found.keys()) if depth == 0 and found else ():
            self._document.remarks.note(place, f"the required property {name!r} is not described; any value is taken")
            found[name] = True, under(place, "properties", name), True
        asked |= needed
        return {name: (*member[:2], member[2] or name in needed) for name, member in found.items()} or None

    def _agree(self, one: dict[str, tuple[object, str, bool]], other: dict[str, tuple[object, str, bool]]) -> bool:
        """Whether members of the same name are described the same way, but for those that one of the two leaves out."""
        both = [(one[name], other[name]) for name in one.keys() & other.keys()]
        return all(a[0] == b[0] or not self._is_kept(*a[:2]) or not self._is_kept(*b[:2]) for a, b in both)

    def usable_example(self, example: object, schema: object, pointer: str) -> object:
        """An example of a schema without the members that are left out."""
        return stripped(example, schema, pointer, self._without, self._document)

    def size(self, needs: frozenset[str], *, enough: int) -> int:
        """How many schemas stand under the `$defs` of schemas that need these components; counted no further than `enough`."""
        found: set[str] = set()
        waiting = list(needs)
        total = 0
        while waiting and total <= enough:
            if (target := waiting.pop()) not in found:
                found.add(target)
                component = self._component(target)
                total += component.nodes
                waiting += component.needs
        return total

    def definition(self, name: str) -> JsonSchema | bool:
        """What belongs under `$defs` by this name."""
        return self._component(self._places[name]).schema if name in self._places else True

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
        known.pop("readOnly", None)
        known.pop("writeOnly", None)
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
            message = f"{', '.join(sorted(known))} beside a $ref: both are applied, as OpenAPI 3.1 says"
            self._document.remarks.note(pointer, message)
        return Converted(schema, converted.needs | beside.needs, converted.nodes + beside.nodes)

    def _component(self, place: str) -> Converted:
        if place not in self._components:
            node, _ = self._document.target(f"#{place}", place)
            self._components[place] = self.convert(node, place)
        return self._components[place]

    def _written_out(self, schema: dict[str, object], pointer: str) -> Converted:
        remarks = self._document.remarks
        schema = repaired(schema, pointer, remarks)
        if gives_orders(schema.get("description")):
            remarks.warn(under(pointer, "description"), ORDERS)
        result: JsonSchema = {}
        parts: list[Converted] = []
        for key, value in schema.items():
            if key in PLAIN:
                if (cleaned := PLAIN[key](value)) is not None:
                    result[key] = cleaned
            elif key in _COMPOSED:
                parts += self._composed(key, value, under(pointer, key), result)
        properties = schema.get("properties")
        if isinstance(properties, dict):
            self._required(properties, result, pointer)
        if "allOf" in result and (gone := flagged_names(schema, pointer, self._without, self._document)):
            result = without(result, gone)
        _type(schema, result)
        _examples(self._with_usable_examples(schema, pointer), result)
        if "discriminator" in schema:
            parts += self._discriminated(schema, result, pointer)
        result = folded(result)
        needs = frozenset().union(*(part.needs for part in parts)) if parts else frozenset()
        return Converted(result, needs, 1 + sum(part.nodes for part in parts))

    def _with_usable_examples(self, schema: dict[str, object], pointer: str) -> dict[str, object]:
        if not {"properties", "allOf", "items"} & schema.keys():
            return schema
        changed: dict[str, object] = {
            key: self.usable_example(schema[key], schema, pointer) for key in ("example", "default") if key in schema
        }
        if isinstance(several := schema.get("examples"), list):
            changed["examples"] = [self.usable_example(each, schema, pointer) for each in several]
        return {**schema, **changed} if changed else schema

    def _required(self, properties: dict[str, object], result: JsonSchema, pointer: str) -> None:
        """Members that were left out are not required; those that say `required: true` of themselves are."""
        required = list(result.get("required", ()))
        for name, member in properties.items():
            if isinstance(member, dict) and member.get("required") is True and name not in required:
                required.append(name)
                message = f"the property {name!r} says `required: true`; it is added to the list of its object"
                self._document.remarks.note(under(pointer, "properties", name, "required"), message)
        gone = properties.keys() - result.get("properties", {}).keys()
        if required := [name for name in required if name not in gone]:
            result["required"] = required
        else:
            result.pop("required", None)

    def _discriminated(self, schema: dict[str, object], result: JsonSchema, pointer: str) -> list[Converted]:
        """Each variant says which value of the discriminator selects it: without that a model has to guess."""
        name, values = values_of(schema)
        if name is None:
            return []
        key = next((each for each in ("oneOf", "anyOf") if each in result), None)
        if key is None:
            choice = result.get("properties", {}).get(name)
            if name in result.get("properties", {}) and name not in result.get("required", ()):
                result["required"] = [*result.get("required", ()), name]  # OpenAPI: a discriminator must be required
            if (
                isinstance(choice, dict)
                and 0 < len(values) <= MAX_VARIANTS
                and choice.get("type", "string") == "string"
                and not {"enum", "const"} & choice.keys()
            ):
                result["properties"] = {
                    **result["properties"],
                    name: {**choice, "enum": [each for many in values.values() for each in many]},
                }
            return []
        variants = schema[key]
        assert isinstance(variants, list)
        for number, variant in enumerate(variants):
            ref = variant.get("$ref") if isinstance(variant, dict) else None
            if not isinstance(ref, str):
                continue
            own = values.get(ref) or values.get(ref.rpartition("/")[2]) or [ref.rpartition("/")[2]]
            result[key][number] = _selected(result[key][number], name, own)
        return []

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
            if self._is_kept(member, under(pointer, "properties", name)):
                yield name, member

    def _is_kept(self, member: object, pointer: str) -> bool:
        return not is_flagged(member, pointer, self._without, self._document)

    def _name(self, place: str) -> str:
        """A component's own name; a second one of the same name gets a number."""
        if place not in self._names:
            name = re.sub(r"[^A-Za-z0-9_.-]+", "_", place.rpartition("/")[2].replace("~1", "/")) or "root"
            number = 1
            while (choice := name if number == 1 else f"{name}_{number}") in self._places:
                number += 1
            self._names[place], self._places[choice] = choice, place
        return self._names[place]


def _selected(variant: object, name: str, values: list[str]) -> object:
    """A variant that says which values of the discriminator `name` select it, unless it does already."""
    if not isinstance(variant, dict):
        return variant
    only: JsonSchema = {"const": values[0]} if len(values) == 1 else {"enum": values}
    properties = variant.get("properties")
    if not isinstance(properties, dict):
        return {"allOf": [variant, {"properties": {name: only}, "required": [name]}]}
    own = properties.get(name, {})
    if isinstance(own, dict) and not {"enum", "const", "$ref", "allOf", "oneOf", "anyOf"} & own.keys():
        properties = {**properties, name: {**own, **only}}
    required = list(variant.get("required", ()))
    return {**variant, "properties": properties, "required": required if name in required else [*required, name]}


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
        result["anyOf"] = [folded(inner), {"type": "null"}]
    if "const" in schema:
        result["const"] = schema["const"]


def _examples(schema: dict[str, object], result: JsonSchema) -> None:
    # Nothing is what an absent argument says already.
    if schema.get("default") not in (None, ""):
        result["default"] = schema["default"]
    given = [schema["example"]] if "example" in schema else schema.get("examples")
    if isinstance(given, list) and (short := [each for each in given if len(str(each)) <= MAX_EXAMPLE and each not in ("", None)]):
        result["examples"] = short[:3]
    if isinstance(result.get("title"), str):
        result["title"] = clean(result["title"], 200)
