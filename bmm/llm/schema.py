"""The JSON Schema a model is given: the spec's own, made small. What it leaves out is still valid in a spec; the prompt explains the rest."""

from functools import cache
from typing import Any

from runner.contract import JsonSchema, spec_schema

# What nobody should draft: uploads, certificates, serialisations that only a document asks for.
_LEFT_OUT = {
    "Database": {"file", "trust"}, "Body": {"xml"}, "Parameter": {"content"}, "ServerSpec": {"tool_list"}, "Resource": {"blob"},
    "PromptMessage": {"data", "mime_type"},
}  # fmt: skip
_EVERYWHERE = {"meta"}
_NOISE = {"title", "description", "default", "discriminator", "additionalProperties"}
KEEP = "keep"


@cache
def submit_schema() -> JsonSchema:
    """An object schema without titles, docstrings, defaults and `null` alternatives; a tool may also be `{"kind": "keep", "name": …}`."""
    full = spec_schema()
    defs = {name: _small_object(name, each) for name, each in full["$defs"].items()}
    root = defs["ServerSpec"]
    kinds = root["properties"]["tools"]["items"]["anyOf"]
    kinds.append({"type": "object", "properties": {"kind": {"enum": [KEEP]}, "name": {"type": "string"}}, "required": ["kind", "name"]})
    used = _reached(root, defs, set())
    return {**root, "required": ["name", "tools"], "$defs": {name: each for name, each in defs.items() if name in used}}


def _small_object(name: str, schema: JsonSchema) -> JsonSchema:
    left_out = _LEFT_OUT.get(name, set()) | _EVERYWHERE
    found: JsonSchema = {"type": "object"}
    found["properties"] = {key: _small(each) for key, each in schema["properties"].items() if key not in left_out}
    if required := schema.get("required"):
        found["required"] = required
    return found


def _small(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_small(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "anyOf" in schema:
        schema = {**schema, "anyOf": [each for each in schema["anyOf"] if each != {"type": "null"}]}
        if len(schema["anyOf"]) == 1:
            return _small(schema["anyOf"][0])
    return {key: _small(each) for key, each in schema.items() if key not in _NOISE or (key == "additionalProperties" and each)}


def _reached(schema: Any, defs: dict[str, JsonSchema], seen: set[str]) -> set[str]:
    if isinstance(schema, list):
        for each in schema:
            _reached(each, defs, seen)
    elif isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name and name not in seen:
            seen.add(name)
            _reached(defs[name], defs, seen)
        _reached(list(schema.values()), defs, seen)
    return seen
