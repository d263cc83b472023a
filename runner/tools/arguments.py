"""Are these arguments what a tool's JSON Schema asks for, and if not, what would help a model to correct them."""

import itertools
from typing import Any, NoReturn

import jsonschema_rs

from runner.contract import JsonSchema
from runner.tools.registry import SchemaUnusable

MAX_PROBLEMS = 5
MAX_MESSAGE = 240


class Checker:
    """One compiled schema (JSON Schema 2020-12)."""

    def __init__(self, schema: JsonSchema) -> None:
        try:
            self._validator = jsonschema_rs.Draft202012Validator(schema, retriever=_refuse)
        except ValueError as error:
            raise SchemaUnusable(_short(str(error).splitlines()[0])) from error

    def problems(self, value: Any) -> list[str]:
        """One sentence per problem, at most `MAX_PROBLEMS`; empty when the value fits."""
        try:
            if self._validator.is_valid(value):
                return []
            return [_sentence(error) for error in itertools.islice(self._validator.iter_errors(value), MAX_PROBLEMS)]
        except (ValueError, OverflowError, RecursionError):
            return ["the value is nested too deeply, or holds a number that is too large"]


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
