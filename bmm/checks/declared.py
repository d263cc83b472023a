"""What tools really use, against what the spec declares: hosts, secrets, databases, and whether they only read."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from bmm.checks.code import Uses
from bmm.core.finding import Finding
from runner.contract import HttpTool, PythonTool, ServerSpec, SqlTool, secrets_used


def compare(spec: ServerSpec, used: Mapping[int, Uses]) -> Iterator[Finding]:
    """`used` is what the code of the tool at an index uses."""
    for number, tool in enumerate(spec.tools):
        place = f"/tools/{number}"
        if isinstance(tool, PythonTool) and number in used:
            yield from _undeclared(spec, used[number], f"{place}/code")
            yield from _only_reads(tool, used[number], place)
        elif isinstance(tool, HttpTool):
            yield from _http_hints(tool, place)
        elif isinstance(tool, SqlTool) and tool.annotations.read_only and not tool.read_only:
            message = f"{tool.name!r} says that it only reads, and its query may change data."
            yield Finding(
                level="ask", id="annotation.read_only", place=f"{place}/annotations", message=message, fix="Set read_only to false"
            )
    if not any(each.opaque for each in used.values()):
        yield from _unused(spec, used)


def _undeclared(spec: ServerSpec, uses: Uses, place: str) -> Iterator[Finding]:
    for scheme, netloc, line in uses.hosts:
        name, port = _name_and_port(scheme, netloc)
        if name is None:
            message, fix = f"{scheme}://{netloc} is not an address that can be reached.", "Write a host name without a user or a path"
            yield Finding(level="block", id="host.malformed", place=place, line=line, message=message, fix=fix)
        elif not any(
            (each.name, each.port, each.protocol) == (name, port, "http") and (each.plain or scheme == "https") for each in spec.hosts
        ):
            how = "" if scheme == "https" else ' with "plain": true'
            message, fix = (
                f"The code asks {name}:{port}, which the spec does not list.",
                f"Add {name} to /hosts{how}, with the reason, or take the request out",
            )
            yield Finding(level="block", id="host.undeclared", place=place, line=line, message=message, fix=fix)
    for key, line in uses.secrets:
        if key not in {each.key for each in spec.secrets}:
            message, fix = f"The code reads the secret {key!r}, which the spec does not list.", "Add it to /secrets with a hint"
            yield Finding(level="block", id="secret.undeclared", place=place, line=line, message=message, fix=fix)
    for database, line in uses.databases:
        if database not in {each.name for each in spec.databases}:
            message, fix = f"The code asks the database {database!r}, which the spec does not list.", "Add it to /databases"
            yield Finding(level="block", id="database.undeclared", place=place, line=line, message=message, fix=fix)


def _name_and_port(scheme: str, netloc: str) -> tuple[str | None, int]:
    try:
        parts = urlsplit(f"{scheme}://{netloc}")
        port = parts.port
    except ValueError:
        return None, 0
    return (None if parts.username is not None else parts.hostname), port or (443 if scheme == "https" else 80)


def _only_reads(tool: PythonTool, uses: Uses, place: str) -> Iterator[Finding]:
    changing = [(method, line) for method, line in uses.methods if method in ("PUT", "PATCH", "DELETE", "REQUEST")] + [
        ("SQL", line) for line in uses.writes
    ]
    if tool.annotations.read_only and changing:
        message = f"{tool.name!r} says that it only reads, and its code changes something ({changing[0][0]})."
        fix = "Set read_only to false, and destructive to true where something is lost"
        yield Finding(level="ask", id="annotation.read_only", place=f"{place}/annotations", line=changing[0][1], message=message, fix=fix)
    elif tool.annotations.read_only and (posts := [line for method, line in uses.methods if method == "POST"]):
        message = f"{tool.name!r} says that it only reads, and its code sends a POST."
        yield Finding(
            level="note", id="annotation.posts", place=f"{place}/annotations", line=posts[0], message=message, fix="Right for searches"
        )
    deletes = [line for method, line in uses.methods if method == "DELETE"]
    if deletes and not tool.annotations.destructive and not tool.annotations.read_only:
        message = f"{tool.name!r} says that nothing is lost, and its code sends a DELETE."
        yield Finding(
            level="ask",
            id="annotation.destructive",
            place=f"{place}/annotations",
            line=deletes[0],
            message=message,
            fix="Set destructive to true",
        )


def _http_hints(tool: HttpTool, place: str) -> Iterator[Finding]:
    if tool.annotations.read_only and tool.method in ("PUT", "PATCH", "DELETE"):
        message = f"{tool.name!r} says that it only reads, and it sends a {tool.method}."
        yield Finding(level="ask", id="annotation.read_only", place=f"{place}/annotations", message=message, fix="Set read_only to false")
    elif tool.method == "DELETE" and not tool.annotations.destructive:
        message = f"{tool.name!r} says that nothing is lost, and it sends a DELETE."
        yield Finding(
            level="ask", id="annotation.destructive", place=f"{place}/annotations", message=message, fix="Set destructive to true"
        )


def _unused(spec: ServerSpec, used: Mapping[int, Uses]) -> Iterator[Finding]:
    places = {_name_and_port(scheme, netloc) for each in used.values() for scheme, netloc, _ in each.hosts}
    keys = {key for each in used.values() for key, _ in each.secrets}
    for tool in spec.tools:
        if isinstance(tool, HttpTool):
            parts = urlsplit(tool.server)
            places.add(_name_and_port(parts.scheme, parts.netloc))
            keys |= set(secrets_used(tool))
    for database in spec.databases:
        places |= {(database.host, database.reached_port)} if database.kind != "sqlite" else set()
        keys |= {database.password} if database.password is not None else set()
    for number, host in enumerate(spec.hosts):
        if (host.name, host.port) not in places:
            message, fix = f"No tool asks {host.name}:{host.port}.", "Take it out of /hosts"
            yield Finding(level="note", id="host.unused", place=f"/hosts/{number}", message=message, fix=fix)
    for number, need in enumerate(spec.secrets):
        if need.key not in keys:
            message, fix = f"No tool uses the secret {need.key}.", "Take it out of /secrets"
            yield Finding(level="note", id="secret.unused", place=f"/secrets/{number}", message=message, fix=fix)
