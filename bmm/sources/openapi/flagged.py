"""Members that are only read or only written: found through `$ref`, `allOf` and lists, and taken out of examples."""

from collections.abc import Iterator

from bmm.sources.openapi.refs import Document, RefError, under

Property = tuple[str, object, str]
"""A property: its name, its schema, and the pointer of that."""


def is_flagged(member: object, pointer: str, flag: str, document: Document, seen: set[str] | None = None) -> bool:
    """Whether a property has the flag itself, in what it refers to, in a part of its `allOf`, or in the items it is a list of.

    Raises:
        RefError: its `$ref` leads nowhere usable.
    """
    if not isinstance(member, dict):
        return False
    if "$ref" in member and isinstance(member.get(flag), bool):
        return member[flag] is True
    node, place = document.follow(member, pointer)
    seen = seen if seen is not None else set()
    if not isinstance(node, dict) or place in seen:
        return False
    seen.add(place)
    if node.get(flag) is True:
        return True
    parts = [(each, under(place, "allOf", number)) for number, each in enumerate(_parts(node))]
    items = [(node["items"], under(place, "items"))] if isinstance(node.get("items"), dict) else []
    return any(is_flagged(each, at, flag, document, seen) for each, at in (*parts, *items))


def flagged_names(schema: object, pointer: str, flag: str, document: Document) -> set[str]:
    """The flagged properties of an object, those of all parts of its `allOf` among them."""
    return {name for name, member, place in members(schema, pointer, document) if is_flagged(member, place, flag, document)}


def members(schema: object, pointer: str, document: Document, seen: set[str] | None = None) -> Iterator[Property]:
    """Every description of every property, with its pointer; a name comes as often as parts of `allOf` describe it."""
    node, place = document.follow(schema, pointer)
    seen = seen if seen is not None else set()
    if not isinstance(node, dict) or place in seen:
        return
    seen.add(place)
    own = node.get("properties")
    for name, member in own.items() if isinstance(own, dict) else ():
        yield name, member, under(place, "properties", name)
    for number, each in enumerate(_parts(node)):
        yield from members(each, under(place, "allOf", number), document, seen)


def stripped(value: object, schema: object, pointer: str, flag: str, document: Document) -> object:
    """An example without its flagged members."""
    try:
        return _stripped(value, schema, pointer, flag, document)
    except (RefError, RecursionError):
        return value


def _stripped(value: object, schema: object, pointer: str, flag: str, document: Document) -> object:
    if isinstance(value, list):
        node, place = document.follow(schema, pointer)
        items = node.get("items") if isinstance(node, dict) else None
        return [_stripped(each, items, under(place, "items"), flag, document) for each in value]
    if not isinstance(value, dict):
        return value
    described = {name: (member, place) for name, member, place in members(schema, pointer, document)}
    gone = flagged_names(schema, pointer, flag, document)
    return {
        name: _stripped(each, *described[name], flag, document) if name in described else each
        for name, each in value.items()
        if name not in gone
    }


def _parts(node: dict[str, object]) -> list[object]:
    found = node.get("allOf")
    return found if isinstance(found, list) else []
