"""One operation of a document -> one `HttpTool`."""

import re
from collections.abc import Iterator
from typing import Literal, get_args

import msgspec
from msgspec import Struct

from bmm.sources.finding import Remarks
from bmm.sources.openapi.bodies import BodyError, compiled_body, is_empty, moved, offered
from bmm.sources.openapi.names import ArgumentNames
from bmm.sources.openapi.paging import gives_links, list_of, paging_of
from bmm.sources.openapi.parameters import Argument, compiled, declared, negotiated, repaired_path
from bmm.sources.openapi.pins import pinned_value
from bmm.sources.openapi.pruned import pruned
from bmm.sources.openapi.refs import Document, RefError, under
from bmm.sources.openapi.responses import MAX_OUTPUT, Outputs, Response, TooLarge, is_stream, response_of
from bmm.sources.openapi.schemas import MAX_INLINE, MAX_NODES, ORDERS, Converted, Schemas
from bmm.sources.openapi.security import Auth, Security
from bmm.sources.openapi.servers import Servers
from bmm.sources.openapi.signin import without_credentials
from bmm.sources.openapi.swagger import servers_of
from bmm.sources.openapi.texts import MAX_DESCRIPTION, gives_orders, one_line, sentence_of, shorten
from runner.contract import Annotations, Answer, Body, HttpTool, JsonSchema, Paging, Parameter

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"]

METHODS: tuple[Method, ...] = get_args(Method)
READING = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
NEXT_LINK = "next_link"
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY"})
_DESTROYING_READ = re.compile(r"(?i)[./_-](delete|remove|destroy|purge|revoke|uninstall|terminate|wipe|erase)$")
_DESTROYING = re.compile(r"(?i)(?<![a-z])(delete|remove|destroy|purge|cancel|revoke|reset|drop|clear|terminate|wipe|erase|archive|close)")


class Operation(Struct, frozen=True, kw_only=True):
    """An Operation Object where it stands, together with its path item."""

    method: Method
    path: str
    node: dict[str, object]
    pointer: str
    item: dict[str, object]
    item_pointer: str

    @property
    def operation_id(self) -> str | None:
        found = self.node.get("operationId")
        return found if isinstance(found, str) and found.strip() else None


class Context(Struct, frozen=True, kw_only=True):
    """What all operations of a document share; `shared` writes every component under `$defs`; `used` are the pins that fitted, `picked` the picks."""

    document: Document
    servers: Servers
    security: Security
    schemas: Schemas
    shared: Schemas
    outputs: Outputs
    pins: dict[str, str] = {}
    picks: dict[str, tuple[str, ...]] = {}
    used: set[str] = msgspec.field(default_factory=set)
    picked: set[str] = msgspec.field(default_factory=set)


def operations_of(document: Document) -> list[Operation]:
    """Every operation under `paths`, in the document's order; what is not one becomes a finding."""
    paths = document.root.get("paths")
    found: list[Operation] = []
    for path, node in paths.items() if isinstance(paths, dict) else ():
        pointer = under("/paths", path)
        if path.startswith("x-"):
            continue
        try:
            target, place = document.follow(node, pointer)
        except RefError as error:
            document.remarks.error(error.pointer, f"{error.message}; the path is skipped")
            continue
        if not isinstance(target, dict):
            document.remarks.error(pointer, "a path item must be an object; the path is skipped")
            continue
        # Beside a `$ref`, 3.1 lets a path item have fields of its own.
        item = {**target, **node} if isinstance(node, dict) and target is not node else target
        found += _in_item(item, place, path, document)
    return found


def _in_item(item: dict[str, object], place: str, path: str, document: Document) -> Iterator[Operation]:
    named = {key.lower(): key for key in item}
    for method in METHODS:
        key = named.get(method.lower())
        if key is None:
            continue
        operation, at = item[key], under(place, key)
        if isinstance(operation, dict):
            yield Operation(method=method, path=path, node=operation, pointer=at, item=item, item_pointer=place)
        elif operation is not None:
            document.remarks.error(at, "an operation must be an object; it is skipped")
    others = item.get("additionalOperations")
    for name, operation in others.items() if isinstance(others, dict) else ():
        at = under(place, "additionalOperations", name)
        known = next((method for method in METHODS if method == name.upper()), None)
        if known is None or not isinstance(operation, dict):
            document.remarks.error(at, f"the method {name!r} cannot be sent; the operation is skipped")
        else:
            yield Operation(method=known, path=path, node=operation, pointer=at, item=item, item_pointer=place)


def compile_operation(operation: Operation, name: str, context: Context) -> HttpTool:
    """The tool of one operation.

    Raises:
        RefError, ServerError, SecurityError, BodyError: the operation cannot become a tool.
    """
    node, pointer, remarks = operation.node, operation.pointer, context.document.remarks
    path = _clean_path(operation.path, operation.item_pointer, remarks)
    server = context.servers.for_operation(*_servers(operation, context.document))
    auth = context.security.for_operation(node.get("security"), pointer, server=server)
    parts = _parts(operation, path, context, auth=auth, schemas=context.schemas)
    response = response_of(node, pointer, context.document)
    paging = paging_of(operation.method, parts.parameters, response, context.document)
    if paging is None and operation.method == "GET" and gives_links(response):
        paging = Paging(kind="link", argument=parts.names.give(NEXT_LINK, "answer"), items=list_of(response, context.document))
    linked = [_link_argument(paging.argument)] if paging is not None and paging.kind == "link" else []
    schema, size = _input_schema([*parts.arguments, *linked], context.schemas)
    if size > MAX_INLINE:
        parts = _parts(operation, path, context, auth=auth, schemas=context.shared)
        schema, size = _input_schema([*parts.arguments, *linked], context.shared)
        if size > MAX_NODES:
            schema = _pruned([*parts.arguments, *linked], context.shared)
            message = (
                f"its arguments consist of more than {MAX_NODES:,} schemas; up to {MAX_INLINE:,}, the nearest to the top, are published"
            )
            remarks.warn(pointer, f"{message}, below them only what is required")
    if is_stream(node, context.document):
        remarks.note(under(pointer, "responses"), "the answer is a stream; it is read to its end, as far as time and size allow")
    marks = annotations(operation)
    return HttpTool(
        name=name,
        title=one_line(node.get("summary"), 120) or None,
        description=_description(operation, path, parts.arguments, remarks),
        input_schema=schema,
        output_schema=_output_schema(response, operation, context),
        annotations=marks,
        scopes=("read",) if marks.read_only else ("write",),
        method=operation.method,
        server=server,
        path=parts.path,
        parameters=tuple(parts.parameters),
        body=parts.body,
        auth=parts.auth,
        answer=Answer(paging=paging),
        retry=_may_repeat(operation.method, parts),
    )


def _output_schema(response: Response | None, operation: Operation, context: Context) -> JsonSchema | None:
    if response is None or not response.always or operation.method == "HEAD":
        return None
    try:
        return context.outputs.schema(response)
    except TooLarge:
        message = f"the schema of its answer is larger than {MAX_OUTPUT:,} bytes; it is left out of the tool"
        context.document.remarks.note(response.pointer, message)
        return None


def _may_repeat(method: str, parts: "_Parts") -> bool:
    """By its method (RFC 9110 section 9.2.2), or because a key that every call must have tells the API that it is the same request."""
    if method in _REPEATABLE:
        return True
    needed = {each.name for each in parts.arguments if each.required}
    return any(
        each.place == "header" and each.argument in needed and re.sub(r"^x-", "", each.name.lower()) == "idempotency-key"
        for each in parts.parameters
    )


def _link_argument(name: str) -> Argument:
    about = "The address of the next page, as the last answer gave it; all other arguments stay the same."
    return Argument(name=name, schema=Converted({"type": "string", "description": about}))


def _description(operation: Operation, path: str, arguments: list[Argument], remarks: Remarks) -> str:
    node = operation.node
    for key in ("summary", "description"):
        if gives_orders(node.get(key)):
            remarks.warn(under(operation.pointer, key), ORDERS)
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", operation.operation_id or "")
    plain = f"{operation.method} {path}"
    otherwise = f"{' '.join(words).capitalize()} ({plain})." if len(words) > 1 else plain
    needed = [each.name for each in arguments if each.required]
    if needed and len(words) > 1:
        otherwise += f" Needs {', '.join(needed[:8])}."
    text = sentence_of(node.get("summary"), node.get("description"), otherwise=otherwise)
    return shorten(f"Deprecated. {text}", MAX_DESCRIPTION) if node.get("deprecated") is True else text


def annotations(operation: Operation) -> Annotations:
    """What the method promises (RFC 9110 section 9.2).

    POST adds something in most APIs, so it is not marked destructive, unless the operation's name says that it destroys: the hint
    decides whether people are asked before each call, and a wrong "not destructive" costs more than one question. PUT and PATCH
    overwrite what was there, which the protocol counts as destructive.
    """
    if operation.method in READING:
        if _DESTROYING_READ.search(operation.path.rstrip("/")):
            return Annotations(destructive=True)  # `GET /auth.revoke`: some APIs do everything with GET
        return Annotations(read_only=True, destructive=False, idempotent=True)
    if operation.method == "POST":
        last = operation.path.rstrip("/").rpartition("/")[2]
        words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", f"{operation.operation_id or ''} {last}")
        return Annotations(destructive=_DESTROYING.search(words) is not None)
    return Annotations(destructive=True, idempotent=operation.method in ("PUT", "DELETE"))


class _Parts(Struct, kw_only=True):
    path: str
    auth: Auth
    parameters: list[Parameter]
    arguments: list[Argument]
    names: ArgumentNames
    body: Body | None = None


def _parts(operation: Operation, path: str, context: Context, *, auth: Auth, schemas: Schemas) -> _Parts:
    document, pins = context.document, context.pins
    found, body_parameters = declared(document, _levels(operation))
    path, found = repaired_path(path, found, operation.item_pointer, document.remarks)
    found, auth = without_credentials(found, auth, context.security, document)
    parts = _Parts(path=path, auth=auth, parameters=[], arguments=[], names=ArgumentNames())
    for each in found:
        place = each.place, each.name.lower()
        if place in (("header", "accept"), ("header", "content-type")):
            has_body = bool(body_parameters) or operation.node.get("requestBody") is not None
            if (constant := negotiated(each, document, has_body=has_body)) is not None:
                parts.parameters.append(constant)
            continue
        parameter, argument = compiled(each, schemas, parts.names, document)
        if each.name in pins:
            context.used.add(each.name)
            value = pinned_value(each.name, pins[each.name], argument.schema.schema)
            parts.parameters.append(msgspec.structs.replace(parameter, argument=None, value=value))
            continue
        parts.parameters.append(parameter)
        parts.arguments.append(argument)
    offer = moved(body_parameters, operation.node.get("consumes", document.root.get("consumes")))
    if operation.node.get("requestBody") is not None:
        offer = offered(operation.node["requestBody"], under(operation.pointer, "requestBody"), document) or offer
    if offer is not None and operation.method in ("HEAD", "TRACE"):
        if offer.required:
            raise BodyError(f"it requires a body, and a {operation.method} request has none", offer.pointer)
        document.remarks.note(offer.pointer, f"a {operation.method} request has no body; it is left out")
        return parts
    if offer is not None and not is_empty(offer, document):
        parts.body, arguments, fixed = compiled_body(
            offer, method=operation.method, document=document, schemas=schemas, names=parts.names, pins=pins
        )
        parts.arguments += arguments
        if fixed:
            context.used.update(fixed)
            values = {name: pinned_value(name, pins[name], schema.schema) for name, schema in fixed.items()}
            parts.body = msgspec.structs.replace(parts.body, fixed=values)
    return parts


def _servers(operation: Operation, document: Document) -> list[tuple[object, str]]:
    """The `servers` of operation and path item, or Swagger 2's `schemes` of the operation, with their pointers."""
    if "swagger" in document.root:
        schemes = operation.node.get("schemes")
        return [(servers_of(document.root, schemes), under(operation.pointer, "schemes"))] if isinstance(schemes, list) else []
    levels = (operation.node, operation.pointer), (operation.item, operation.item_pointer)
    return [(node.get("servers"), under(place, "servers")) for node, place in levels]


def _levels(operation: Operation) -> list[tuple[object, str]]:
    levels = (operation.item, operation.item_pointer), (operation.node, operation.pointer)
    return [(node.get("parameters"), under(place, "parameters")) for node, place in levels]


def _input_schema(arguments: list[Argument], schemas: Schemas) -> tuple[JsonSchema, int]:
    """The schema of a tool's arguments, and how many schemas it consists of."""
    needs: frozenset[str] = frozenset().union(*(argument.schema.needs for argument in arguments)) if arguments else frozenset()
    size = sum(argument.schema.nodes for argument in arguments)
    size += schemas.size(needs, enough=MAX_NODES)
    if size > MAX_NODES:
        return {}, size
    schema = _object({argument.name: argument.schema.schema for argument in arguments}, arguments)
    if needs:
        schema["$defs"] = schemas.definitions(needs)
    return schema, size


def _pruned(arguments: list[Argument], schemas: Schemas) -> JsonSchema:
    return _object(pruned({each.name: each.schema.schema for each in arguments}, schemas.definition, limit=MAX_INLINE), arguments)


def _object(properties: JsonSchema, arguments: list[Argument]) -> JsonSchema:
    required = [argument.name for argument in arguments if argument.required]
    return {"type": "object", "properties": properties, **({"required": required} if required else {}), "additionalProperties": False}


def _clean_path(path: str, pointer: str, remarks: Remarks) -> str:
    """The path template without a fragment, which some documents use to tell operations apart and no server ever sees."""
    plain = path.partition("#")[0].strip()
    if "://" in plain.partition("?")[0].partition("{")[0]:
        raise RefError(f"the path {path!r} is a whole URL", pointer)
    if not plain.startswith("/"):
        remarks.note(pointer, f"the path {path!r} does not begin with a slash; it is added")
        plain = f"/{plain}"
    if any(segment in (".", "..") for segment in plain.partition("?")[0].split("/")):
        raise RefError(f"the path {path!r} must not have . or .. as a segment", pointer)
    if plain.count("{") != plain.count("}") or re.search(r"\{[^{}]*[{/]|\{\}", plain):
        raise RefError(f"the braces in the path {path!r} do not match", pointer)
    return plain
