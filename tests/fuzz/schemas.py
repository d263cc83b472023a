"""Tools whose schemas are hard on a validator, and arguments made for them, right and wrong."""

import random
from typing import Any

from runner.contract import (
    AllowedHost,
    HttpTool,
    Parameter,
    Prompt,
    PromptArgument,
    PromptMessage,
    Resource,
    ResourceTemplate,
    Scope,
    ServerSpec,
)
from tests.fuzz import json_grammar
from tests.unit.runner.streams import coded

Schema = dict[str, Any]

_CYCLE: Schema = {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "properties": {"x": {"$ref": "#/$defs/a"}}}
_TREE: Schema = {
    "properties": {
        "x": {
            "type": "object",
            "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#/properties/x"}}},
        }
    }
}
_DYNAMIC: Schema = {"$dynamicAnchor": "node", "properties": {"x": {"type": "array", "items": {"$dynamicRef": "#node"}}}}
_PATTERNS: Schema = {
    "properties": {
        "x": {"type": "string", "pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"},
        "y": {"pattern": "^(a|a)*$"},
        "z": {"pattern": "(x+x+)+y"},
    }
}
_LONG_PATTERN: Schema = {"properties": {"x": {"pattern": "^(" + "|".join(f"word{number}[0-9]{{1,9}}" for number in range(2000)) + ")$"}}}
_DEPENDENT: Schema = {
    "dependentSchemas": {"x": {"required": ["y"], "properties": {"y": {"type": "integer"}}}, "y": {"required": ["x"]}},
    "dependentRequired": {"z": ["x"]},
    "unevaluatedProperties": False,
    "properties": {"x": {}, "y": {}, "z": {}},
}
_COMBINED: Schema = {
    "if": {"properties": {"x": {"const": 1}}},
    "then": {"required": ["y"]},
    "else": {"not": {"required": ["z"]}},
    "oneOf": [{"required": [name]} for name in "xyz"],
    "propertyNames": {"maxLength": 3},
    "minProperties": 1,
}
_ARRAYS: Schema = {
    "properties": {
        "x": {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "unevaluatedItems": False,
            "uniqueItems": True,
            "maxItems": 50,
        },
        "y": {"type": "array", "contains": {"type": "integer", "multipleOf": 0.1}, "minContains": 2, "maxContains": 3},
        "z": {"enum": [1, "1", None, [1], {"a": 1}, *range(500)]},
    }
}
_FORMATS: Schema = {
    "properties": {
        "x": {"type": "string", "format": "email"},
        "y": {"format": "regex"},
        "z": {"format": "date-time", "contentEncoding": "base64"},
    }
}
_DEEP: Schema = {"properties": {"x": {"allOf": [{"anyOf": [{"type": ["integer", "string"]}]}]}}}
for _ in range(40):
    _DEEP = {"allOf": [_DEEP, {"properties": {"y": {"not": {"not": {}}}}}]}
_NUMBERS: Schema = {
    "properties": {"x": {"type": "number", "multipleOf": 1e-300, "maximum": 1e308}, "y": {"type": "integer", "exclusiveMinimum": 2**53}}
}

HARD = {
    "cycle": _CYCLE, "tree": _TREE, "dynamic": _DYNAMIC, "patterns": _PATTERNS, "long_pattern": _LONG_PATTERN, "dependent": _DEPENDENT,
    "combined": _COMBINED, "arrays": _ARRAYS, "formats": _FORMATS, "deep": _DEEP, "numbers": _NUMBERS,
}  # fmt: skip
MIRRORED: Schema = {
    "properties": {
        "q": {"type": "string", "x-mcp-header": "Query"},
        "n": {"type": "integer", "x-mcp-header": "Number"},
        "b": {"type": "boolean", "x-mcp-header": "Flag"},
    }
}


# Tools that are code: they ask the person, tell their progress, and answer with every kind of content.
CODED = (
    "test_input_required_result_elicitation",
    "test_input_required_result_multi_round",
    "test_input_required_result_capabilities",
    "test_tool_with_progress",
    "test_multiple_content_types",
    "test_trigger_tool_change",
)


def _tool(name: str, schema: Schema, *arguments: str, **changes: Any) -> HttpTool:
    made: dict[str, Any] = {
        "name": name,
        "description": f"Tool {name}",
        "input_schema": {"type": "object", **schema},
        "method": "GET",
        "server": "http://shop.test:8081",
        "path": "/echo",
        "parameters": tuple(Parameter(name=one, place="query", argument=one) for one in arguments),
    } | changes
    return HttpTool(**made)


def spec() -> ServerSpec:
    """Tools that repeat, mirror arguments in headers, need a scope, a confirmation or the person, the hard ones; resources and a prompt."""
    echo: Schema = {"properties": {"q": {"type": "string"}}, "required": ["q"], "additionalProperties": False}
    return ServerSpec(
        name="Fuzz",
        tools=(
            _tool("echo", echo, "q"),
            _tool("mirrored", MIRRORED, "q", "n", "b"),
            _tool("admin_tool", echo, "q", scopes=("admin",)),
            _tool("confirmed", echo, "q", confirm=True),
            *(_tool(name, schema, "x", "y", "z") for name, schema in HARD.items()),
            *coded(*CODED),
        ),
        resources=(Resource(uri="docs://guide", name="guide", text="How to"), Resource(uri="docs://picture", name="picture", blob="AAAA")),
        resource_templates=(ResourceTemplate(uri="docs://{topic}/page", name="page", text="On {topic}", values={"topic": ("a", "b")}),),
        prompts=(
            Prompt(
                name="greet",
                arguments=(PromptArgument(name="who", required=True, values=("you", "me"), ask=True),),
                messages=(PromptMessage(text="Hello {who}"), PromptMessage(resource="docs://guide")),
            ),
        ),
        hosts=(AllowedHost(name="shop.test", port=8081, plain=True),),
        scopes=(Scope(name="read", description="Read"), Scope(name="admin", description="All")),
    )


def arguments(chance: random.Random, name: str, mark: str) -> dict[str, Any]:
    """For a tool; most of them nearly right."""
    if name in ("echo", "admin_tool", "confirmed") and chance.random() < 0.7:
        return {"q": mark}
    if name == "mirrored":
        return {key: made for key, made in {"q": mark, "n": chance.choice((0, 1, -5, 2**53)), "b": True}.items() if chance.random() < 0.8}
    if name == "tree" and chance.random() < 0.5:
        return {"x": _tree(chance, chance.choice((1, 5, 60)))}
    if name in ("patterns", "long_pattern"):
        return {
            key: chance.choice(("a", "x", "aA", "word7")) * chance.choice((1, 20, 40, 5000)) + chance.choice(("", "!")) for key in "xyz"
        }
    if name == "arrays" and chance.random() < 0.5:
        return {"x": [1, "a", *range(chance.randrange(100))], "y": [0.3] * chance.randrange(6), "z": chance.choice(("1", None, 499))}
    made = {key: json_grammar.value(chance, depth=chance.choice((1, 3, 6))) for key in "xyz" if chance.random() < 0.7}
    return made | ({chance.choice(("q", "w", "constructor", "__class__", "")): mark} if chance.random() < 0.3 else {})


def _tree(chance: random.Random, depth: int) -> dict[str, Any]:
    node: dict[str, Any] = {"value": chance.choice((1, "1", None, 2))}
    for _ in range(depth):
        node = {"value": 1, "children": [node]}
    return node
