"""Where a spec sends its secrets: a value that was given for one place goes to no other because somebody changed the spec. Pure."""

from runner.contract import HttpTool, PythonTool, ServerSpec, keys_of


def only_as_before(key: str, spec: ServerSpec, base: ServerSpec) -> bool:
    """Whether the spec sends the secret nowhere, and in no way, that `base` does not. Code may send it anywhere, so none may be new."""
    if any(isinstance(tool, PythonTool) and tool not in base.tools for tool in spec.tools):
        return False
    return _destinations(spec, key) <= _destinations(base, key)


def _destinations(spec: ServerSpec, key: str) -> set[tuple[object, ...]]:
    sent: set[tuple[object, ...]] = set()
    for tool in (each for each in spec.tools if isinstance(each, HttpTool)):
        for credential in (each for alternative in tool.auth for each in alternative):
            if key in keys_of(credential):
                sent.add((tool.server, credential))
    return sent | {(each.kind, each.host, each.reached_port, each.database, each.user, each.tls, each.trust) for each in spec.databases if each.password == key}
