"""Are these arguments what a tool's JSON Schema asks for, and if not, what would help a model to correct them."""

import itertools
from functools import cached_property
from typing import Any, NoReturn
from urllib.parse import quote

import jsonschema_rs
import msgspec

from runner.contract import JsonSchema
from runner.tools.registry import SchemaUnusable

MAX_PROBLEMS = 5
MAX_MESSAGE = 240
MANY = 1000
"""Commas. Of a value with more only the first problem is told: the library would find all of them, ten thousand in a tenth of a second."""


class Checker:
    """One compiled schema (JSON Schema 2020-12)."""

    def __init__(self, schema: JsonSchema) -> None:
        self._schema = schema
        try:
            self._validator = jsonschema_rs.Draft202012Validator(schema, retriever=_refuse)
        except ValueError as error:
            raise SchemaUnusable(_short(str(error).splitlines()[0])) from error

    def problems(self, value: Any) -> list[str]:
        """One sentence per problem, at most `MAX_PROBLEMS`, or the first of a large value; empty when the value fits."""
        try:
            if self._validator.is_valid(value):
                return []
            if repr(value).count(",") > MANY:
                self._explaining.validate(value)
            found = [_sentence(error) for error in itertools.islice(self._explaining.iter_errors(value), MAX_PROBLEMS)]
            return found or ["the value does not fit the schema"]
        except jsonschema_rs.ValidationError as error:
            return [_sentence(error)]
        except (ValueError, OverflowError, RecursionError):
            return ["the value is nested too deeply, or holds a number that is too large"]

    @cached_property
    def _explaining(self) -> jsonschema_rs.Draft202012Validator:
        shortly = _alternatives(self._schema)
        return jsonschema_rs.Draft202012Validator(self._schema, retriever=_refuse, keywords={"anyOf": shortly, "oneOf": shortly})


def _alternatives(schema: JsonSchema) -> "type[jsonschema_rs.KeywordValidator]":
    """`anyOf` and `oneOf` that do not look for what is wrong with each alternative.

    Nobody is told of it, and where alternatives hold themselves it takes many times as long with every level of the value.
    """
    root = str(schema.get("$id", "urn:root"))
    registry = jsonschema_rs.Registry([(root, schema)], retriever=_refuse)

    class Alternatives:
        def __init__(self, parent_schema: JsonSchema, value: list[Any], schema_path: list[str | int]) -> None:
            place = quote("".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in schema_path))
            self._each = [{"$ref": f"{root}#{place}/{number}"} for number in range(len(value))]
            self._keyword = str(schema_path[-1])

        @cached_property
        def _whole(self) -> jsonschema_rs.Draft202012Validator:
            return self._compiled(self._keyword)

        def validate(self, instance: Any) -> None:
            if not self._whole.is_valid(instance):
                twice = self._keyword == "oneOf" and self._compiled("anyOf").is_valid(instance)
                fits = "is valid under more than one" if twice else "is not valid under any"
                shown = _short(msgspec.json.encode(instance).decode())
                raise ValueError(f"{shown} {fits} of the schemas listed in the '{self._keyword}' keyword")

        def _compiled(self, keyword: str) -> jsonschema_rs.Draft202012Validator:
            return jsonschema_rs.Draft202012Validator({keyword: self._each}, retriever=_refuse, registry=registry)

    return Alternatives


def _refuse(address: str) -> NoReturn:
    # The library would fetch it: a schema must be complete in itself.
    raise ValueError(f"the schema refers to {_short(address)}, outside itself")


def _sentence(error: jsonschema_rs.ValidationError) -> str:
    place = _place(list(error.instance_path))
    kind = error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        return f"`{_short(_joined(place, str(kind.property)))}` is missing; it is required"
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        names = ", ".join(f"`{_joined(place, name)}`" for name in kind.unexpected[:MAX_PROBLEMS])
        return _short(f"{names}: there is no such argument")
    return f"`{place}`: {_short(error.message)}" if place else _short(error.message)


def _place(path: list[str | int]) -> str:
    text = ""
    for step in path:
        text = f"{text}[{step}]" if isinstance(step, int) else _joined(text, step)
    return _short(text)


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _short(text: str) -> str:
    """The beginning and the end: a message starts with the value and ends with what is wrong with it."""
    if len(text) <= MAX_MESSAGE:
        return text
    return f"{text[: MAX_MESSAGE // 2]} … {text[-MAX_MESSAGE // 2 :]}"
