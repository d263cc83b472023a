"""Values that the owner fixes once: text from a command line as the type that the parameter has."""

import msgspec

from bmm.errors import BadInput
from bmm.sources.openapi.keywords import types_of
from bmm.sources.openapi.repairs import TYPED, is_of
from runner.contract import JsonSchema


def pinned_value(name: str, text: str, schema: JsonSchema | bool) -> object:
    """The value of `--pin NAME=TEXT`.

    Raises:
        BadInput: the parameter cannot have it.
    """
    types = types_of(schema.get("type")) if isinstance(schema, dict) else []
    value = _typed(text, types)
    choices = schema.get("enum") if isinstance(schema, dict) else None
    if isinstance(choices, list) and value not in choices and not isinstance(value, list):
        raise BadInput(f"--pin {name}={text}: {name} must be one of {', '.join(str(each) for each in choices[:20])}.")
    if types and "string" not in types and isinstance(value, str):
        raise BadInput(f"--pin {name}={text}: {name} must be {' or '.join(types)}.")
    return value


def _typed(text: str, types: list[str]) -> object:
    if not types or "string" in types:
        return text
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        value = text
    if types == ["array"] and not isinstance(value, list):
        return text.split(",")
    return value if any(is_of(value, each) for each in types if each in TYPED) else text
