"""Which of the media types a request body offers is sent, and how its value is written in it."""

import re
from typing import Literal

from msgspec import Struct

from bmm.sources.openapi.keywords import types_of
from bmm.sources.openapi.refs import Document, RefError

Kind = Literal["json", "form", "multipart", "xml", "text", "binary"]

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
_ORDER: tuple[Kind, ...] = ("json", "form", "multipart", "xml", "text", "binary")
_MEDIA_TYPE = re.compile(
    r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+(\s*;\s*[A-Za-z0-9!#$&^_.+-]+=(\"[^\"\\\x00-\x1f]*\"|[A-Za-z0-9!#$&^_.+:/-]+))*", re.I
)
_TEXTUAL = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/graphql"}
) | frozenset(
    {
        "application/yaml",
        "application/x-yaml",
        "application/sql",
        "application/javascript",
        "application/csv",
        "application/x-sh",
        "application/toml",
        "application/jwt",
        "application/jose",
        "application/jose+jwe",
        "application/x-pem-file",
        "application/pem-certificate-chain",
    }
)
_PLAIN = ("application/json", FORM, MULTIPART, "application/xml", "text/plain")
# A list of changes that has to fit what is there already is harder to write than the members that change (RFC 6902, RFC 7386).
_RANK = {**dict.fromkeys(_PLAIN, 0), "application/merge-patch+json": 1, "application/json-patch+json": 3}
_SHORT = {
    "json": "application/json",
    "xml": "application/xml",
    "form": FORM,
    "form-data": MULTIPART,
    "urlencoded": FORM,
    "text": "text/plain",
}


class Media(Struct, frozen=True, kw_only=True):
    """One offered media type: its key in the document, what is sent as Content-Type, and how the value is written."""

    key: str
    media_type: str
    kind: Kind
    schema: object
    encoding: dict[str, object]
    examples: list[object] = []


def chosen(content: dict[str, object], document: Document, pointer: str) -> Media | None:
    """The best of what is offered: JSON, then forms, XML, text and bytes; files make multipart better than JSON.

    Multipart without parts comes last: nothing can be sent in it.
    """
    offered = [media for key, node in content.items() if (media := _media(key, node, document, pointer)) is not None]
    if not offered:
        return None
    files = {media.kind for media in offered if media.kind in ("json", "form", "multipart") and _has_file(media.schema, document, pointer)}
    order = ("multipart", *_ORDER) if files and any(media.kind == "multipart" for media in offered) else _ORDER
    return min(offered, key=lambda media: (has_no_parts(media, document, pointer), order.index(media.kind), *_odd(media)))


def _odd(media: Media) -> tuple[bool, int]:
    """What has a schema before what has none, and plain names before vendors' own."""
    return media.schema in (True, {}), _RANK.get(media.media_type.partition(";")[0], 2)


def has_no_parts(media: Media, document: Document, pointer: str) -> bool:
    """Whether a multipart body is described as text, a number or a list: a part's name is that of a property, and these have none."""
    node = _followed(media.schema, document, pointer)
    kinds = types_of(node.get("type")) if media.kind == "multipart" and isinstance(node, dict) else []
    return is_file(node) if media.kind == "multipart" and not kinds else bool(kinds) and "object" not in kinds


def _media(key: str, node: object, document: Document, pointer: str) -> Media | None:
    schema: object = node.get("schema", True) if isinstance(node, dict) else True
    encoding = node.get("encoding") if isinstance(node, dict) else None
    name = key.strip()
    name = _SHORT.get(name.lower(), name)
    bare = name.partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(name.replace("*", "x")):
        return None
    binary = is_file(_followed(schema, document, pointer))
    kind: Kind
    if bare in ("*/*", "application/*"):
        kind, bare = ("binary", "application/octet-stream") if binary else ("json", "application/json")
        name = bare
    elif bare.endswith(("/json", "+json")):
        kind, name = "json", "application/json" if "*" in bare else name
    elif bare == FORM:
        kind = "form"
    elif bare.startswith("multipart/"):
        kind, name = "multipart", MULTIPART if "*" in bare else bare
    elif bare.endswith(("/xml", "+xml")):
        kind = "xml" if _has_elements(_followed(schema, document, pointer)) else "text"
    elif bare.startswith("text/") or bare in _TEXTUAL or bare.endswith(("+jwt", "+yaml")):
        kind, name = "text", "text/plain" if "*" in bare else name
    else:
        structured = _is_structured(_followed(schema, document, pointer)) and bare != "application/octet-stream"
        kind, name = "text" if structured else "binary", "application/octet-stream" if "*" in bare else name
    if kind in ("json", "form", "multipart") and re.fullmatch(r"[^;]+;\s*(charset=(?!\"?utf-8)|boundary=)[^;]*", name, re.I):
        name = bare
    name = name if ";" in name else name.lower()
    examples = _examples(node) if isinstance(node, dict) else []
    return Media(
        key=key, media_type=name, kind=kind, schema=schema, encoding=encoding if isinstance(encoding, dict) else {}, examples=examples
    )


def _examples(node: dict[str, object]) -> list[object]:
    if "example" in node:
        return [node["example"]]
    named = node.get("examples")
    return [each["value"] for each in named.values() if isinstance(each, dict) and "value" in each][:2] if isinstance(named, dict) else []


def is_file(schema: object) -> bool:
    """Whether a schema describes bytes: OpenAPI 3.0's `format: binary`, 3.1's `contentMediaType`, Swagger's `type: file`."""
    if not isinstance(schema, dict):
        return False
    if schema.get("type") == "file" or (
        schema.get("format") in ("binary", "file") and schema.get("type", "string") in ("string", "object")
    ):
        return True
    media = schema.get("contentMediaType")
    return isinstance(media, str) and "contentEncoding" not in schema and not media.startswith(("text/", "application/json"))


def _has_file(schema: object, document: Document, pointer: str) -> bool:
    node = _followed(schema, document, pointer)
    properties = node.get("properties") if isinstance(node, dict) else None
    for member in properties.values() if isinstance(properties, dict) else ():
        found = _followed(member, document, pointer)
        if is_file(found) or (isinstance(found, dict) and is_file(_followed(found.get("items"), document, pointer))):
            return True
    return False


def _is_structured(schema: object) -> bool:
    if not isinstance(schema, dict):
        return False
    return schema.get("type") in ("object", "array") or bool({"properties", "allOf", "oneOf", "anyOf", "items"} & schema.keys())


def _has_elements(schema: object) -> bool:
    return isinstance(schema, dict) and bool({"properties", "allOf", "oneOf", "anyOf", "items"} & schema.keys())


def _followed(schema: object, document: Document, pointer: str) -> object:
    try:
        return document.follow(schema, pointer)[0]
    except RefError:
        return None
