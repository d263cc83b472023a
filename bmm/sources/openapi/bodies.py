"""Request Body Objects -> the body of a request and its arguments. JSON only; other media types come later."""

from bmm.sources.finding import Finding
from bmm.sources.openapi.names import ArgumentNames
from bmm.sources.openapi.parameters import Argument
from bmm.sources.openapi.refs import Document, RefError, under
from bmm.sources.openapi.schemas import Converted, Schemas
from bmm.sources.openapi.texts import clean
from runner.contract import Body

# A body that says nothing of being required but whose schema requires members is required in these; authors forget the flag.
_USUALLY_REQUIRED = frozenset({"POST", "PUT", "PATCH"})


class BodyError(Exception):
    """The body cannot be sent yet; `pointer` is where it stands."""

    def __init__(self, message: str, pointer: str, fix: str = "") -> None:
        super().__init__(message)
        self.message, self.pointer, self.fix = message, pointer, fix


def compiled_body(
    node: object, pointer: str, *, method: str, document: Document, schemas: Schemas, names: ArgumentNames
) -> tuple[Body, list[Argument], list[Finding]]:
    """The body and its arguments: the members of a plain JSON object are spread, anything else is one argument.

    Raises:
        BodyError: no media type it names can be sent.
        RefError: a `$ref` leads nowhere usable.
    """
    body, place = document.follow(node, pointer)
    if not isinstance(body, dict) or not isinstance(content := body.get("content"), dict) or not content:
        raise RefError("a request body must have content", place)
    named, media_type = _json_type(content, under(place, "content"))
    inner = content[named]
    schema: object = inner.get("schema", True) if isinstance(inner, dict) else True
    at = under(place, "content", named, "schema")
    required = body.get("required") is True
    spread = schemas.properties(schema, at)
    if spread is not None and (required or not spread[1] or method in _USUALLY_REQUIRED):
        members, needed = spread
        fields = {names.give(name, "body"): name for name in members}
        arguments = [Argument(name=argument, schema=members[name], required=name in needed) for argument, name in fields.items()]
        findings = [] if required or not needed else [_taken_as_required(place)]
        return Body(media_type=media_type, fields=fields, required=required or bool(needed)), arguments, findings
    argument = names.give("body", "request")
    whole = _described(schemas.convert(schema, at), body)
    return Body(media_type=media_type, argument=argument, required=required), [Argument(name=argument, schema=whole, required=required)], []


def _json_type(content: dict[str, object], pointer: str) -> tuple[str, str]:
    """The key under `content` to use, and the media type to send."""
    bare = {name.partition(";")[0].strip().lower(): name for name in reversed(content)}
    if "application/json" in bare:
        return bare["application/json"], "application/json"
    for media_type, name in reversed(bare.items()):
        if media_type.endswith(("+json", "/json")):
            return name, media_type
    for wildcard in ("*/*", "application/*"):
        if wildcard in bare:
            return bare[wildcard], "application/json"
    raise BodyError(f"the body is {' or '.join(content)}; only JSON bodies can be sent so far", pointer, "offer application/json")


def _taken_as_required(pointer: str) -> Finding:
    message = "the body is not marked as required, but its schema requires members; they are asked for"
    return Finding(level="note", pointer=pointer, message=message, fix="say required: true")


def _described(converted: Converted, body: dict[str, object]) -> Converted:
    description = clean(body.get("description"))
    if not description or not isinstance(converted.schema, dict) or "description" in converted.schema:
        return converted
    return Converted({**converted.schema, "description": description}, converted.needs, converted.nodes)
