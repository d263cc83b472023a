"""Arguments for a tool from its published input schema: the fewest it takes, and all it knows. Deterministic, each set valid."""

from collections.abc import Iterator
from typing import Any

from jsonschema_rs import Draft202012Validator
from openapi_strings import fitting

Schema = dict[str, Any]
DEEP = 4
"""Below this depth only required members are made."""
MAX_DEPTH = 24
MAX_TRIES = 3000
"""Values tried for one set of arguments; alternatives inside alternatives multiply."""


class Impossible(Exception):
    """No value was found; not proof that there is none."""


class Arguments:
    """Sets of arguments for one schema.

    Raises:
        ValueError: it is not a valid JSON Schema.
    """

    def __init__(self, schema: Schema) -> None:
        self._root = schema
        self._whole = Draft202012Validator(schema, validate_formats=True)
        self._tries = 0

    def sets(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """The name of each set, and the set, or None where none was found."""
        least = self._made(full=False)
        yield "required", least
        most = self._made(full=True)
        if most is not None and most != least:
            yield "all", most
        elif most is None and least is not None and self._root.get("properties"):
            yield "all", self._grown(least)

    def _grown(self, least: dict[str, Any]) -> dict[str, Any] | None:
        """The fewest, with every further argument for which a value can be found."""
        grown = dict(least)
        for name, member in self._root["properties"].items():
            if name in grown:
                continue
            self._tries = 0
            try:
                wider = {**grown, name: self._value(member, full=False, depth=1, number=0)}
            except Impossible:
                continue
            if self._whole.is_valid(wider):
                grown = wider
        return grown if grown != least else None

    def _made(self, *, full: bool) -> dict[str, Any] | None:
        self._tries = 0
        try:
            value = self._value(self._root, full=full, depth=0, number=0)
        except (Impossible, RecursionError):
            return None
        return value if isinstance(value, dict) and self._whole.is_valid(value) else None

    def _fits(self, schema: Any, value: Any) -> bool:
        self._tries += 1
        if self._tries > MAX_TRIES:
            raise Impossible("too many tries")
        if not isinstance(schema, dict):
            return schema is not False
        known: Schema = {name: self._root[name] for name in ("$defs", "definitions") if name in self._root}
        try:
            return bool(Draft202012Validator({**schema, **known}, validate_formats=True).is_valid(value))
        except ValueError:
            return False

    def _value(self, schema: Any, *, full: bool, depth: int, number: int) -> Any:
        if schema is False or depth > MAX_DEPTH:
            raise Impossible("nothing fits")
        if not isinstance(schema, dict):
            return "text"
        flat = self._flat(schema, 0)
        given = [*flat.get("examples", []), flat.get("default")] if full and isinstance(flat.get("examples", []), list) else []
        for example in given:
            if example is not None and self._fits(flat, example):
                return example
        if "const" in flat:
            return flat["const"]
        if isinstance(flat.get("enum"), list) and flat["enum"]:
            return self._choice(flat, full=full, number=number)
        for choices in ("oneOf", "anyOf"):
            if isinstance(flat.get(choices), list) and flat[choices]:
                return self._branch(flat, choices, full=full, depth=depth, number=number)
        return self._typed(flat, full=full, depth=depth, number=number)

    def _choice(self, flat: Schema, *, full: bool, number: int) -> Any:
        values = [each for each in flat["enum"] if self._fits(flat, each)]
        values = [each for each in values if each not in (None, "")] or values
        if not values:
            raise Impossible("no member of the enum fits")
        return values[(number - 1 if full else number) % len(values)]

    def _branch(self, flat: Schema, choices: str, *, full: bool, depth: int, number: int) -> Any:
        rest = {name: each for name, each in flat.items() if name != choices}
        branches = flat[choices]
        order = range(len(branches))
        for turn in reversed(order) if full else order:
            if branches[turn] == {"type": "null"}:
                continue
            try:
                value = self._value(self._merged(rest, self._flat(branches[turn], 0)), full=full, depth=depth + 1, number=number)
            except Impossible:
                continue
            if self._fits(flat, value):
                return value
        raise Impossible(f"no branch of {choices} fits")

    def _typed(self, flat: Schema, *, full: bool, depth: int, number: int) -> Any:
        types = flat.get("type", [])
        types = [types] if isinstance(types, str) else types
        named = next((each for each in types if each != "null"), None)
        if named is None and "null" in types:
            return None
        if named == "object" or (named is None and ("properties" in flat or "required" in flat)):
            return self._object(flat, full=full, depth=depth)
        if named == "array" or (named is None and "items" in flat):
            return self._array(flat, full=full, depth=depth, number=number)
        if named == "boolean":
            return number % 2 == 0
        candidates: list[Any] = fitting(flat, number) if named in (None, "string") else _numbers(flat, named == "integer", number)
        for each in candidates:
            if self._fits(flat, each):
                return each
        raise Impossible(f"no {named} fits")

    def _object(self, flat: Schema, *, full: bool, depth: int) -> dict[str, Any]:
        members: Schema = flat.get("properties", {})
        required = list(flat.get("required", []))
        made: dict[str, Any] = {}
        for name in dict.fromkeys([*required, *members]):
            if name not in required and not (full and depth < DEEP) and len(made) >= flat.get("minProperties", 0):
                continue
            try:
                made[name] = self._value(
                    members.get(name, flat.get("additionalProperties", True)), full=full and depth < DEEP, depth=depth + 1, number=0
                )
            except Impossible:
                if name in required:
                    raise
        for extra in range(flat.get("minProperties", 0) - len(made)):
            other = flat.get("additionalProperties", True)
            made[f"name{extra}"] = self._value(other, full=False, depth=depth + 1, number=0)
        return made

    def _array(self, flat: Schema, *, full: bool, depth: int, number: int) -> list[Any]:
        least, most = flat.get("minItems", 0), flat.get("maxItems", 1000)
        first = flat.get("prefixItems", [])
        count = min(max(least, len(first), 2 if full and depth < DEEP else 1), most)
        if depth > DEEP + 4:
            count = least
        made: list[Any] = []
        for turn in range(min(count, 1000)):
            item = first[turn] if turn < len(first) else flat.get("items", True)
            try:
                made.append(self._value(item, full=full, depth=depth + 1, number=number + turn))
            except Impossible:
                if turn < max(least, 0):
                    raise
                break
        if not self._fits(flat, made) and least <= 1 <= len(made):
            return made[:1]
        return made

    def _flat(self, schema: Any, depth: int) -> Schema:
        """A schema without `$ref` and `allOf`, as far as those can be written in place."""
        if depth > MAX_DEPTH:
            raise Impossible("references without end")
        if not isinstance(schema, dict):
            return {} if schema is not False else {"not": {}}
        flat = {name: each for name, each in schema.items() if name not in ("$ref", "allOf")}
        if isinstance(schema.get("$ref"), str):
            flat = self._merged(self._flat(self._named(schema["$ref"]), depth + 1), flat)
        for part in schema.get("allOf", []) if isinstance(schema.get("allOf"), list) else []:
            flat = self._merged(flat, self._flat(part, depth + 1))
        return flat

    def _named(self, ref: str) -> Any:
        node: Any = self._root
        for step in ref.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict) or name not in node:
                raise Impossible(f"{ref} leads nowhere")
            node = node[name]
        return node

    def _merged(self, one: Schema, other: Schema) -> Schema:
        """Both at once, as `allOf` means it."""
        both = {**one, **other}
        for name in one.keys() & other.keys():
            left, right = one[name], other[name]
            if name == "properties":
                both[name] = {**left, **right} | {each: {"allOf": [left[each], right[each]]} for each in left.keys() & right.keys()}
            elif name == "required":
                both[name] = list(dict.fromkeys([*left, *right]))
            elif name in ("minimum", "minLength", "minItems", "minProperties", "exclusiveMinimum"):
                both[name] = max(left, right)
            elif name in ("maximum", "maxLength", "maxItems", "maxProperties", "exclusiveMaximum"):
                both[name] = min(left, right)
            elif name == "enum":
                both[name] = [each for each in left if each in right]
            elif name == "type" and left != right:
                lists = [[each] if isinstance(each, str) else list(each) for each in (left, right)]
                common = [each for each in lists[0] if each in lists[1] or (each == "integer" and "number" in lists[1])]
                both[name] = common or (["integer"] if "integer" in lists[1] else lists[1])
            elif name in ("oneOf", "anyOf") and left != right:
                both[name] = [{"allOf": [first, {name: right}]} for first in left]
        return both


def _numbers(schema: Schema, whole: bool, number: int) -> list[Any]:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    step = schema.get("multipleOf")
    found: list[Any] = [number + 1]
    for bound in (low, high):
        if isinstance(bound, int | float):
            found += [bound + number, bound, bound + 1, bound - 1, bound + 0.5, bound - 0.5]
    if isinstance(low, int | float) and isinstance(high, int | float):
        found.append((low + high) / 2)
    if isinstance(step, int | float) and step:
        found += [step * (number + 1), 0, step * -(-(low or 0) // step), step * (1 - (-(low or 0) // step))]
    found.append(0)
    return [int(each) for each in found] if whole else [*found, 1.5]
