"""Request Body Objects -> the body of a request and its arguments."""

import msgspec
from msgspec import Struct

from bmm.sources.openapi.media import FORM, MULTIPART, Media, chosen, has_no_parts, is_file
from bmm.sources.openapi.names import ArgumentNames
from bmm.sources.openapi.parameters import Argument, Moved
from bmm.sources.openapi.parts import parts_of
from bmm.sources.openapi.refs import Document, RefError, under
from bmm.sources.openapi.schemas import MAX_EXAMPLE, Converted, Schemas
from bmm.sources.openapi.texts import MAX_ARGUMENT, clean, shorten
from bmm.sources.openapi.xmls import xml_of
from runner.contract import Body, JsonSchema, Part

# A body that says nothing of being required but whose schema requires members is required in these; authors forget the flag.
_USUALLY_REQUIRED = frozenset({"POST", "PUT", "PATCH"})
_OF_EMPTY = frozenset({"type", "properties", "additionalProperties", "title", "description", "example", "examples", "nullable"})
_FILE = "Base64 text, or an http(s) URL the server may fetch."


class BodyError(Exception):
    """The body cannot be sent; `pointer` is where it stands."""

    def __init__(self, message: str, pointer: str, fix: str = "") -> None:
        super().__init__(message)
        self.message, self.pointer, self.fix = message, pointer, fix


class Offered(Struct, frozen=True, kw_only=True):
    """A request body as it stands in the document, or as put together from Swagger 2's parameters."""

    content: dict[str, object]
    pointer: str
    required: bool = False
    description: object = None


def offered(node: object, pointer: str, document: Document) -> Offered | None:
    """The Request Body Object; None where it has no content.

    Raises:
        RefError: a `$ref` leads nowhere usable, or it is no Request Body Object.
    """
    body, place = document.follow(node, pointer)
    if not isinstance(body, dict):
        raise RefError("a request body must be an object", place)
    content = body.get("content")
    if not isinstance(content, dict) or not content:
        if isinstance(body.get("schema"), dict):
            document.remarks.note(place, "the request body has a schema without a media type; it is taken as JSON")
            content = {"application/json": {"schema": body["schema"]}}
        else:
            document.remarks.warn(place, "the request body has no content; none is sent")
            return None
    return Offered(content=content, pointer=place, required=body.get("required") in (True, "true"), description=body.get("description"))


def moved(parameters: list[Moved], consumes: object) -> Offered | None:
    """The body that Swagger 2 writes as parameters `in: body` or `in: formData`."""
    whole = next((each for each in parameters if each.place == "body"), None)
    named = [each for each in consumes if isinstance(each, str)] if isinstance(consumes, list) else []
    if whole is not None:
        inner = {"schema": whole.node.get("schema", True)}
        content: dict[str, object] = dict.fromkeys(named or ["application/json"], inner)
        required = whole.node.get("required") is True
        return Offered(content=content, pointer=whole.pointer, required=required, description=whole.node.get("description"))
    fields = [each for each in parameters if each.place == "formData"]
    if not fields:
        return None
    properties: dict[str, object] = {}
    encoding: dict[str, object] = {}
    for each in fields:
        own = {key: value for key, value in each.node.items() if key not in ("name", "in", "required", "collectionFormat", "schema")}
        inner_schema = each.node.get("schema")
        properties[each.name] = {**own, **inner_schema} if isinstance(inner_schema, dict) else own
        if each.node.get("type") == "array":
            encoding[each.name] = _collected(each.node.get("collectionFormat"))
    required_names = [each.name for each in fields if each.node.get("required") in (True, "true")]
    schema: dict[str, object] = {"type": "object", "properties": properties, "required": required_names}
    files = any(is_file(each) for each in properties.values())
    forms = [each for each in named if each.partition(";")[0].strip().lower() in (FORM, MULTIPART)]
    key = MULTIPART if files else next(iter(sorted(forms)), FORM)
    inner = {"schema": schema, "encoding": encoding}
    return Offered(content={key: inner}, pointer=fields[0].pointer, required=bool(required_names))


def _collected(given: object) -> dict[str, object]:
    style = {"ssv": "spaceDelimited", "tsv": "tabDelimited", "pipes": "pipeDelimited"}.get(str(given), "form")
    return {"style": style, "explode": given == "multi"}


def is_empty(offer: Offered, document: Document) -> bool:
    """Whether a body may be left out and has nothing to say: an object that is described as having no members."""
    if offer.required:
        return False
    for key, media in offer.content.items():
        schema = media.get("schema") if isinstance(media, dict) else None
        try:
            node, _ = document.follow(schema, under(offer.pointer, "content", key, "schema"))
        except RefError:
            return False  # told where the body is compiled
        if not isinstance(node, dict) or {each for each in node if not each.startswith("x-")} - _OF_EMPTY or node.get("type") != "object":
            return False
        if node.get("properties", {}) != {} or node.get("additionalProperties", False) is not False:
            return False
        if "properties" not in node and "additionalProperties" not in node:
            return False  # an object of any members
    document.remarks.note(offer.pointer, "the body is an object without members; none is sent")
    return True


def compiled_body(
    offer: Offered, *, method: str, document: Document, schemas: Schemas, names: ArgumentNames, pins: dict[str, str]
) -> tuple[Body, list[Argument], dict[str, Converted]]:
    """The body, its arguments (the members of a plain object are spread, anything else is one argument), and the pinned members.

    Raises:
        BodyError: no media type it names can be sent.
        RefError: a `$ref` leads nowhere usable.
    """
    place = offer.pointer
    media = chosen(offer.content, document, place)
    if media is None:
        raise BodyError(f"the body is {' or '.join(offer.content)}, which is no media type", place, "name a media type")
    at = under(place, "content", media.key, "schema")
    if has_no_parts(media, document, place):
        raise BodyError("a multipart body consists of named parts, and this one is no object", at, "describe each part as a property")
    if media.kind == "binary":
        return _binary(media, offer, names)
    more = Body(media_type=media.media_type, required=offer.required)
    parts: dict[str, Part] = {}
    if media.kind in ("form", "multipart"):
        parts = parts_of(media.schema, at, kind=media.kind, encoding=media.encoding, document=document)
    xml = xml_of(media.schema, at, document) if media.kind == "xml" else None
    spread = schemas.properties(media.schema, at) if media.kind != "text" else None
    if spread is not None and (offer.required or not spread[1] or method in _USUALLY_REQUIRED):
        members, needed = spread
        pinned = {name: member for name, member in members.items() if name in pins}
        examples = [schemas.usable_example(each, media.schema, at) for each in media.examples]
        members = {name: _with_examples(each, name, examples) for name, each in members.items()}
        members = {name: _as_file(each) if name in parts and parts[name].file else each for name, each in members.items()}
        fields = {names.give(name, "body"): name for name in members if name not in pinned}
        arguments = [Argument(name=argument, schema=members[name], required=name in needed) for argument, name in fields.items()]
        if needed and not offer.required:
            message = "the body is not marked as required, but its schema requires members; they are asked for"
            document.remarks.note(place, message, "say required: true")
        body = Body(media_type=more.media_type, fields=fields, required=offer.required or bool(needed), parts=parts, xml=xml)
        return body, arguments, pinned
    argument = names.give("body", "request")
    if media.examples and media.schema is True:
        document.remarks.note(at, "the body has no schema; any value is taken")
    whole = _described(schemas.convert(media.schema, at), offer.description)
    if media.kind in ("form", "multipart"):
        whole = _as_object(whole)
    body = Body(media_type=more.media_type, argument=argument, required=offer.required, parts=parts, xml=xml)
    return body, [Argument(name=argument, schema=whole, required=offer.required)], {}


def _binary(media: Media, offer: Offered, names: ArgumentNames) -> tuple[Body, list[Argument], dict[str, Converted]]:
    argument = names.give("body", "request")
    body = Body(media_type=media.media_type, argument=argument, required=offer.required, binary=True)
    about = media.schema.get("description") if isinstance(media.schema, dict) else None
    schema = _as_file(Converted({"description": clean(offer.description or about)}))
    return body, [Argument(name=argument, schema=schema, required=offer.required)], {}


def _as_object(converted: Converted) -> Converted:
    """Each member becomes a part, so anything else could not be sent, whatever the document leaves open."""
    schema = converted.schema if isinstance(converted.schema, dict) else {}
    return msgspec.structs.replace(converted, schema={"type": "object", **schema})


def _as_file(converted: Converted) -> Converted:
    """What a model gives for a file: text that holds the bytes, or where they are; for an array, several."""
    schema = converted.schema if isinstance(converted.schema, dict) else {}
    about = str(schema.get("description", ""))
    told = f"{shorten(about, MAX_ARGUMENT - len(_FILE) - 1)} {_FILE}" if about else _FILE
    one: JsonSchema = {"type": "string", "contentEncoding": "base64"}
    if schema.get("type") == "array":
        kept: JsonSchema = {key: schema[key] for key in ("minItems", "maxItems") if key in schema}
        return Converted({"type": "array", **kept, "description": told, "items": one}, nodes=2)
    return Converted({**one, "description": told})


def _with_examples(converted: Converted, name: str, examples: list[object]) -> Converted:
    """A member with what the examples of the whole body have for it, where it has none of its own."""
    found = [each[name] for each in examples if isinstance(each, dict) and each.get(name) not in (None, "", [], {})]
    short = [value for value in found if len(str(value)) <= MAX_EXAMPLE]
    if not short or not isinstance(converted.schema, dict) or "examples" in converted.schema:
        return converted
    return Converted({**converted.schema, "examples": short}, converted.needs, converted.nodes)


def _described(converted: Converted, about: object) -> Converted:
    description = clean(about, MAX_ARGUMENT)
    if not description or not isinstance(converted.schema, dict) or "description" in converted.schema:
        return converted
    return Converted({**converted.schema, "description": description}, converted.needs, converted.nodes)
