"""What an operation answers: the schema a tool may promise, and where a list and its next page stand in it.

A promise that an API breaks costs the whole answer, so it is a lenient one: types and names, everything may be null or absent, and
nothing is closed, bounded or enumerated.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from bmm.sources.openapi.keywords import types_of
from bmm.sources.openapi.refs import Document, RefError, under
from bmm.sources.openapi.texts import clean
from runner.contract import JsonSchema

MAX_OUTPUT = 20_000
"""Bytes of a published output schema; every client reads it in every conversation."""
_ABOUT = 160
_STREAMS = frozenset({"text/event-stream", "application/jsonl", "application/x-ndjson", "application/json-seq", "multipart/mixed"})


class TooLarge(Exception):
    """A schema whose lenient form exceeds `MAX_OUTPUT`."""


class Response(Struct, frozen=True, kw_only=True):
    """The successful JSON answer: its schema, where that stands, and whether every success has this body."""

    schema: object
    pointer: str
    headers: frozenset[str] = frozenset()
    always: bool = False


def response_of(node: dict[str, object], pointer: str, document: Document) -> Response | None:
    """The JSON answer of the first successful status; None where there is none. Broken references are as if they were not there."""
    responses = node.get("responses")
    if not isinstance(responses, dict):
        return None
    produces = node.get("produces", document.root.get("produces"))
    found: list[Response | None] = []
    for status, each in responses.items():
        code = str(status).strip().upper()
        if code == "2XX" or (code.isdecimal() and code.startswith("2")):
            found.append(_json_answer(each, under(pointer, "responses", str(status)), document, produces))
    if not found and "default" in responses:
        found.append(_json_answer(responses["default"], under(pointer, "responses", "default"), document, produces))
    first = next((each for each in found if each is not None), None)
    if first is None:
        return None
    same = all(each is not None and each.schema == first.schema for each in found)
    return Response(schema=first.schema, pointer=first.pointer, headers=first.headers, always=same)


def is_stream(node: dict[str, object], document: Document) -> bool:
    """Whether every success is a stream of events or lines (OpenAPI 3.2: `itemSchema`), which a tool can only read to its end."""
    responses = node.get("responses")
    kinds: list[bool] = []
    for status, each in responses.items() if isinstance(responses, dict) else ():
        try:
            response, _ = document.follow(each, "")
        except RefError:
            continue
        content = response.get("content") if isinstance(response, dict) else None
        if str(status).startswith("2") and isinstance(content, dict):
            kinds += [
                name.partition(";")[0].strip().lower() in _STREAMS or (isinstance(media, dict) and "itemSchema" in media)
                for name, media in content.items()
            ]
    return bool(kinds) and all(kinds)


def _json_answer(node: object, pointer: str, document: Document, produces: object) -> Response | None:
    try:
        response, place = document.follow(node, pointer)
    except RefError:
        return None
    if not isinstance(response, dict):
        return None
    headers = response.get("headers")
    names = frozenset(name.lower() for name in headers) if isinstance(headers, dict) else frozenset()
    content = response.get("content")
    if isinstance(content, dict):
        for name, media in content.items():
            bare = name.partition(";")[0].strip().lower()
            if (bare.endswith(("/json", "+json")) or bare in ("*/*", "application/*")) and isinstance(media, dict) and "schema" in media:
                return Response(schema=media["schema"], pointer=under(place, "content", name, "schema"), headers=names)
        return None
    if "schema" in response and (not isinstance(produces, list) or not produces or any("json" in str(each) for each in produces)):
        return Response(schema=response["schema"], pointer=under(place, "schema"), headers=names)  # Swagger 2
    return None


class Outputs:
    """Lenient forms of the response schemas of one document; components are converted once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._components: dict[str, tuple[JsonSchema, int] | None] = {}
        self._open: set[str] = set()

    def schema(self, response: Response) -> JsonSchema | None:
        """The schema of a tool's output, None for what is no object.

        Raises:
            TooLarge: it would be larger than `MAX_OUTPUT` bytes.
        """
        try:
            schema, _ = self._converted(response.schema, response.pointer)
        except (RefError, RecursionError):
            return None
        if "object" not in types_of(schema.get("type")) and not ("properties" in schema or "allOf" in schema):
            return None
        published = {**schema, "type": "object"}
        if len(published) == 1:
            return None
        if len(msgspec.json.encode(published)) > MAX_OUTPUT:
            raise TooLarge
        return published

    def _converted(self, schema: object, pointer: str) -> tuple[JsonSchema, int]:
        """A lenient schema and about how many bytes it has."""
        if not isinstance(schema, dict):
            return {}, 2
        if isinstance(schema.get("$ref"), str):
            return self._component(schema["$ref"], pointer)
        result: JsonSchema = {}
        size = 30
        if types := types_of(schema.get("type")):
            result["type"] = [*types, "null"] if "null" not in types else types
        if about := clean(schema.get("description"), _ABOUT):
            result["description"] = about
            size += len(about) + 18
        for key, each, place in _inside(schema, pointer):
            if key == "properties":
                size += self._properties(each, place, result)
            elif isinstance(each, list):
                many = [self._converted(one, under(place, number)) for number, one in enumerate(each)]
                # Variants that allow everything a little overlap, which oneOf would refuse.
                result["allOf" if key == "allOf" else "anyOf"] = [one for one, _ in many]
                size += sum(number for _, number in many) + 10
            elif isinstance(each, dict):
                result[key], more = self._converted(each, place)
                size += more + len(key) + 4
            if size > MAX_OUTPUT:
                raise TooLarge
        return result, size

    def _properties(self, members: object, pointer: str, result: JsonSchema) -> int:
        size = 16
        found: JsonSchema = {}
        for name, member in members.items() if isinstance(members, dict) else ():
            if isinstance(member, dict) and member.get("writeOnly") is True:
                continue
            found[name], more = self._converted(member, under(pointer, name))
            size += more + len(name) + 4
            if size > MAX_OUTPUT:
                raise TooLarge
        if found:
            result["properties"] = found
            result.setdefault("type", ["object", "null"])
        return size

    def _component(self, ref: str, pointer: str) -> tuple[JsonSchema, int]:
        node, place = self._document.target(ref, pointer)
        if place in self._open:
            return {}, 2  # what contains itself is open from its second time on
        if place not in self._components:
            self._open.add(place)
            try:
                self._components[place] = self._converted(node, place)
            except TooLarge:
                self._components[place] = None
            finally:
                self._open.discard(place)
        found = self._components[place]
        if found is None:
            raise TooLarge
        return found


def _inside(schema: dict[str, object], pointer: str) -> Iterator[tuple[str, object, str]]:
    for key in ("properties", "items", "additionalProperties", "allOf", "oneOf", "anyOf"):
        if key in schema:
            yield key, schema[key], under(pointer, key)
