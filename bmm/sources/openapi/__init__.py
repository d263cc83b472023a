"""An OpenAPI 3 document -> a `ServerSpec`: each operation becomes a tool, each remark a finding."""

import msgspec
from jsonschema_rs import Draft202012Validator

from bmm.sources.finding import Compiled, Finding, UnusableDocument
from bmm.sources.openapi.bodies import BodyError
from bmm.sources.openapi.load import load
from bmm.sources.openapi.names import tool_names
from bmm.sources.openapi.operations import Context, Operation, compile_operation, operations_of
from bmm.sources.openapi.refs import Document, RefError
from bmm.sources.openapi.schemas import Schemas
from bmm.sources.openapi.security import Security, SecurityError
from bmm.sources.openapi.servers import ServerError, Servers, allowed_hosts
from bmm.sources.openapi.texts import clean, one_line
from runner.contract import MAX_HOSTS, MAX_TOOLS, HttpTool, Scope, ServerSpec, SpecError, decode_spec

__all__ = ["compile_openapi"]

_VERSIONS = ("3.0", "3.1", "3.2")
_BROKEN = (RefError, ServerError, SecurityError, BodyError)


def compile_openapi(data: bytes, *, location: str | None = None, server: str | None = None, name: str | None = None) -> Compiled:
    """The spec of an OpenAPI document.

    `location` is the URL the document came from, against which relative server URLs are resolved; `server` is used instead of every
    server URL in the document; `name` instead of its title.

    Raises:
        UnusableDocument: nothing can be made of it; names the line (syntax) or the pointer (content).
    """
    root, findings = load(data)
    document = Document(_checked_root(root))
    info = document.root.get("info")
    about = info if isinstance(info, dict) else {}
    title = name or one_line(about.get("title"), 80) or "API"
    try:
        servers = Servers(root=document.root.get("servers"), location=location, override=server)
    except ServerError as error:
        raise UnusableDocument(f"--server {server}: {error.message}. {error.fix}") from error
    context = Context(
        document=document,
        servers=servers,
        security=Security(document, title=title),
        schemas=Schemas(document),
        shared=Schemas(document, shared=True),
    )
    operations = operations_of(document, findings)
    if not operations:
        raise UnusableDocument("The document has no operations", pointer="/paths", findings=tuple(findings))
    tools = _tools(operations, context, findings)
    if not tools:
        raise _nothing_usable(findings)
    spec = ServerSpec(
        name=title[:80],
        description=clean(about.get("description")),
        tools=tuple(tools),
        secrets=context.security.secrets(tools),
        hosts=allowed_hosts(tools),
        scopes=_scopes(tools, title),
    )
    return Compiled(spec=_checked_spec(spec, findings), findings=tuple(dict.fromkeys(findings)))


def _checked_root(root: object) -> dict[str, object]:
    if not isinstance(root, dict):
        raise UnusableDocument("This is not an OpenAPI document: it is not an object with `openapi`, `info` and `paths`.")
    if "swagger" in root and "openapi" not in root:
        raise UnusableDocument("Swagger 2 comes later; convert the document to OpenAPI 3 for now", pointer="/swagger")
    version = str(root.get("openapi", ""))
    if not version:
        raise UnusableDocument("This is not an OpenAPI document: it has no `openapi` with a version.")
    if not version.startswith(_VERSIONS):
        raise UnusableDocument(f"OpenAPI {version!r} is not supported; {', '.join(_VERSIONS)} are", pointer="/openapi")
    return root


def _tools(operations: list[Operation], context: Context, findings: list[Finding]) -> list[HttpTool]:
    if len(operations) > MAX_TOOLS:
        message = f"the document has {len(operations):,} operations; the first {MAX_TOOLS:,} are used"
        findings.append(Finding(level="warning", pointer="/paths", message=message))
    kept = operations[:MAX_TOOLS]
    names = tool_names((each.operation_id, each.method, each.path) for each in kept)
    tools: list[HttpTool] = []
    for operation, name in zip(kept, names, strict=True):
        try:
            tool, remarks = compile_operation(operation, name, context)
            msgspec.json.encode(tool)  # half a surrogate pair in a name cannot be encoded
            Draft202012Validator(tool.input_schema)
        except _BROKEN as error:
            fix = getattr(error, "fix", "")
            findings.append(
                Finding(level="error", pointer=error.pointer or operation.pointer, message=_skipped(error.message, name), fix=fix)
            )
        except RecursionError:
            findings.append(Finding(level="error", pointer=operation.pointer, message=_skipped("its schemas are nested too deeply", name)))
        except UnicodeEncodeError:
            findings.append(
                Finding(level="error", pointer=operation.pointer, message=_skipped("it holds text that is not valid Unicode", name))
            )
        except ValueError as error:
            reason = f"its arguments have no usable schema ({str(error).splitlines()[0][:200]})"
            findings.append(Finding(level="error", pointer=operation.pointer, message=_skipped(reason, name)))
        else:
            tools.append(tool)
            findings += remarks
            if operation.operation_id not in (None, name):
                message = f"the operationId {operation.operation_id!r} is taken or not a legal tool name; the tool is called {name}"
                findings.append(Finding(level="note", pointer=operation.pointer, message=message))
    return tools


def _skipped(message: str, name: str) -> str:
    return f"{message}; the operation {name} is skipped"


def _scopes(tools: list[HttpTool], title: str) -> tuple[Scope, ...]:
    described = {"read": f"Read data from {title}", "write": f"Create, change and delete data in {title}"}
    used = {scope for tool in tools for scope in tool.scopes}
    return tuple(Scope(name=scope, description=sentence) for scope, sentence in described.items() if scope in used)


def _checked_spec(spec: ServerSpec, findings: list[Finding]) -> ServerSpec:
    if len(spec.hosts) > MAX_HOSTS:
        message = f"The document calls {len(spec.hosts)} hosts; a server may call {MAX_HOSTS}. Pass --server to use one"
        raise UnusableDocument(message, pointer="/servers", findings=tuple(findings))
    try:
        # Not `encode_spec`: it sorts keys, and the order of properties is the order in which a document explains them.
        return decode_spec(msgspec.json.encode(spec))
    except (SpecError, ValueError, RecursionError) as error:
        raise UnusableDocument(f"No valid spec comes out of this document: {error}", findings=tuple(findings)) from error


def _nothing_usable(findings: list[Finding]) -> UnusableDocument:
    reasons = {
        (each.pointer, reason): Finding(level="error", pointer=each.pointer, message=reason, fix=each.fix)
        for each in findings
        if each.level == "error"
        for reason in [each.message.partition("; the operation")[0]]
    }
    first = next(iter(reasons.values()))
    sentence = f"No operation can be used: {first.message}{f'; {first.fix}' if first.fix else ''}"
    return UnusableDocument(sentence, pointer=first.pointer, findings=tuple(reasons.values()) if len(reasons) > 1 else ())
