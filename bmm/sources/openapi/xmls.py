"""XML Objects of a schema -> the tree that says how a value is written as XML."""

from bmm.sources.openapi.refs import Document, under
from runner.contract import XmlNode

MAX_XML_NODES = 500


def xml_of(schema: object, pointer: str, document: Document) -> XmlNode:
    """The element of a body. What contains itself is followed once; deeper, elements are named as their properties.

    Raises:
        RefError: a `$ref` leads nowhere usable.
    """
    name = "root"
    if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
        name = schema["$ref"].rpartition("/")[2] or name
    return _Tree(document).node(schema, pointer, name, frozenset())


class _Tree:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._left = MAX_XML_NODES

    def node(self, schema: object, pointer: str, name: str, above: frozenset[str]) -> XmlNode:
        self._left -= 1
        found, place = self._document.follow(schema, pointer)
        if not isinstance(found, dict) or place in above or self._left < 0:
            return XmlNode(name=name)
        above |= {place}
        about = _about(found) | _about(schema)
        children: dict[str, XmlNode] = {}
        for each, at in self._objects(found, place, 0):
            properties = each.get("properties")
            for key, member in properties.items() if isinstance(properties, dict) else ():
                child = self.node(member, under(at, "properties", key), key, above)
                if child != XmlNode(name=key):
                    children[key] = child
        named = about.get("name")
        own = named if isinstance(named, str) and named else name
        wrapped = about.get("wrapped") is True
        item = None
        if "items" in found or found.get("type") == "array":
            # Not wrapped, the name of the array is that of no element (OpenAPI, XML Object).
            own = own if wrapped else name
            inner = self.node(found.get("items", True), under(place, "items"), own, above)
            item = None if inner == XmlNode(name=own) else inner
        return XmlNode(
            name=own, namespace=_text(about.get("namespace")), prefix=_text(about.get("prefix")),
            attribute=about.get("attribute") is True or about.get("nodeType") == "attribute", wrapped=wrapped, children=children, item=item,
        )  # fmt: skip

    def _objects(self, node: dict[str, object], place: str, depth: int) -> list[tuple[dict[str, object], str]]:
        """The schema and what it is put together from."""
        found = [(node, place)]
        for key in ("allOf", "oneOf", "anyOf"):
            parts = node.get(key)
            for number, each in enumerate(parts if isinstance(parts, list) and depth < 5 else ()):
                part, at = self._document.follow(each, under(place, key, number))
                if isinstance(part, dict):
                    found += self._objects(part, at, depth + 1)
        return found


def _about(schema: object) -> dict[str, object]:
    found = schema.get("xml") if isinstance(schema, dict) else None
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
