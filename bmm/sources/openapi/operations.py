"""One operation of a document -> one `HttpTool`."""

import re
from typing import Literal, get_args

from msgspec import Struct

from bmm.sources.finding import Finding
from bmm.sources.openapi.bodies import compiled_body
from bmm.sources.openapi.names import ArgumentNames
from bmm.sources.openapi.parameters import Argument, compiled, declared, repaired_path
from bmm.sources.openapi.refs import Document, RefError, under
from bmm.sources.openapi.schemas import MAX_NODES, Converted, Schemas
from bmm.sources.openapi.security import Security, credential_places
from bmm.sources.openapi.servers import Servers
from bmm.sources.openapi.texts import one_line, sentence_of
from runner.contract import Annotations, Body, HttpTool, JsonSchema, Parameter

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"]

METHODS: tuple[Method, ...] = get_args(Method)
READING = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})
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
    """What all operations of a document share; `shared` writes every component under `$defs`."""

    document: Document
    servers: Servers
    security: Security
    schemas: Schemas
    shared: Schemas


def operations_of(document: Document, findings: list[Finding]) -> list[Operation]:
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
            findings.append(Finding(level="error", pointer=error.pointer, message=f"{error.message}; the path is skipped"))
            continue
        if not isinstance(target, dict):
            findings.append(Finding(level="error", pointer=pointer, message="a path item must be an object; the path is skipped"))
            continue
        # Beside a `$ref`, 3.1 lets a path item have fields of its own.
        item = {**target, **node} if isinstance(node, dict) and target is not node else target
        for method in METHODS:
            operation = item.get(method.lower())
            at = under(place, method.lower())
            if isinstance(operation, dict):
                found.append(Operation(method=method, path=path, node=operation, pointer=at, item=item, item_pointer=place))
            elif operation is not None:
                findings.append(Finding(level="error", pointer=at, message="an operation must be an object; it is skipped"))
    return found


def compile_operation(operation: Operation, name: str, context: Context) -> tuple[HttpTool, list[Finding]]:
    """The tool of one operation.

    Raises:
        RefError, ServerError, SecurityError, BodyError: the operation cannot become a tool.
    """
    node, pointer = operation.node, operation.pointer
    path = _clean_path(operation.path, operation.item_pointer)
    server = context.servers.for_operation(
        (node.get("servers"), under(pointer, "servers")), (operation.item.get("servers"), under(operation.item_pointer, "servers"))
    )
    auth, findings = context.security.for_operation(node.get("security"), pointer)
    parts, more = _parts(operation, path, context, auth_places=credential_places(auth), schemas=context.schemas)
    schema, size = _input_schema(parts.arguments, context.schemas)
    if size > MAX_NODES:
        parts, more = _parts(operation, path, context, auth_places=credential_places(auth), schemas=context.shared)
        schema, size = _input_schema(parts.arguments, context.shared)
        if size > MAX_NODES:
            schema = _outline(parts.arguments)
            message = f"its arguments consist of {size:,} schemas; only their names and types are published"
            more.append(Finding(level="warning", pointer=pointer, message=message))
    tool = HttpTool(
        name=name,
        title=one_line(node.get("summary"), 120) or None,
        description=sentence_of(node.get("summary"), node.get("description"), otherwise=f"{operation.method} {operation.path}"),
        input_schema=schema,
        annotations=annotations(operation),
        scopes=("read",) if operation.method in READING else ("write",),
        method=operation.method,
        server=server,
        path=path,
        parameters=tuple(parts.parameters),
        body=parts.body,
        auth=auth,
    )
    return tool, findings + more


def annotations(operation: Operation) -> Annotations:
    """What the method promises (RFC 9110 section 9.2).

    POST adds something in most APIs, so it is not marked destructive, unless the operation's name says that it destroys: the hint
    decides whether people are asked before each call, and a wrong "not destructive" costs more than one question. PUT and PATCH
    overwrite what was there, which the protocol counts as destructive.
    """
    if operation.method in READING:
        return Annotations(read_only=True, destructive=False, idempotent=True)
    if operation.method == "POST":
        last = operation.path.rstrip("/").rpartition("/")[2]
        words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", f"{operation.operation_id or ''} {last}")
        return Annotations(destructive=_DESTROYING.search(words) is not None)
    return Annotations(destructive=True, idempotent=operation.method in ("PUT", "DELETE"))


class _Parts(Struct, kw_only=True):
    parameters: list[Parameter]
    arguments: list[Argument]
    body: Body | None = None


def _parts(
    operation: Operation, path: str, context: Context, *, auth_places: set[tuple[str, str]], schemas: Schemas
) -> tuple[_Parts, list[Finding]]:
    levels = [(node.get("parameters"), under(place, "parameters")) for node, place in _levels(operation)]
    found, findings = declared(context.document, levels)
    found, more = repaired_path(path, found, operation.item_pointer)
    findings += more
    names = ArgumentNames()
    parts = _Parts(parameters=[], arguments=[])
    for each in found:
        if (each.place, each.name.lower() if each.place == "header" else each.name) in auth_places:
            continue  # the credential is sent there
        parameter, argument, more = compiled(each, schemas, names)
        parts.parameters.append(parameter)
        parts.arguments.append(argument)
        findings += more
    if operation.node.get("requestBody") is not None and operation.method not in ("HEAD", "TRACE"):
        node, pointer = operation.node["requestBody"], under(operation.pointer, "requestBody")
        parts.body, arguments, more = compiled_body(
            node, pointer, method=operation.method, document=context.document, schemas=schemas, names=names
        )
        parts.arguments += arguments
        findings += more
    return parts, findings


def _levels(operation: Operation) -> list[tuple[dict[str, object], str]]:
    return [(operation.item, operation.item_pointer), (operation.node, operation.pointer)]


def _input_schema(arguments: list[Argument], schemas: Schemas) -> tuple[JsonSchema, int]:
    """The schema of a tool's arguments, and how many schemas it consists of."""
    needs: frozenset[str] = frozenset().union(*(argument.schema.needs for argument in arguments)) if arguments else frozenset()
    size = schemas.size(Converted({}, needs)) + sum(argument.schema.nodes for argument in arguments)
    if size > MAX_NODES:
        return {}, size
    schema = _object({argument.name: argument.schema.schema for argument in arguments}, arguments)
    if needs:
        schema["$defs"] = schemas.definitions(needs)
    return schema, size


def _outline(arguments: list[Argument]) -> JsonSchema:
    """Names, types and descriptions only."""
    kept = ("type", "description", "title")
    return _object(
        {
            each.name: {key: each.schema.schema[key] for key in kept if key in each.schema.schema}
            if isinstance(each.schema.schema, dict)
            else True
            for each in arguments
        },
        arguments,
    )


def _object(properties: JsonSchema, arguments: list[Argument]) -> JsonSchema:
    required = [argument.name for argument in arguments if argument.required]
    return {"type": "object", "properties": properties, **({"required": required} if required else {}), "additionalProperties": False}


def _clean_path(path: str, pointer: str) -> str:
    """The path template without a fragment, which some documents use to tell operations apart and no server ever sees."""
    plain = path.partition("#")[0]
    if not plain.startswith("/"):
        raise RefError(f"the path {path!r} must begin with a slash", pointer)
    if any(segment in (".", "..") for segment in plain.partition("?")[0].split("/")):
        raise RefError(f"the path {path!r} must not have . or .. as a segment", pointer)
    if plain.count("{") != plain.count("}") or re.search(r"\{[^{}]*[{/]|\{\}", plain):
        raise RefError(f"the braces in the path {path!r} do not match", pointer)
    return plain
