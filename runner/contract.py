"""The types that the appliance and the container share: the spec, the manifest, the policy and the events.

A `ServerSpec` is what every source produces and every later step reads. This is the only module of `runner` that `bmm` imports.
"""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from runner.database import DATABASE_NAME as DATABASE_NAME
from runner.database import MAX_DATABASES as MAX_DATABASES
from runner.database import Database as Database
from runner.database import problem_of_database, problem_of_query
from runner.http_request import Answer as Answer
from runner.http_request import BasicCredential as BasicCredential
from runner.http_request import BearerCredential as BearerCredential
from runner.http_request import Body as Body
from runner.http_request import CertificateCredential as CertificateCredential
from runner.http_request import Credential as Credential
from runner.http_request import DigestCredential as DigestCredential
from runner.http_request import KeyCredential as KeyCredential
from runner.http_request import Paging as Paging
from runner.http_request import Parameter as Parameter
from runner.http_request import Part as Part
from runner.http_request import XmlNode as XmlNode
from runner.http_request import keys_of as keys_of
from runner.http_request import place_of as place_of
from runner.http_request import problem_of_alternative
from runner.http_request import with_keys as with_keys
from runner.offers import APP_SCHEME, ARGUMENT_NAME, MAX_OFFERS, fault_of
from runner.offers import MAX_CONTENT_BYTES as MAX_CONTENT_BYTES
from runner.offers import Prompt as Prompt
from runner.offers import PromptArgument as PromptArgument
from runner.offers import PromptMessage as PromptMessage
from runner.offers import Resource as Resource
from runner.offers import ResourceTemplate as ResourceTemplate
from runner.reports import CallEvent as CallEvent
from runner.reports import Event as Event
from runner.reports import LogEvent as LogEvent
from runner.statement import DatabaseKind as DatabaseKind
from runner.statement import Statement as Statement
from runner.statement import StatementError as StatementError
from runner.statement import parse_query as parse_query

JsonSchema = dict[str, Any]
"""A JSON Schema (2020-12) as decoded JSON: its shape is open by definition."""

TOOL_NAME = r"^[a-zA-Z][a-zA-Z0-9_-]{0,63}$"
SECRET_KEY = r"^[A-Z][A-Z0-9_]{0,63}$"  # noqa: S105 - the pattern of a name
SCOPE_NAME = r"^[a-z][a-z0-9_.:-]{0,63}$"
# One label of letters, digits and hyphens, or several joined by dots; ASCII only (names in other scripts are written as xn--).
HOST_NAME = r"^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"
Protocol = Literal["http", "postgresql", "mysql"]
MAX_TOOLS = 1000
MAX_HOSTS = 64
MAX_CODE_BYTES = 256 * 1024


class SpecError(ValueError):
    """A spec that cannot be used. `pointer` is the RFC 6901 place in the document, `""` for the whole."""

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(f"{message} (at {pointer})" if pointer else message)
        self.message, self.pointer = message, pointer


class Annotations(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a client may tell a person about a tool before calling it (MCP ToolAnnotations)."""

    read_only: bool = False
    destructive: bool = True
    idempotent: bool = False
    open_world: bool = True


class _Tool(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    name: Annotated[str, Meta(pattern=TOOL_NAME)]
    description: str
    input_schema: JsonSchema
    title: str | None = None
    output_schema: JsonSchema | None = None
    annotations: Annotations = Annotations()
    scopes: tuple[str, ...] = ()
    confirm: bool = False
    """Ask the person before it runs."""
    meta: dict[str, Any] = {}
    """Published as `_meta` (MCP Apps: `ui.resourceUri`)."""


class HttpTool(_Tool, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="http", tag_field="kind"):
    """A declared HTTP request. `auth` lists alternatives; the credentials of one alternative are sent together."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"]
    server: str
    path: str
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    auth: tuple[tuple[Credential, ...], ...] = ()
    timeout: Annotated[float, Meta(gt=0, le=30)] = 30.0
    answer: Answer = Answer()
    retry: bool = False
    """Whether the request may be sent again (idempotent by its method or its key) after a cut, 429, 502, 503 or 504."""


class SqlTool(_Tool, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="sql", tag_field="kind"):
    """A declared query: one statement, values as `:name`. What is not given is NULL; the database ends it after `timeout` seconds."""

    query: str
    database: str
    """The name of one of the spec's databases."""
    read_only: bool = True
    """Whether the database is told to refuse every change."""
    timeout: Annotated[float, Meta(gt=0, le=30)] = 10.0
    max_rows: Annotated[int, Meta(ge=1, le=1000)] = 200
    max_bytes: Annotated[int, Meta(ge=1000, le=1_000_000)] = 100_000
    """Of the rows as JSON."""


class PythonTool(_Tool, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="python", tag_field="kind"):
    """Code: `async def run(args, ctx)`, which runs in a worker process (docs/write-a-tool-by-hand.md)."""

    code: Annotated[str, Meta(min_length=1, max_length=MAX_CODE_BYTES)]
    timeout: Annotated[float, Meta(gt=0, le=60)] = 30.0


BUILTIN_ECHO = "builtin:echo"
"""The one `code` that is none: a tool of the guard's own, which benchmarks measure with."""
Tool = HttpTool | SqlTool | PythonTool


class SecretNeed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A value the owner must supply; never part of a spec itself."""

    key: Annotated[str, Meta(pattern=SECRET_KEY)]
    hint: str = ""
    required: bool = True


class AllowedHost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One destination the server may reach: exactly this name and port, in this protocol. `plain` allows it without TLS."""

    name: Annotated[str, Meta(pattern=HOST_NAME)]
    port: Annotated[int, Meta(ge=1, le=65535)] = 443
    plain: bool = False
    protocol: Protocol = "http"
    reason: str = ""


class Scope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An OAuth scope and the sentence a person reads when consenting."""

    name: Annotated[str, Meta(pattern=SCOPE_NAME)]
    description: str


ToolListChoice = Literal["auto", "all", "search"]


class ServerSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything a server is: what it offers, the secrets it needs, the hosts it may reach and the scopes a client can ask for.

    `tool_list` says how clients see the tools: `all` of them, `search` (three tools that find, describe and call them), or `auto`:
    search where the whole list would be too much for a model.
    """

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    tools: Annotated[tuple[Tool, ...], Meta(max_length=MAX_TOOLS)] = ()
    description: str = ""
    instructions: str = ""
    secrets: tuple[SecretNeed, ...] = ()
    hosts: Annotated[tuple[AllowedHost, ...], Meta(max_length=MAX_HOSTS)] = ()
    databases: Annotated[tuple[Database, ...], Meta(max_length=MAX_DATABASES)] = ()
    scopes: tuple[Scope, ...] = ()
    resources: Annotated[tuple[Resource, ...], Meta(max_length=MAX_OFFERS)] = ()
    resource_templates: Annotated[tuple[ResourceTemplate, ...], Meta(max_length=MAX_OFFERS)] = ()
    prompts: Annotated[tuple[Prompt, ...], Meta(max_length=MAX_OFFERS)] = ()
    tool_list: ToolListChoice = "auto"


class Entry(Struct, frozen=True, kw_only=True):
    """A destination as the container sees it: `/egress/<index>.sock` leads to exactly `name:port`."""

    index: int
    name: str
    port: int
    plain: bool = False
    protocol: Protocol = "http"
    recorded: bool = False
    """It leads to the recorder of a trial, which takes without TLS what would be HTTPS."""


class Manifest(Struct, frozen=True, kw_only=True):
    """Which server and version a container is (`/control/manifest.json`)."""

    server_id: str
    slug: str
    title: str
    version: int
    bundle: str
    issuer: str
    resource: str
    """The canonical URL of this server's endpoint; a token's `aud` must contain it."""
    metadata_url: str
    """Where the protected-resource metadata is (RFC 9728), for the 401 challenge."""
    scopes: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    """Values of `Origin` that browsers may send."""
    entries: tuple[Entry, ...] = ()


class Confidential(Struct, frozen=True, kw_only=True):
    """What only the guard may know: the memory file of a container, gone once it is read. `state_key` seals what clients carry between rounds."""

    secrets: dict[str, str]
    state_key: Annotated[bytes, Meta(min_length=32, max_length=32)]


class Policy(Struct, frozen=True, kw_only=True):
    """What may change while a container runs (`/control/policy.json`, re-read within 2 s)."""

    revoked_grants: frozenset[str] = frozenset()
    paused: bool = False
    origins: frozenset[str] = frozenset()
    """Values of `Origin` that browsers may send, beside the appliance's own."""
    calls_per_minute: Annotated[int, Meta(ge=1)] = 100
    """Of one grant; all grants of one address together get ten times as many."""


def decode_spec(document: bytes | str) -> ServerSpec:
    """The spec in a JSON document.

    Raises:
        SpecError: not JSON, an unknown or missing field, a wrong type, or a contradiction inside the spec.
    """
    try:
        spec = msgspec.json.decode(document, type=ServerSpec)
    except msgspec.ValidationError as error:
        raise SpecError(*_message_and_pointer(str(error))) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise SpecError(f"this is not a JSON document: {error}") from error
    check_spec(spec)
    return spec


def encode_spec(spec: ServerSpec) -> bytes:
    """The JSON of a spec: the same spec gives the same bytes; the order of arguments is kept, because models read it."""
    return msgspec.json.encode(spec)


def spec_schema() -> JsonSchema:
    """The JSON Schema (2020-12) of a spec, as published in docs/spec.schema.json."""
    schema = msgspec.json.schema(ServerSpec)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "ServerSpec", **schema}


def check_spec(spec: ServerSpec) -> None:
    """Refuse a spec whose parts contradict each other.

    Raises:
        SpecError: names the first contradiction and its place.
    """
    if not (spec.tools or spec.resources or spec.resource_templates or spec.prompts):
        raise SpecError("a spec must offer something: tools, resources, resource_templates or prompts")
    _whole(TOOL_NAME, "/tools", "name", [tool.name for tool in spec.tools])
    _whole(TOOL_NAME, "/prompts", "name", [prompt.name for prompt in spec.prompts])
    _whole(SECRET_KEY, "/secrets", "key", [secret.key for secret in spec.secrets])
    _whole(HOST_NAME, "/hosts", "name", [host.name for host in spec.hosts])
    _whole(SCOPE_NAME, "/scopes", "name", [scope.name for scope in spec.scopes])
    for number, prompt in enumerate(spec.prompts):
        _whole(ARGUMENT_NAME, f"/prompts/{number}/arguments", "name", [argument.name for argument in prompt.arguments])
    _unique("tool name", "/tools", "name", [tool.name for tool in spec.tools])
    _unique("secret", "/secrets", "key", [secret.key for secret in spec.secrets])
    _unique("scope", "/scopes", "name", [scope.name for scope in spec.scopes])
    _unique("host", "/hosts", "name", [f"{host.name}:{host.port}" for host in spec.hosts])
    for number, host in enumerate(spec.hosts):
        if _looks_like_an_address(host.name):
            raise SpecError(f"{host.name} is an address; a host must be a name", f"/hosts/{number}/name")
    _unique("database", "/databases", "name", [database.name for database in spec.databases])
    for number, database in enumerate(spec.databases):
        _check_database(database, spec, f"/databases/{number}")
    for number, tool in enumerate(spec.tools):
        _check_tool(tool, spec, f"/tools/{number}")
    if fault := fault_of(spec.resources, spec.resource_templates, spec.prompts):
        raise SpecError(*fault)


def reached_host(server: str) -> tuple[str, int, bool]:
    """Name, port and whether without TLS, of an absolute `http` or `https` base URL.

    Raises:
        SpecError: not such a URL, or one with user information, a query or a fragment.
    """
    try:
        parts = urlsplit(server)
        port = parts.port
    except ValueError as error:
        raise SpecError(f"{server!r} is not a URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SpecError(f"{server!r} is not an absolute http or https URL")
    if parts.username is not None or parts.query or parts.fragment:
        raise SpecError(f"{server!r} must not carry a user name, a query or a fragment")
    plain = parts.scheme == "http"
    return parts.hostname, port or (80 if plain else 443), plain


def _check_tool(tool: Tool, spec: ServerSpec, pointer: str) -> None:
    if unknown := [scope for scope in tool.scopes if scope not in {each.name for each in spec.scopes}]:
        raise SpecError(f"tool {tool.name!r} asks for the scope {unknown[0]!r}, which the spec does not list", f"{pointer}/scopes")
    if tool.input_schema.get("type") != "object":
        raise SpecError(f"the input schema of tool {tool.name!r} must have the type object", f"{pointer}/input_schema")
    if not isinstance(tool.input_schema.get("properties", {}), dict):
        raise SpecError(f"the properties in the input schema of tool {tool.name!r} must be an object", f"{pointer}/input_schema/properties")
    ui = tool.meta.get("ui")
    page = ui.get("resourceUri") if isinstance(ui, dict) else None
    if page is not None and not (isinstance(page, str) and page.startswith(APP_SCHEME) and page in {each.uri for each in spec.resources}):
        message = f"tool {tool.name!r} shows {page!r}, which is no {APP_SCHEME} resource of the spec; add it to /resources"
        raise SpecError(message, f"{pointer}/meta/ui/resourceUri")
    if isinstance(tool, HttpTool):
        _check_http_tool(tool, spec, pointer)
    if isinstance(tool, SqlTool):
        _check_sql_tool(tool, spec, pointer)


def _check_database(database: Database, spec: ServerSpec, pointer: str) -> None:
    if (problem := problem_of_database(database)) is not None:
        raise SpecError(problem[0], f"{pointer}/{problem[1]}")
    if database.kind == "sqlite":
        return
    place, plain = (database.host, database.reached_port, database.kind), database.tls == "off"
    if not any((host.name, host.port, host.protocol) == place and (host.plain or not plain) for host in spec.hosts):
        how = f"{database.kind} {'without' if plain else 'over'} TLS"
        raise SpecError(f"{database.host}:{database.reached_port} is reached by {how}, which /hosts does not allow", f"{pointer}/host")
    if database.password is not None and database.password not in {secret.key for secret in spec.secrets}:
        raise SpecError(f"the password of {database.name!r} is the secret {database.password}, which /secrets does not list", f"{pointer}/password")


def _check_sql_tool(tool: SqlTool, spec: ServerSpec, pointer: str) -> None:
    kind = {database.name: database.kind for database in spec.databases}.get(tool.database)
    if kind is None:
        raise SpecError(f"tool {tool.name!r} asks the database {tool.database!r}, which /databases does not list", f"{pointer}/database")
    arguments = frozenset(tool.input_schema.get("properties", {}))
    if (problem := problem_of_query(tool.query, kind, read_only=tool.read_only, arguments=arguments)) is not None:
        raise SpecError(f"the query of tool {tool.name!r} cannot be used: {problem}", f"{pointer}/query")


def _check_http_tool(tool: HttpTool, spec: ServerSpec, pointer: str) -> None:
    try:
        name, port, plain = reached_host(tool.server)
    except SpecError as error:
        raise SpecError(error.message, f"{pointer}/server") from None
    if not any((host.name, host.port, host.protocol) == (name, port, "http") and (host.plain or not plain) for host in spec.hosts):
        kind = "plain HTTP" if plain else "HTTPS"
        raise SpecError(f"tool {tool.name!r} calls {name}:{port} over {kind}, which /hosts does not allow", f"{pointer}/server")
    in_template = set(re.findall(r"\{([^{}]+)\}", tool.path))
    in_list = {parameter.name for parameter in tool.parameters if parameter.place == "path"}
    if in_template != in_list:
        odd = ", ".join(sorted(in_template ^ in_list))
        raise SpecError(f"tool {tool.name!r}: the path and its path parameters differ in {odd}", f"{pointer}/path")
    known_secrets = {secret.key for secret in spec.secrets}
    if missing := [key for key in secrets_used(tool) if key not in known_secrets]:
        raise SpecError(f"tool {tool.name!r} uses the secret {missing[0]}, which /secrets does not list", f"{pointer}/auth")
    for number, alternative in enumerate(tool.auth):
        if (problem := problem_of_alternative(alternative, plain=plain)) is not None:
            raise SpecError(f"tool {tool.name!r} cannot sign in like this: {problem}", f"{pointer}/auth/{number}")


def secrets_used(tool: HttpTool) -> list[str]:
    """The keys of all secrets a tool may send, in the order of its alternatives."""
    return [key for alternative in tool.auth for credential in alternative for key in keys_of(credential)]


def _whole(pattern: str, pointer: str, field: str, values: list[str]) -> None:
    # `$` in the schemas' patterns also matches before a final line break in Python, unlike in JSON Schema.
    for number, value in enumerate(values):
        if not re.fullmatch(pattern, value):
            raise SpecError(f"{value!r} does not match {pattern}", f"{pointer}/{number}/{field}")


def _unique(what: str, pointer: str, field: str, values: list[str]) -> None:
    if len(set(values)) < len(values):
        number, value = next((number, value) for number, value in enumerate(values) if value in values[:number])
        raise SpecError(f"the {what} {value!r} occurs twice", f"{pointer}/{number}/{field}")


def _looks_like_an_address(name: str) -> bool:
    # Resolvers read `127.1`, `2130706433` and `0x7f.1` as addresses, so a name must not end in a number (WHATWG URL, "ends in a number").
    last = name.rsplit(".", 1)[-1]
    return last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last) is not None


def _message_and_pointer(text: str) -> tuple[str, str]:
    """msgspec says "Expected `str`, got `int` - at `$.tools[0].name`"; the path becomes a JSON pointer."""
    message, _, path = text.partition(" - at `$")
    pointer = re.sub(r"\[(\d+|\.\.\.)\]", r"/\1", path.rstrip("`")).replace(".", "/").replace("///", "...")
    return message, pointer
