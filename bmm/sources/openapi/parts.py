"""How the properties of a form or multipart body are sent: Encoding Objects and what OpenAPI says where there are none."""

from typing import Literal, get_args

from bmm.sources.openapi.media import Kind, is_file
from bmm.sources.openapi.refs import Document, under
from runner.contract import Part

_Style = Literal["form", "spaceDelimited", "pipeDelimited", "tabDelimited", "deepObject"]
_STYLES: tuple[_Style, ...] = get_args(_Style)
_TEXT = ("text/", "application/json", "application/xml", "application/x-www-form-urlencoded")


def parts_of(schema: object, pointer: str, *, kind: Kind, encoding: dict[str, object], document: Document) -> dict[str, Part]:
    """The parts that differ from the default, by property name; `kind` is form or multipart.

    Raises:
        RefError: a `$ref` leads nowhere usable.
    """
    found: dict[str, Part] = {}
    for name, (member, place) in _members(schema, pointer, document, depth=0).items():
        part = _part(member, place, encoding.get(name), kind, document)
        if part != Part():
            found[name] = part
    return found


def _members(schema: object, pointer: str, document: Document, *, depth: int) -> dict[str, tuple[object, str]]:
    node, place = document.follow(schema, pointer)
    if not isinstance(node, dict) or depth > 8:
        return {}
    found: dict[str, tuple[object, str]] = {}
    for key in ("allOf", "oneOf", "anyOf"):
        for number, each in enumerate(node[key] if isinstance(node.get(key), list) else ()):
            found |= _members(each, under(place, key, number), document, depth=depth + 1)
    own = node.get("properties")
    for name, member in own.items() if isinstance(own, dict) else ():
        found[name] = member, under(place, "properties", name)
    return found


def _part(member: object, place: str, given: object, kind: Kind, document: Document) -> Part:
    node, at = document.follow(member, place)
    encoding = given if isinstance(given, dict) else {}
    content_type = encoding.get("contentType")
    content_type = content_type.strip() if isinstance(content_type, str) and content_type.strip().isprintable() else None
    style = next((known for known in _STYLES if encoding.get("style") == known), None)
    explode = encoding.get("explode") if isinstance(encoding.get("explode"), bool) else None
    assert explode is None or isinstance(explode, bool)
    file = kind == "multipart" and (_is_file(node, at, document) or _named_as_file(node, content_type))
    if style is not None or explode is not None:
        content_type = None  # OpenAPI: where a style is given, contentType is ignored
    if file and content_type is None and isinstance(node, dict) and isinstance(node.get("contentMediaType"), str):
        content_type = node["contentMediaType"]
    reserved = encoding.get("allowReserved") is True
    return Part(content_type=content_type, style=style, explode=explode, allow_reserved=reserved, file=file)


def _is_file(node: object, place: str, document: Document) -> bool:
    if is_file(node):
        return True
    if not isinstance(node, dict):
        return False
    if node.get("type") == "array" or "items" in node:
        return is_file(document.follow(node.get("items"), under(place, "items"))[0])
    return any(
        is_file(document.follow(each, under(place, key, number))[0])
        for key in ("oneOf", "anyOf", "allOf")
        for number, each in enumerate(node[key] if isinstance(node.get(key), list) else ())
    )


def _named_as_file(node: object, content_type: str | None) -> bool:
    """3.1 writes a file as an empty schema whose encoding names a type such as image/png."""
    if content_type is None or content_type.lower().startswith(_TEXT) or content_type.lower().endswith("+json"):
        return False
    return node in (True, {}) or (
        isinstance(node, dict) and node.get("type") == "string" and "contentEncoding" not in node and "enum" not in node
    )
