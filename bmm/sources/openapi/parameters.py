"""Parameter Objects -> the parameters of a request and the arguments they take their values from."""

import re
from typing import Literal, get_args

from msgspec import Struct

from bmm.sources.finding import Remarks
from bmm.sources.openapi.names import ArgumentNames
from bmm.sources.openapi.refs import Document, RefError, under
from bmm.sources.openapi.schemas import MAX_EXAMPLE, ORDERS, Converted, Schemas
from bmm.sources.openapi.texts import MAX_ARGUMENT, clean, gives_orders
from runner.contract import Parameter

Place = Literal["path", "query", "header", "cookie"]
Style = Literal["simple", "label", "matrix", "form", "spaceDelimited", "pipeDelimited", "tabDelimited", "deepObject"]

_PLACES: tuple[Place, ...] = get_args(Place)
_STYLES: dict[Place, tuple[Style, ...]] = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "tabDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
# Swagger 2's `collectionFormat`: the style, and whether each item is a pair of its own.
_COLLECTIONS: dict[str, tuple[Style | None, bool]] = {
    "csv": (None, False), "ssv": ("spaceDelimited", False), "tsv": ("tabDelimited", False), "pipes": ("pipeDelimited", False), "multi": ("form", True),
}  # fmt: skip
# A parameter that has these itself instead of under `schema`: Swagger 2, or OpenAPI 3 written from memory of it.
_SCHEMA_KEYS = frozenset(
    {"type", "format", "items", "enum", "default", "maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum", "maxLength", "minLength"}
    | {"pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "properties", "allOf", "oneOf", "anyOf", "nullable", "$ref"}
)
# OpenAPI ignores the first three as parameters; the others frame the message, which is not for a model to do.
_NOT_PARAMETERS = frozenset(
    {"accept", "content-type", "authorization", "cookie", "host", "content-length", "transfer-encoding", "connection", "te", "trailer"}
    | {"upgrade", "expect", "keep-alive", "proxy-authorization", "proxy-connection"}
)
_MEDIA_RANGE = re.compile(r"[A-Za-z0-9!#$&^_.+*-]+/[A-Za-z0-9!#$&^_.+*-]+( ?[;,][ A-Za-z0-9!#$&^_.+*=\"/;,-]*)?")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Argument(Struct, frozen=True, kw_only=True):
    """One argument of a tool: its name, its schema and whether a call must have it."""

    name: str
    schema: Converted
    required: bool = False


class Declared(Struct, frozen=True, kw_only=True):
    """A Parameter Object, followed through its `$ref`, with the pointer where it stands."""

    node: dict[str, object]
    pointer: str
    name: str
    place: Place


class Moved(Struct, frozen=True, kw_only=True):
    """A parameter of Swagger 2 that is the body, or a field of it."""

    node: dict[str, object]
    pointer: str
    name: str
    place: Literal["body", "formData"]


def declared(document: Document, levels: list[tuple[object, str]]) -> tuple[list[Declared], list[Moved]]:
    """The parameters of path item and operation, and those that describe the body; the later level wins where name and place are the same.

    Raises:
        RefError: a `$ref` leads nowhere usable.
    """
    found: dict[tuple[str, str], Declared] = {}
    moved: dict[tuple[str, str], Moved] = {}
    for parameters, pointer in levels:
        for number, each in enumerate(parameters if isinstance(parameters, list) else []):
            node, place = document.follow(each, under(pointer, number))
            parameter = _declared(node, place, document)
            if isinstance(parameter, Moved):
                moved[parameter.place, "" if parameter.place == "body" else parameter.name] = parameter
            elif parameter is not None:
                found[parameter.place, parameter.name] = parameter
    return sorted(found.values(), key=lambda each: _PLACES.index(each.place)), list(moved.values())


def compiled(each: Declared, schemas: Schemas, names: ArgumentNames, document: Document) -> tuple[Parameter, Argument]:
    """The parameter as a request has it, and the argument it takes its value from.

    Raises:
        RefError: a `$ref` in its schema leads nowhere usable.
    """
    argument = names.give(each.name, each.place)
    schema, pointer, content = _schema_of(each, document)
    style, explode = _style(each, schema, document)
    parameter = Parameter(
        name=each.name,
        place=each.place,
        argument=argument,
        style=None if content else style,
        explode=None if content else explode,
        allow_reserved=each.node.get("allowReserved") is True and each.place in ("query", "path"),
        content=content,
    )
    described = _described(schemas.convert(schema, pointer), each, document)
    required = each.place == "path" or each.node.get("required") in (True, "true")
    return parameter, Argument(name=argument, schema=described, required=required)


def negotiated(each: Declared, document: Document, *, has_body: bool) -> Parameter | None:
    """What becomes of a parameter named Accept or Content-Type, which OpenAPI says to ignore: a fixed value where the document has one.

    APIs that ask for a version or a format this way refuse requests without it.
    """
    schema, pointer, _ = _schema_of(each, document)
    node, _ = document.follow(schema, pointer)
    found = node if isinstance(node, dict) else {}
    choices = found.get("enum")
    values = [each.node.get("example"), found.get("const"), found.get("default"), found.get("example")]
    values += choices if isinstance(choices, list) else []
    given = [value for value in values if isinstance(value, str) and _MEDIA_RANGE.fullmatch(value)]
    if isinstance(choices, list):
        given = [value for value in given if value in choices]
    if each.name.lower() == "accept":
        value = next((value for value in given if "json" in value), given[0] if given else None)
    elif has_body or each.node.get("required") is not True:
        value = None  # the body has its own
    else:
        value = given[0] if given else "application/json"
    if value is None:
        document.remarks.note(each.pointer, f"the header {each.name} is not an argument: the server sets it itself")
        return None
    document.remarks.note(each.pointer, f"the header {each.name} is not an argument: it is always {value!r}")
    return Parameter(name=each.name, place="header", value=value)


def repaired_path(path: str, parameters: list[Declared], pointer: str, remarks: Remarks) -> tuple[str, list[Declared]]:
    """A template and path parameters that match: a missing one becomes text, a superfluous one is dropped.

    `{id:[0-9]+}` and `{name*}`, which routers of several languages know, become `{id}` and `{name}`; `{+name}` (RFC 6570) keeps slashes.
    """
    in_list = {each.name for each in parameters if each.place == "path"}
    keeping: set[str] = set()

    def plain(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in in_list:
            return match.group()
        bare = name.strip().lstrip("+").partition(":")[0].rstrip("*+?").strip()
        if not bare or bare == name:
            return match.group()
        if name.startswith("+") or name.endswith(("*", "+")):
            keeping.add(bare)
        remarks.note(pointer, f"{{{name}}} in the path is read as {{{bare}}}")
        return f"{{{bare}}}"

    path = re.sub(r"\{([^{}]+)\}", plain, path)
    path = _with_braces(path, in_list, pointer, remarks)
    in_template = list(dict.fromkeys(re.findall(r"\{([^{}]+)\}", path)))
    missing = [name for name in in_template if name not in in_list]
    superfluous = [each for each in parameters if each.place == "path" and each.name not in in_template]
    result = [each for each in parameters if each not in superfluous]
    for name in missing:
        same = next((each for each in superfluous if _alike(each.name, name)), None)
        if same is not None or (len(missing) == len(superfluous) == 1 and (same := superfluous[0])):
            superfluous.remove(same)
            result = [Declared(node=same.node, pointer=same.pointer, name=name, place="path"), *result]
            remarks.warn(pointer, f"the path has {{{name}}} where the parameter {same.name!r} is declared; they are taken as one")
            continue
        # Where the name is a query parameter's, its author had the right schema in the wrong place.
        other = next((each for each in parameters if each.name == name and each.place == "query"), None)
        node: dict[str, object] = other.node if other else {"schema": {"type": "string"}}
        if other and other in result:
            result.remove(other)
        result = [Declared(node=node, pointer=other.pointer if other else pointer, name=name, place="path"), *result]
        taken = "in: query is read as in: path" if other else "it is taken as text"
        remarks.warn(pointer, f"the path has {{{name}}}, which is not declared as a path parameter; {taken}", "declare it with in: path")
    for each in superfluous:
        remarks.warn(each.pointer, f"the path parameter {each.name!r} does not stand in the path; it is left out")
    order = {name: number for number, name in enumerate(in_template)}
    result.sort(key=lambda each: order.get(each.name, 0) if each.place == "path" else len(order))
    if keeping:
        kept = {"allowReserved": True}
        result = [
            Declared(node={**each.node, **kept}, pointer=each.pointer, name=each.name, place="path")
            if each.place == "path" and each.name in keeping
            else each
            for each in result
        ]
    return path, result


def _with_braces(path: str, names: set[str], pointer: str, remarks: Remarks) -> str:
    """`/users/:id`, as many routers write it, where `id` is declared as a path parameter and `{id}` does not stand in the path."""

    def braced(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in names or f"{{{name}}}" in path:
            return match.group()
        remarks.note(pointer, f":{name} in the path is read as {{{name}}}")
        return f"/{{{name}}}"

    return re.sub(r"/:([A-Za-z_][\w-]*)(?=/|$)", braced, path)


def _alike(one: str, other: str) -> bool:
    return re.sub(r"[^a-z0-9]", "", one.lower()) == re.sub(r"[^a-z0-9]", "", other.lower())


def _declared(node: object, pointer: str, document: Document) -> Declared | Moved | None:
    remarks = document.remarks
    if not isinstance(node, dict) or not isinstance(node.get("name"), str) or not node["name"]:
        if isinstance(node, dict) and node.get("in") == "body":
            return Moved(node=node, pointer=pointer, name="body", place="body")
        raise RefError("a parameter must be an object with a name", pointer)
    name, place = node["name"], node.get("in")
    if isinstance(place, str) and place.strip().lower() in _PLACES:
        place = place.strip().lower()
    if place in ("body", "formData"):
        if "swagger" not in document.root:
            remarks.warn(pointer, f"in: {place} belongs to Swagger 2; it is read as the request body")
        return Moved(node=node, pointer=pointer, name=name, place=place)
    if place == "querystring":
        return _query_string(node, pointer, name, remarks)
    if place not in _PLACES:
        raise RefError(f"the parameter {name!r} is in {place!r}, which is none of path, query, header and cookie", pointer)
    if place == "header" and name.lower() in _NOT_PARAMETERS:
        if name.lower() not in ("authorization", "accept", "content-type"):  # what becomes of these is decided with the whole operation
            remarks.note(pointer, f"the header {name} is not an argument: the server sets it itself")
            return None
    elif place in ("header", "cookie") and not _HEADER_NAME.fullmatch(name):
        remarks.warn(pointer, f"{name!r} is not a legal name for a {place}; the parameter is left out")
        return None
    return Declared(node=node, pointer=pointer, name=name, place=place)


def _query_string(node: dict[str, object], pointer: str, name: str, remarks: Remarks) -> Declared | None:
    """OpenAPI 3.2: the whole query as one value. As a form it is an exploded object; nothing else is written this way."""
    content = node.get("content")
    form = content.get("application/x-www-form-urlencoded") if isinstance(content, dict) else None
    if not isinstance(form, dict):
        remarks.warn(pointer, f"the query string {name!r} is not a form; it is left out")
        return None
    inner: dict[str, object] = {key: node[key] for key in ("description", "required", "deprecated", "example", "examples") if key in node}
    schema: object = form.get("schema", {"type": "object"})
    exploded: dict[str, object] = {**inner, "schema": schema, "style": "form", "explode": True}
    return Declared(node=exploded, pointer=pointer, name=name, place="query")


def _schema_of(each: Declared, document: Document) -> tuple[object, str, str | None]:
    """The schema, its pointer, and the media type where the value is written in one."""
    content = each.node.get("content")
    if isinstance(content, dict) and content and "schema" not in each.node:
        media_type, inner = next(iter(content.items()))
        schema = inner.get("schema", True) if isinstance(inner, dict) else True
        return schema, under(each.pointer, "content", media_type, "schema"), media_type
    if "schema" in each.node:
        return each.node["schema"], under(each.pointer, "schema"), None
    own = {key: value for key, value in each.node.items() if key in _SCHEMA_KEYS}
    if not own:
        return {"type": "string"}, each.pointer, None
    if "swagger" not in document.root:
        document.remarks.note(
            each.pointer, f"the parameter {each.name!r} has its type beside `schema` instead of in it; it is read as its schema"
        )
    return own, each.pointer, None


def _style(each: Declared, schema: object, document: Document) -> tuple[Style | None, bool | None]:
    style, explode = each.node.get("style"), each.node.get("explode")
    exploded = explode if isinstance(explode, bool) else None
    if style is None:
        given = each.node.get("collectionFormat")
        if "swagger" in document.root or given is not None:
            return _collection(each, schema, given, document)
        return None, exploded
    for known in _STYLES[each.place]:
        if style == known:
            return known, exploded
    message = f"the style {style!r} is not possible for a parameter in {each.place}; the default is used"
    document.remarks.warn(under(each.pointer, "style"), message)
    return None, exploded


def _collection(each: Declared, schema: object, given: object, document: Document) -> tuple[Style | None, bool | None]:
    if not isinstance(schema, dict) or schema.get("type") != "array":
        return None, None
    if given is not None and given not in _COLLECTIONS:
        message = f"the collectionFormat {given!r} is not known; csv is used"
        document.remarks.warn(under(each.pointer, "collectionFormat"), message)
    style, explode = _COLLECTIONS.get(str(given), (None, False))
    if each.place in ("query", "cookie"):
        return style, explode
    if style is not None:
        message = f"the collectionFormat {given!r} is not possible in {each.place}; csv is used"
        document.remarks.warn(under(each.pointer, "collectionFormat"), message)
    return None, None


def _described(converted: Converted, each: Declared, document: Document) -> Converted:
    """The parameter's own description, example and deprecation are about this use; they go before the schema's."""
    node = each.node
    extra: dict[str, object] = {}
    if gives_orders(node.get("description")):
        document.remarks.warn(under(each.pointer, "description"), ORDERS)
    if description := clean(node.get("description"), MAX_ARGUMENT):
        extra["description"] = description
    if node.get("deprecated") is True:
        extra["deprecated"] = True
    if "example" in node:
        extra["examples"] = [node["example"]]
    elif isinstance(named := node.get("examples"), dict):
        values = [each["value"] for each in named.values() if isinstance(each, dict) and "value" in each]
        extra |= {"examples": values[:3]} if values else {}
    if "examples" in extra:
        extra["examples"] = [value for value in extra["examples"] if len(str(value)) <= MAX_EXAMPLE and value not in ("", None)]  # type: ignore[attr-defined]
        if not extra["examples"]:
            del extra["examples"]
    if not extra:
        return converted
    schema = converted.schema if isinstance(converted.schema, dict) else {}
    return Converted({**schema, **extra}, converted.needs, converted.nodes)
