"""An OpenAPI or Swagger document -> a `ServerSpec`: each operation becomes a tool, each remark a finding."""

from urllib.parse import urljoin

import msgspec
from jsonschema_rs import Draft202012Validator

from bmm.errors import BadInput
from bmm.sources.finding import Compiled, Finding, Remarks, UnusableDocument
from bmm.sources.openapi.bodies import BodyError
from bmm.sources.openapi.choose import chosen, explained, ranked
from bmm.sources.openapi.load import load
from bmm.sources.openapi.names import tool_names
from bmm.sources.openapi.operations import Context, Operation, compile_operation, operations_of
from bmm.sources.openapi.options import Options, OptionsUnused
from bmm.sources.openapi.picks import slips
from bmm.sources.openapi.refs import Document, RefError, under
from bmm.sources.openapi.responses import Outputs
from bmm.sources.openapi.schemas import ORDERS, Schemas
from bmm.sources.openapi.security import Security, SecurityError
from bmm.sources.openapi.servers import ServerError, Servers, ServerVarError, allowed_hosts
from bmm.sources.openapi.swagger import servers_of
from bmm.sources.openapi.texts import clean, gives_orders, one_line
from runner.contract import MAX_HOSTS, MAX_TOOLS, HttpTool, Scope, ServerSpec, SpecError, decode_spec

__all__ = ["compile_openapi"]

_VERSIONS = ("2.0", "3.0", "3.1", "3.2")
_BROKEN = (RefError, ServerError, SecurityError, BodyError)


def compile_openapi(
    data: bytes, *, location: str | None = None, server: str | None = None, name: str | None = None, options: Options | None = None
) -> Compiled:
    """The spec of an OpenAPI or Swagger document.

    `location` is the URL the document came from, against which relative server URLs are resolved. `server` and `name` are short for
    those of `options`.

    Raises:
        UnusableDocument: nothing can be made of it; names the line (syntax) or the pointer (content).
        BadInput: an option does not fit the document.
    """
    options = options or Options()
    options = msgspec.structs.replace(options, server=server or options.server, name=name or options.name)
    root, findings = load(data, limit=options.max_bytes)
    remarks = Remarks()
    remarks.add(findings)
    document = Document(_checked_root(root), remarks)
    info = document.root.get("info")
    about = info if isinstance(info, dict) else {}
    title = options.name or one_line(about.get("title"), 80) or "API"
    if gives_orders(about.get("description")):
        remarks.warn("/info/description", ORDERS)
    context = _context(document, options, title=title, location=location)
    operations = operations_of(document)
    if not operations:
        raise UnusableDocument("The document has no operations", pointer="/paths", findings=remarks.all())
    tools = _tools(operations, context, options)
    if not tools:
        raise _nothing_usable(remarks.all())
    _every_option_fitted(context, options)
    spec = ServerSpec(
        name=title[:80],
        description=clean(about.get("description")),
        tools=tuple(tools),
        secrets=context.security.secrets(tools),
        hosts=allowed_hosts(tools),
        scopes=_scopes(tools, title),
    )
    return Compiled(spec=_checked_spec(spec, remarks.all()), findings=remarks.all())


def _context(document: Document, options: Options, *, title: str, location: str | None) -> Context:
    itself = document.root.get("$self")
    if isinstance(itself, str) and itself.strip():
        location = urljoin(location or "", itself.strip())  # OpenAPI 3.2: the document says where it is at home
        location = location if "://" in location else None
    root = servers_of(document.root) if "swagger" in document.root else document.root.get("servers")
    try:
        servers = Servers(document, root=root, location=location, override=options.server, variables=options.server_vars)
    except ServerError as error:
        raise UnusableDocument(f"--server {options.server}: {error.message}; {error.fix}") from error
    return Context(
        document=document,
        servers=servers,
        security=Security(document, title=title),
        schemas=Schemas(document),
        shared=Schemas(document, shared=True),
        outputs=Outputs(document),
        pins=options.pins,
        picks=options.picks,
    )


def _checked_root(root: object) -> dict[str, object]:
    if not isinstance(root, dict):
        raise UnusableDocument("This is not an OpenAPI document: it is not an object with `openapi`, `info` and `paths`.")
    key = "openapi" if "openapi" in root else "swagger"
    version = str(root.get(key, "")).strip().lower().removeprefix("v")
    if not version:
        raise UnusableDocument("This is not an OpenAPI document: it has no `openapi` or `swagger` with a version.")
    version = f"{version}.0" if version in ("2", "3") else version
    if not version.startswith(_VERSIONS):
        raise UnusableDocument(f"OpenAPI {version!r} is not supported; {', '.join(_VERSIONS)} are", pointer=f"/{key}")
    return {key: value for key, value in root.items() if key != "swagger"} if "openapi" in root and "swagger" in root else root


def _tools(operations: list[Operation], context: Context, options: Options) -> list[HttpTool]:
    remarks = context.document.remarks
    _repeated_ids(operations, remarks)
    names = tool_names((each.operation_id, each.method, each.path) for each in operations)
    asked = chosen(list(zip(operations, names, strict=True)), options, remarks)
    limit = max(1, min(options.max_tools, MAX_TOOLS))
    made: dict[int, HttpTool] = {}
    for number in ranked(asked) if len(asked) > limit else range(len(asked)):
        if len(made) == limit:
            break
        operation, name = asked[number]
        if (tool := _tool(operation, name, context)) is not None:
            made[number] = tool
    if len(asked) > limit:
        remarks.warn("/paths", *explained(asked, len(made)))
    return [made[number] for number in sorted(made)]


def _tool(operation: Operation, name: str, context: Context) -> HttpTool | None:
    """The tool, or None with a finding."""
    remarks = context.document.remarks
    try:
        tool = compile_operation(operation, name, context)
        msgspec.json.encode(tool)  # half a surrogate pair in a name cannot be encoded
        Draft202012Validator(tool.input_schema)
    except _BROKEN as error:
        remarks.error(error.pointer or operation.pointer, _skipped(error.message, name), getattr(error, "fix", ""))
    except ServerVarError as error:
        raise BadInput(error.message, pointer=error.pointer) from error
    except RecursionError:
        remarks.error(operation.pointer, _skipped("its schemas are nested too deeply", name))
    except UnicodeEncodeError:
        remarks.error(operation.pointer, _skipped("it holds text that is not valid Unicode", name))
    except ValueError as error:
        reason = f"its arguments have no usable schema ({str(error).splitlines()[0][:200]})"
        remarks.error(operation.pointer, _skipped(reason, name))
    else:
        if operation.operation_id not in (None, name):
            message = f"the operationId {operation.operation_id!r} is taken or not a legal tool name; the tool is called {name}"
            remarks.note(operation.pointer, message)
        return _picked(tool, operation, context)
    return None


def _picked(tool: HttpTool, operation: Operation, context: Context) -> HttpTool:
    named = [each for each in (tool.name, operation.operation_id) if each is not None and each in context.picks]
    if not named:
        return tool
    context.picked.update(named)
    pointers = context.picks[named[0]]
    for message, fix in slips(named[0], pointers, tool.output_schema):
        context.document.remarks.warn(operation.pointer, message, fix)
    return msgspec.structs.replace(tool, answer=msgspec.structs.replace(tool.answer, pick=pointers))


def _repeated_ids(operations: list[Operation], remarks: Remarks) -> None:
    first: dict[str, str] = {}
    for each in operations:
        if each.operation_id is not None and first.setdefault(each.operation_id, each.pointer) != each.pointer:
            message = f"the operationId {each.operation_id!r} is that of another operation; its tool gets a name of its own"
            remarks.warn(under(each.pointer, "operationId"), message, "give each operation an id of its own")


def _every_option_fitted(context: Context, options: Options) -> None:
    pins = options.pins.keys() - context.used
    picks = options.picks.keys() - context.picked
    variables = options.server_vars.keys() - context.servers.used if options.server is None else set()
    if pins or picks or variables:
        raise OptionsUnused(pins=pins, picks=picks, variables=variables)


def _skipped(message: str, name: str) -> str:
    return f"{message}; the operation {name} is skipped"


def _scopes(tools: list[HttpTool], title: str) -> tuple[Scope, ...]:
    described = {"read": f"Read data from {title}", "write": f"Create, change and delete data in {title}"}
    used = {scope for tool in tools for scope in tool.scopes}
    return tuple(Scope(name=scope, description=sentence) for scope, sentence in described.items() if scope in used)


def _checked_spec(spec: ServerSpec, findings: tuple[Finding, ...]) -> ServerSpec:
    if len(spec.hosts) > MAX_HOSTS:
        message = f"The document calls {len(spec.hosts)} hosts; a server may call {MAX_HOSTS}. Pass --server to use one"
        raise UnusableDocument(message, pointer="/servers", findings=findings)
    try:
        # The schemas have been checked one by one; written out, those of a large document would be hundreds of megabytes.
        light = tuple(msgspec.structs.replace(tool, input_schema={"type": "object"}, output_schema=None) for tool in spec.tools)
        decode_spec(msgspec.json.encode(msgspec.structs.replace(spec, tools=light)))
    except (SpecError, ValueError, RecursionError) as error:
        raise UnusableDocument(f"No valid spec comes out of this document: {error}", findings=findings) from error
    return spec


def _nothing_usable(findings: tuple[Finding, ...]) -> UnusableDocument:
    reasons = {
        (each.pointer, reason): Finding(level="error", pointer=each.pointer, message=reason, fix=each.fix)
        for each in findings
        if each.level == "error"
        for reason in [each.message.partition("; the operation")[0]]
    }
    first = next(iter(reasons.values()))
    sentence = f"No operation can be used: {first.message}{f'; {first.fix}' if first.fix else ''}"
    return UnusableDocument(sentence, pointer=first.pointer, findings=tuple(reasons.values()) if len(reasons) > 1 else ())
