"""The keywords of a Schema Object that JSON Schema 2020-12 has too, each with what makes its value usable."""

from collections.abc import Callable
from functools import lru_cache
from math import isfinite

from jsonschema_rs import Draft202012Validator

from bmm.sources.openapi.texts import MAX_PROPERTY, clean

TYPES = frozenset({"null", "boolean", "object", "array", "number", "string", "integer"})
ONE_SCHEMA = ("items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else")
LATER_ONE_SCHEMA = ("unevaluatedItems", "unevaluatedProperties")
MANY_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED_SCHEMAS = ("patternProperties", "dependentSchemas")

Cleaned = object | None
"""The value to publish, or None to leave the keyword out."""


def _number(value: object) -> Cleaned:
    if isinstance(value, str):
        # Generators quote bounds: `maximum: "100"`.
        try:
            value = float(value) if "." in value else int(value)
        except ValueError:
            return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) else None


def _count(value: object) -> Cleaned:
    number = _number(value)
    return int(number) if isinstance(number, int | float) and number >= 0 and number == int(number) else None


def _factor(value: object) -> Cleaned:
    number = _number(value)
    return number if isinstance(number, int | float) and number > 0 else None


def _flag(value: object) -> Cleaned:
    return True if value is True else None


def _text(value: object) -> Cleaned:
    return value if isinstance(value, str) else None


def _pattern(value: object) -> Cleaned:
    return value if isinstance(value, str) and compiles(value) else None


@lru_cache(maxsize=10_000)
def compiles(pattern: str) -> bool:
    """ECMA 262 has looser expressions, such as `[\\w-.]`, which validators refuse together with the whole schema."""
    try:
        Draft202012Validator({"pattern": pattern})
    except ValueError:
        return False
    return True


def _prose(value: object) -> Cleaned:
    return clean(value, MAX_PROPERTY) or None


def _names(value: object) -> Cleaned:
    return list(dict.fromkeys(name for name in value if isinstance(name, str))) or None if isinstance(value, list) else None


def _values(value: object) -> Cleaned:
    return value if isinstance(value, list) and value else None


def _name_lists(value: object) -> Cleaned:
    return {key: _names(names) or [] for key, names in value.items()} if isinstance(value, dict) else None


PLAIN: dict[str, Callable[[object], Cleaned]] = {
    "title": _text,
    "description": _prose,
    "enum": _values,
    "multipleOf": _factor,
    "maximum": _number,
    "minimum": _number,
    "exclusiveMaximum": _number,
    "exclusiveMinimum": _number,
    "maxLength": _count,
    "minLength": _count,
    "pattern": _pattern,
    "maxItems": _count,
    "minItems": _count,
    "uniqueItems": _flag,
    "maxContains": _count,
    "minContains": _count,
    "maxProperties": _count,
    "minProperties": _count,
    "required": _names,
    "dependentRequired": _name_lists,
    "format": _text,
    "contentEncoding": _text,
    "contentMediaType": _text,
    "deprecated": _flag,
}


def types_of(value: object) -> list[str]:
    """The legal types a `type` keyword names."""
    names = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and name in TYPES))
