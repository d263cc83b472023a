"""Parameter Objects -> the parameters of a request and the arguments they take their values from."""

import re
from typing import Literal, get_args

from msgspec import Struct

from bmm.sources.finding import Finding
from bmm.sources.openapi.names import ArgumentNames
from bmm.sources.openapi.refs import Document, RefError, under
from bmm.sources.openapi.schemas import Converted, Schemas
from bmm.sources.openapi.texts import clean
from runner.contract import Parameter

Place = Literal["path", "query", "header", "cookie"]
Style = Literal["simple", "label", "matrix", "form", "spaceDelimited", "pipeDelimited", "deepObject"]

_PLACES: tuple[Place, ...] = get_args(Place)
_STYLES: dict[Place, tuple[Style, ...]] = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
# OpenAPI ignores the first three as parameters; the others frame the message, which is not for a model to do.
_NOT_PARAMETERS = frozenset(
    {"accept", "content-type", "authorization", "cookie", "host", "content-length", "transfer-encoding", "connection", "te", "trailer"}
    | {"upgrade", "expect", "keep-alive", "proxy-authorization", "proxy-connection"}
)
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


def declared(document: Document, levels: list[tuple[object, str]]) -> tuple[list[Declared], list[Finding]]:
    """The parameters of path item and operation; the later level wins where name and place are the same.

    Raises:
        RefError: a `$ref` leads nowhere usable.
    """
    found: dict[tuple[str, str], Declared] = {}
    findings: list[Finding] = []
    for parameters, pointer in levels:
        for number, each in enumerate(parameters if isinstance(parameters, list) else []):
            node, place = document.follow(each, under(pointer, number))
            parameter = _declared(node, place)
            if isinstance(parameter, Finding):
                findings.append(parameter)
            else:
                found[parameter.place, parameter.name] = parameter
    return sorted(found.values(), key=lambda each: _PLACES.index(each.place)), findings


def compiled(each: Declared, schemas: Schemas, names: ArgumentNames) -> tuple[Parameter, Argument, list[Finding]]:
    """The parameter as a request has it, and the argument it takes its value from.

    Raises:
        RefError: a `$ref` in its schema leads nowhere usable.
    """
    argument = names.give(each.name, each.place)
    schema, pointer, content = _schema_of(each)
    style, findings = _style(each)
    explode = each.node.get("explode")
    parameter = Parameter(
        name=each.name,
        place=each.place,
        argument=argument,
        style=None if content else style,
        explode=explode if isinstance(explode, bool) and not content else None,
        allow_reserved=each.place == "query" and each.node.get("allowReserved") is True,
        content=content,
    )
    described = _described(schemas.convert(schema, pointer), each.node)
    required = each.place == "path" or each.node.get("required") is True
    return parameter, Argument(name=argument, schema=described, required=required), findings


def repaired_path(path: str, parameters: list[Declared], pointer: str) -> tuple[list[Declared], list[Finding]]:
    """Path parameters that match the template: a missing one becomes text, a superfluous one is dropped."""
    in_template = list(dict.fromkeys(re.findall(r"\{([^{}]+)\}", path)))
    in_list = {each.name for each in parameters if each.place == "path"}
    findings: list[Finding] = []
    for name in in_template:
        if name not in in_list:
            message = f"the path has {{{name}}}, which is not declared as a parameter; it is taken as text"
            findings.append(Finding(level="warning", pointer=pointer, message=message, fix="declare it with in: path"))
            parameters = [Declared(node={"schema": {"type": "string"}}, pointer=pointer, name=name, place="path"), *parameters]
    for each in parameters:
        if each.place == "path" and each.name not in in_template:
            message = f"the path parameter {each.name!r} does not stand in the path; it is left out"
            findings.append(Finding(level="warning", pointer=each.pointer, message=message))
    return [each for each in parameters if each.place != "path" or each.name in in_template], findings


def _declared(node: object, pointer: str) -> Declared | Finding:
    if not isinstance(node, dict) or not isinstance(node.get("name"), str) or not node["name"]:
        raise RefError("a parameter must be an object with a name", pointer)
    name, place = node["name"], node.get("in")
    if place not in _PLACES:
        raise RefError(f"the parameter {name!r} is in {place!r}, which is none of path, query, header and cookie", pointer)
    if place == "header" and name.lower() in _NOT_PARAMETERS:
        return Finding(level="note", pointer=pointer, message=f"the header {name} is not an argument: the server sets it itself")
    if place in ("header", "cookie") and not _HEADER_NAME.fullmatch(name):
        return Finding(level="warning", pointer=pointer, message=f"{name!r} is not a legal name for a {place}; the parameter is left out")
    return Declared(node=node, pointer=pointer, name=name, place=place)


def _schema_of(each: Declared) -> tuple[object, str, str | None]:
    """The schema, its pointer, and the media type where the value is written in one."""
    content = each.node.get("content")
    if isinstance(content, dict) and content and "schema" not in each.node:
        media_type, inner = next(iter(content.items()))
        schema = inner.get("schema", True) if isinstance(inner, dict) else True
        return schema, under(each.pointer, "content", media_type, "schema"), media_type
    return each.node.get("schema", {"type": "string"}), under(each.pointer, "schema"), None


def _style(each: Declared) -> tuple[Style | None, list[Finding]]:
    style = each.node.get("style")
    if style is None:
        return None, []
    for known in _STYLES[each.place]:
        if style == known:
            return known, []
    message = f"the style {style!r} is not possible for a parameter in {each.place}; the default is used"
    return None, [Finding(level="warning", pointer=under(each.pointer, "style"), message=message)]


def _described(converted: Converted, node: dict[str, object]) -> Converted:
    """The parameter's own description, example and deprecation are about this use; they go before the schema's."""
    extra: dict[str, object] = {}
    if description := clean(node.get("description")):
        extra["description"] = description
    if node.get("deprecated") is True:
        extra["deprecated"] = True
    if "example" in node:
        extra["examples"] = [node["example"]]
    elif isinstance(named := node.get("examples"), dict):
        values = [each["value"] for each in named.values() if isinstance(each, dict) and "value" in each]
        extra |= {"examples": values[:3]} if values else {}
    if not extra:
        return converted
    schema = converted.schema if isinstance(converted.schema, dict) else {}
    return Converted({**schema, **extra}, converted.needs, converted.nodes)
