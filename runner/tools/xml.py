"""A JSON value as XML, as OpenAPI's XML Object says."""

import re

from runner.contract import XmlNode
from runner.tools.styles import text_of

_NAME = re.compile(r"[A-Za-z_À-ÖØ-öø-˿Ͱ-ͽͿ-῿Ⰰ-⿯、-퟿][-.\w·]*")
# XML 1.0 has no way to write these, not even as references.
_IMPOSSIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff￾￿]")


def as_xml(node: XmlNode, value: object) -> bytes:
    """A document with one element.

    Raises:
        ValueError: a name or a character that XML cannot have.
    """
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_elements(node, value, top=True)}'.encode()


def _elements(node: XmlNode, value: object, *, top: bool = False) -> str:
    """One element; for a list that is not wrapped, one for each member; nothing for null."""
    if value is None:
        return ""
    if not isinstance(value, list):
        return _element(node, value)
    item = node.item or XmlNode(name=node.name)
    inner = "".join(_elements(item, each) for each in value)
    return _tagged(node, "", inner) if node.wrapped or top else inner


def _element(node: XmlNode, value: object) -> str:
    if not isinstance(value, dict):
        return _tagged(node, "", _escaped(_text(value)))
    attributes = ""
    children: list[str] = []
    for key, member in value.items():
        child = node.children.get(key) or XmlNode(name=key)
        if child.attribute and member is not None:
            attributes += f' {_named(child)}="{_escaped(_text(member))}"' + _declared(child)
        elif not child.attribute:
            children.append(_elements(child, member))
    return _tagged(node, attributes, "".join(children))


def _tagged(node: XmlNode, attributes: str, inner: str) -> str:
    name = _named(node)
    opening = f"<{name}{_declared(node)}{attributes}"
    return f"{opening}>{inner}</{name}>" if inner else f"{opening}/>"


def _declared(node: XmlNode) -> str:
    if node.namespace is None:
        return ""
    return f' xmlns{f":{node.prefix}" if node.prefix else ""}="{_escaped(node.namespace)}"'


def _named(node: XmlNode) -> str:
    name = f"{node.prefix}:{node.name}" if node.prefix else node.name
    if not all(_NAME.fullmatch(part) for part in name.split(":", 1)):
        raise ValueError(f"{name!r} is not the name of an XML element")
    return name


def _text(value: object) -> str:
    text = text_of(value)
    if _IMPOSSIBLE.search(text):
        raise ValueError("the text has characters that XML cannot have")
    return text


def _escaped(text: str) -> str:
    # A carriage return and, in attributes, a line break would be read as something else.
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return text.replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#9;") if any(each in text for each in "\r\n\t") else text
