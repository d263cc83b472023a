"""Small documents for tests, written as Python values and compiled as JSON."""

import json
from typing import Any

from bmm.sources import Compiled, compile_openapi
from runner.contract import HttpTool

Json = dict[str, Any]


def document(paths: Json, **more: Any) -> Json:
    base = {"openapi": "3.1.0", "info": {"title": "Shop", "version": "1"}, "servers": [{"url": "https://api.test/v1"}], "paths": paths}
    return base | more


def operation(method: str = "get", path: str = "/x", *, item: Json | None = None, root: Json | None = None, **node: Any) -> Json:
    """A document of one operation."""
    return document({path: {method: {"operationId": "op", **node}, **(item or {})}}, **(root or {}))


def compiled(value: Json, **options: Any) -> Compiled:
    return compile_openapi(json.dumps(value).encode(), **options)


def tool_of(value: Json, **options: Any) -> HttpTool:
    tool = compiled(value, **options).spec.tools[0]
    assert isinstance(tool, HttpTool)
    return tool


def arguments_of(value: Json) -> Json:
    properties = tool_of(value).input_schema["properties"]
    assert isinstance(properties, dict)
    return properties


def body(schema: Json | bool, media_type: str = "application/json", *, required: bool = True) -> Json:
    return {"required": required, "content": {media_type: {"schema": schema}}}


def remarks(found: Compiled) -> list[tuple[str, str]]:
    return [(finding.level, finding.pointer) for finding in found.findings]
