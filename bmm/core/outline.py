"""The plan of a server: what a person reads before a spec is built. Pure; printed by the command line and shown by pages."""

from typing import Literal

from msgspec import Struct

from runner.contract import AllowedHost, Database, HttpTool, JsonSchema, PythonTool, Scope, SecretNeed, ServerSpec, SqlTool, Tool

Effect = Literal["reads", "changes", "destroys"]
_WRITES = ("PUT", "PATCH", "DELETE")
_MOST_VALUES = 5
_MOST_MEMBERS, _DEEPEST = 8, 3
_LONGEST_QUERY = 160


class Argument(Struct, frozen=True, kw_only=True):
    """One argument of a tool; `type` is its schema in a few words."""

    name: str
    type: str
    required: bool
    description: str = ""


class ToolOutline(Struct, frozen=True, kw_only=True):
    """A tool as its user meets it. `target`: what it reaches, such as `GET https://api.example.com/users`; `confirm`: it asks first."""

    name: str
    kind: str
    effect: Effect
    confirm: bool
    description: str
    target: str
    arguments: tuple[Argument, ...]
    scopes: tuple[str, ...]
    answer: str = ""
    """The output schema in a few words, where there is one."""
    code: str = ""
    """What a call runs, as it is, where `target` has no room for it: Python, or a query of several lines."""


class DatabaseOutline(Struct, frozen=True, kw_only=True):
    """`place`: `postgresql://reader@db.example.com:5432/shop`, or the beginning of a file's digest."""

    name: str
    place: str


class Outline(Struct, frozen=True, kw_only=True):
    """Everything that a person confirms."""

    name: str
    description: str
    instructions: str
    tools: tuple[ToolOutline, ...]
    secrets: tuple[SecretNeed, ...]
    hosts: tuple[AllowedHost, ...]
    databases: tuple[DatabaseOutline, ...]
    scopes: tuple[Scope, ...]
    resources: tuple[str, ...]
    """Addresses, those of templates included."""
    prompts: tuple[str, ...]


def outline(spec: ServerSpec) -> Outline:
    """The plan of a spec."""
    return Outline(
        name=spec.name, description=spec.description, instructions=spec.instructions, tools=tuple(map(outline_of_tool, spec.tools)),
        secrets=spec.secrets, hosts=spec.hosts,
        databases=tuple(DatabaseOutline(name=each.name, place=place_of(each)) for each in spec.databases), scopes=spec.scopes,
        resources=(*(each.uri for each in spec.resources), *(each.uri for each in spec.resource_templates)), prompts=tuple(each.name for each in spec.prompts),
    )  # fmt: skip


def outline_of_tool(tool: Tool) -> ToolOutline:
    """One tool's part of the plan."""
    return ToolOutline(
        name=tool.name, kind=kind_of(tool), effect=effect(tool), confirm=tool.confirm, description=tool.description,
        target=_target(tool), arguments=_arguments(tool.input_schema), scopes=tool.scopes,
        answer="" if tool.output_schema is None else in_words(tool.output_schema), code=_code(tool),
    )  # fmt: skip


def effect(tool: Tool) -> Effect:
    """What a call may do, as the tool's annotations claim, unless the request or the query itself says otherwise."""
    if isinstance(tool, HttpTool) and tool.method in _WRITES:
        return "destroys" if tool.method == "DELETE" or tool.annotations.destructive else "changes"
    if tool.annotations.read_only or (isinstance(tool, SqlTool) and tool.read_only):
        return "reads"
    return "destroys" if tool.annotations.destructive else "changes"


def kind_of(tool: Tool) -> str:
    """`http`, `sql` or `python`."""
    return "http" if isinstance(tool, HttpTool) else "sql" if isinstance(tool, SqlTool) else "python"


def in_words(schema: object, depth: int = 0) -> str:
    """A JSON Schema in a few words: `integer 1 to 100`, `list of string`, `one of "open", "closed"`, `object (from string, to string)`."""
    if not isinstance(schema, dict):
        return "anything" if schema is not False else "nothing"
    if isinstance(values := schema.get("enum"), list):
        shown = ", ".join(f'"{each}"' if isinstance(each, str) else str(each) for each in values[:_MOST_VALUES])
        return f"one of {shown}{', …' if len(values) > _MOST_VALUES else ''}"
    for keyword in ("oneOf", "anyOf"):
        if isinstance(ways := schema.get(keyword), list) and ways and depth < _DEEPEST:
            return " or ".join(dict.fromkeys(in_words(each, depth + 1) for each in ways[:_MOST_VALUES]))
    kind = schema.get("type", "anything")
    words = " or ".join(map(str, kind)) if isinstance(kind, list) else str(kind)
    if words == "array":
        words = f"list of {in_words(schema['items'], depth)}" if "items" in schema else "list"
    elif words == "object" and isinstance(members := schema.get("properties"), dict) and members and depth < _DEEPEST:
        shown = ", ".join(f"{name} {in_words(each, depth + 1)}" for name, each in list(members.items())[:_MOST_MEMBERS])
        words = f"object ({shown}{', …' if len(members) > _MOST_MEMBERS else ''})"
    if "minimum" in schema or "maximum" in schema:
        lowest, highest = schema.get("minimum"), schema.get("maximum")
        words += f" {lowest} to {highest}" if None not in (lowest, highest) else f" from {lowest}" if highest is None else f" up to {highest}"
    return f"{words} ({schema['format']})" if isinstance(schema.get("format"), str) else words


def _arguments(schema: JsonSchema) -> tuple[Argument, ...]:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return ()
    needed = required if isinstance(required, list) else []
    return tuple(
        Argument(name=name, type=in_words(each), required=name in needed, description=str(each.get("description", "")) if isinstance(each, dict) else "")
        for name, each in properties.items()
    )


def _target(tool: Tool) -> str:
    if isinstance(tool, HttpTool):
        return f"{tool.method} {tool.server.rstrip('/')}{tool.path}"
    if isinstance(tool, SqlTool):
        return f"{tool.database}: {f'{_lines(tool.query)} of SQL' if _code(tool) else tool.query.strip()}"
    return f"{_lines(tool.code)} of Python"


def _code(tool: Tool) -> str:
    if isinstance(tool, SqlTool):
        query = tool.query.strip()
        return tool.query if len(query) > _LONGEST_QUERY or not query.isprintable() else ""
    return tool.code if isinstance(tool, PythonTool) else ""


def _lines(code: str) -> str:
    number = len(code.splitlines())
    return f"{number} line{'' if number == 1 else 's'}"


def place_of(database: Database) -> str:
    """Which database it is, without a password."""
    if database.kind == "sqlite":
        return f"sqlite file {database.file[:12]}"
    return f"{database.kind}://{database.user}@{database.host}:{database.reached_port}/{database.database}"
