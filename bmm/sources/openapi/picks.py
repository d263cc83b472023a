"""Fields that `--pick` names, held against the schema of the answers: a slip would leave out everything without a word."""

from collections.abc import Iterator

from bmm.sources.openapi.refs import segments
from runner.contract import JsonSchema

_MOST_NAMES = 12


def slips(name: str, pointers: tuple[str, ...], schema: JsonSchema | None) -> Iterator[tuple[str, str]]:
    """A message and what to do for each pointer of `--pick NAME=…` that finds nothing. The schema is as `Outputs` writes it: without references."""
    for pointer in pointers if schema else ():
        if (unknown := _unknown(schema or {}, pointer)) is not None:
            segment, names = unknown
            known = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
            message = f"--pick {name}: the document's answers have no {segment!r} in {pointer[1:]}, so nothing is left of them there"
            yield message, f"what they have in its place: {known}" if known else "leave out what stands behind it"


def _unknown(schema: JsonSchema, pointer: str) -> tuple[str, tuple[str, ...]] | None:
    """The first segment of a pointer that no answer has, and what there is in its place; None where the schema does not say."""
    here = [schema]
    for segment in segments(pointer):
        below: list[JsonSchema] = []
        names: dict[str, None] = {}
        for each in (part for one in here for part in _parts(one)):
            properties, items = each.get("properties"), each.get("items")
            if properties is not None:
                names |= dict.fromkeys(properties)
                below += properties.values() if segment == "*" else [properties[segment]] if segment in properties else []
            if items is not None:
                names["*"] = None
                below += [items] if segment == "*" or segment.isdecimal() else []
            if "additionalProperties" in each or (properties is items is None and not _is_simple(each)):
                return None
        if not below:
            return segment, tuple(names)
        here = below
    return None


def _parts(schema: JsonSchema) -> Iterator[JsonSchema]:
    """What a schema is put together from."""
    parts = [part for word in ("allOf", "anyOf") for part in schema.get(word, ())]
    if not parts or "properties" in schema:
        yield schema
    for part in parts:
        yield from _parts(part)


def _is_simple(schema: JsonSchema) -> bool:
    """Whether there is nothing in its values."""
    kinds = schema.get("type", ())
    return bool(kinds) and not {"object", "array"} & {*([kinds] if isinstance(kinds, str) else kinds)}
