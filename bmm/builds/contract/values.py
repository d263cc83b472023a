"""Values made from a JSON Schema, always the same for the same schema: its examples where it has some, else the plainest that fits.

Not everything can be made: `not`, `if`, `contains`, `dependentRequired`, references to elsewhere and difficult patterns are left to chance.
Whoever asks validates what comes and is told where nothing fits.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import jsonschema_rs

from bmm.builds.contract.pattern import CannotSample, sample
from bmm.core.trial import Case
from runner.contract import JsonSchema

MOST_OPTIONAL = 40
_DEEPEST, _MOST_MADE = 12, 3000
_FORMATS = {
    "date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z", "time": "12:00:00Z", "duration": "P1D", "email": "person@example.com",
    "idn-email": "person@example.com", "hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "uri": "https://example.com/",
    "url": "https://example.com/", "iri": "https://example.com/", "uri-reference": "/a", "uuid": "00000000-0000-4000-8000-000000000001",
    "byte": "dGV4dA==", "binary": "dGV4dA==", "base64": "dGV4dA==", "json-pointer": "/a", "int32": "1", "int64": "1",
}  # fmt: skip
_OBJECT_WORDS, _ARRAY_WORDS = ("properties", "required", "additionalProperties", "minProperties"), ("items", "prefixItems", "minItems")
_NUMBER_WORDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_WRONG: tuple[Any, ...] = ({"not": "this"}, ["not", "this"], "not this", 12.5, True, None)


class CannotMake(ValueError):
    """No value that fits could be made; the text says why."""


class Schema:
    """A schema with its validator."""

    def __init__(self, schema: JsonSchema) -> None:
        self._schema = schema
        self._validator = jsonschema_rs.Draft202012Validator(schema, retriever=_refuse)

    def fits(self, value: Any) -> bool:
        try:
            return self._validator.is_valid(value)
        except (ValueError, OverflowError, RecursionError):
            return False

    def problem(self, value: Any) -> str:
        """What is wrong with a value that does not fit."""
        try:
            return next((error.message[:200] for error in self._validator.iter_errors(value)), "")
        except (ValueError, OverflowError, RecursionError):
            return "it is nested too deeply, or holds a number that is too large"

    def value(self, leave_out: frozenset[str] = frozenset()) -> Any:
        """A value that fits; `leave_out` names optional members of the whole that it should not have.

        Raises:
            CannotMake: none was found.
        """
        why = "the schema asks for something that cannot be made up"
        for examples, optional in ((True, True), (True, False), (False, True), (False, False)):
            try:
                made = _Maker(self._schema, examples=examples, optional=optional, leave_out=leave_out).make(self._schema, 0)
            except (CannotMake, ArithmeticError, RecursionError) as error:
                why = str(error)
                continue
            if self.fits(made):
                return made
            why = self.problem(made)
        raise CannotMake(why)

    def wrong(self, fitting: Mapping[str, Any]) -> Iterator[tuple[Case, dict[str, Any]]]:
        """Objects that do not fit, each made from one that does: at most one of each kind."""
        kinds: tuple[tuple[Case, Iterator[dict[str, Any]]], ...]
        without = ({other: value for other, value in fitting.items() if other != name} for name in fitting)
        swapped = ({**fitting, name: value} for name in fitting for value in _WRONG)
        kinds, found = (("missing", without), ("wrong_type", swapped)), False
        for case, candidates in kinds:
            if (wrong := next((each for each in candidates if not self.fits(each)), None)) is not None:
                found = True
                yield case, wrong
        unknown = {**fitting, "not_an_argument_of_this": 1}
        if not found and not self.fits(unknown):
            yield "unknown", unknown


class _Maker:
    def __init__(self, root: JsonSchema, *, examples: bool, optional: bool, leave_out: frozenset[str]) -> None:
        self._root, self._examples, self._optional, self._leave_out = root, examples, optional, leave_out
        self._left = _MOST_MADE

    def make(self, schema: Any, depth: int) -> Any:
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            raise CannotMake("the schema is nested too deeply, or has too many branches")
        if schema is False:
            raise CannotMake("the schema forbids every value")
        if not isinstance(schema, dict):
            return "text"
        schema = self._plain(schema, depth)
        if "const" in schema:
            return schema["const"]
        if self._examples:
            for found in (*_listed(schema.get("examples"))[:1], *(schema[name] for name in ("example", "default") if name in schema)):
                if found is not None:
                    return found
        if values := _listed(schema.get("enum")):
            return next((each for each in values if each is not None), None)
        return self._of_kind(_kind(schema), schema, depth)

    def _plain(self, schema: JsonSchema, depth: int) -> JsonSchema:
        """Without references and combinations: what `$ref` and `allOf` say is merged, and the first branch of others that can be made."""
        if "$ref" in schema:
            rest = {name: each for name, each in schema.items() if name != "$ref"}
            return self._plain(_merged(self._found(schema["$ref"]), rest), depth + 1) if depth < _DEEPEST else {}
        if parts := _listed(schema.get("allOf")):
            rest = {name: each for name, each in schema.items() if name != "allOf"}
            for part in parts:
                rest = _merged(rest, self._plain(part, depth + 1) if isinstance(part, dict) and depth < _DEEPEST else {})
            return self._plain(rest, depth + 1)
        for word in ("anyOf", "oneOf"):
            if branches := _listed(schema.get(word)):
                rest = {name: each for name, each in schema.items() if name != word}
                return self._branch(branches, rest, depth)
        return schema

    def _branch(self, branches: list[Any], rest: JsonSchema, depth: int) -> JsonSchema:
        for branch in branches:
            if not isinstance(branch, dict) or branch.get("type") == "null":
                continue
            try:
                found = self._plain(_merged(rest, branch), depth + 1) if depth < _DEEPEST else {}
                self.make(found, depth + 1)
            except CannotMake:
                continue
            return found
        return rest

    def _of_kind(self, kind: str, schema: JsonSchema, depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "integer" | "number":
                return _number(schema, whole=kind == "integer")
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return _text(schema)

    def _object(self, schema: JsonSchema, depth: int) -> dict[str, Any]:
        known = schema.get("properties")
        properties: dict[str, Any] = known if isinstance(known, dict) else {}
        required = [name for name in _listed(schema.get("required")) if isinstance(name, str)]
        further = schema.get("additionalProperties", True)
        made = {name: self.make(properties.get(name, further), depth + 1) for name in required}
        if self._optional and depth < 2:
            optional = [name for name in properties if name not in made and not (depth == 0 and name in self._leave_out)]
            for name in optional[: max(0, min(MOST_OPTIONAL, int(schema.get("maxProperties", MOST_OPTIONAL)) - len(made)))]:
                try:
                    made[name] = self.make(properties[name], depth + 1)
                except CannotMake:
                    continue
        for name in (*properties, *(f"key{number}" for number in range(10))):
            if len(made) < schema.get("minProperties", 0) and name not in made:
                made[name] = self.make(properties.get(name, further), depth + 1)
        # In the schema's order, as a model would write it.
        return {
            name: made[name]
            for name in (*(each for each in properties if each in made), *(each for each in made if each not in properties))
        }

    def _array(self, schema: JsonSchema, depth: int) -> list[Any]:
        first, items = _listed(schema.get("prefixItems")), schema.get("items", True)
        least, most = int(schema.get("minItems", 0)), int(schema.get("maxItems", 1000))
        wanted = min(max(least, len(first), 1), most, 1000)
        try:
            made = [self.make(first[number] if number < len(first) else items, depth + 1) for number in range(wanted)]
        except CannotMake:
            if least:
                raise
            return []
        return [_distinct(each, number) for number, each in enumerate(made)] if schema.get("uniqueItems") and wanted > 1 else made

    def _found(self, reference: Any) -> JsonSchema:
        value: Any = self._root
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise CannotMake(f"the schema refers to {str(reference)[:100]}")
        for escaped in reference[1:].split("/")[1:]:
            step = escaped.replace("~1", "/").replace("~0", "~")
            if isinstance(value, list):
                value = dict(enumerate(value)).get(int(step) if step.isdigit() else -1)
            else:
                value = value.get(step) if isinstance(value, dict) else None
        if not isinstance(value, dict):
            raise CannotMake(f"{reference[:100]} is not in the schema")
        return value


def _kind(schema: JsonSchema) -> str:
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return str(next((each for each in kinds if each != "null"), "null"))
    if isinstance(kinds, str):
        return kinds
    for kind, words in (("object", _OBJECT_WORDS), ("array", _ARRAY_WORDS), ("number", _NUMBER_WORDS)):
        if any(word in schema for word in words):
            return kind
    return "string"


def _merged(one: JsonSchema, other: JsonSchema) -> JsonSchema:
    """What both say; of what they say differently the second counts, but for members and lists of names, which add up."""
    merged = {**one, **other}
    for word in ("properties", "$defs"):
        if isinstance(one.get(word), dict) and isinstance(other.get(word), dict):
            merged[word] = {**one[word], **other[word]}
    if "required" in one and "required" in other:
        merged["required"] = list(dict.fromkeys([*_listed(one["required"]), *_listed(other["required"])]))
    return merged


def _text(schema: JsonSchema) -> str:
    least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", 1000))
    if isinstance(pattern := schema.get("pattern"), str):
        for times in (1, 2, max(least, 1)):
            try:
                text = sample(pattern, times)
            except CannotSample:
                raise CannotMake(f"no text could be made for the pattern {pattern[:100]}") from None
            if text and least <= len(text) <= most:
                return text
    base = "dGV4dA==" if schema.get("contentEncoding") == "base64" else _FORMATS.get(str(schema.get("format")), "text")
    if len(base) < least:
        base = ("text" * (min(least, 100_000) // 4 + 1))[:least]
    return base[:most]


def _number(schema: JsonSchema, *, whole: bool) -> int | float:
    """One, or what is nearest to a bound and within all of them."""
    given = {word: each for word in _NUMBER_WORDS if isinstance(each := schema.get(word), int | float) and not isinstance(each, bool)}
    low = max(given.get("minimum", -math.inf), given.get("exclusiveMinimum", -math.inf))
    high = min(given.get("maximum", math.inf), given.get("exclusiveMaximum", math.inf))
    step = given.get("multipleOf", 1 if whole else 0)
    for near in (1, low, low + 1, (low + high) / 2, high, high - 1):
        if not math.isfinite(near):
            continue
        value = math.ceil(near / step) * step if step > 0 else near
        within = given.get("minimum", value) <= value <= given.get("maximum", value)
        if within and given.get("exclusiveMinimum", -math.inf) < value < given.get("exclusiveMaximum", math.inf):
            return int(value) if float(value).is_integer() else value
    return 1


def _distinct(value: Any, number: int) -> Any:
    if isinstance(value, bool) or number == 0:
        return value
    return f"{value}{number}" if isinstance(value, str) else value + number if isinstance(value, int | float) else value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _refuse(address: str) -> NoReturn:
    raise ValueError(f"the schema refers to {address[:200]}, outside itself")
