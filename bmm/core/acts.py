"""What a tool does, apart from what it is called and how it is described. Pure."""

import msgspec

from runner.contract import HttpTool, PythonTool, SqlTool, Tool

FIELDS: dict[type, tuple[str, ...]] = {
    HttpTool: ("method", "server", "path", "parameters", "body", "auth"), SqlTool: ("database", "query", "read_only"), PythonTool: ("code",),
}  # fmt: skip
"""Field by field; its arguments belong to it, too."""


def acts(tool: Tool) -> bytes:
    """The same for two tools that do the same with the same arguments."""
    values = [getattr(tool, name) for name in FIELDS[type(tool)]]
    return msgspec.json.encode([type(tool).__name__, values, sorted(tool.input_schema.get("properties", {}))], order="deterministic")
