"""`allOf` as authors use it: to put a description beside a `$ref`, or a `$ref` alone. Folded into the schema it stands in."""

from runner.contract import JsonSchema

_SAYING = frozenset({"title", "description", "deprecated", "default", "examples"})
# What these allow depends on which keywords stand beside them.
_LOOKING_ROUND = frozenset({"additionalProperties", "unevaluatedProperties", "unevaluatedItems", "items", "prefixItems", "contains", "if"})


def folded(schema: JsonSchema) -> JsonSchema:
    """The schema with parts of its `allOf` that only say something as its own words, and a part that remains alone as its own keywords."""
    parts = schema.get("allOf")
    if not isinstance(parts, list):
        return schema
    own = {key: value for key, value in schema.items() if key != "allOf"}
    words: JsonSchema = {}
    kept: list[JsonSchema | bool] = []
    for part in parts:
        if part is True or (isinstance(part, dict) and part.keys() <= _SAYING):
            words |= part if isinstance(part, dict) else {}
        else:
            kept.append(part)
    if not kept:
        return {**words, **own}
    only = kept[0]
    if len(kept) > 1 or not isinstance(only, dict) or not _fit(only, own):
        return {**words, **own, "allOf": kept}
    return {**only, **words, **own}


def _fit(part: JsonSchema, own: JsonSchema) -> bool:
    """Whether the keywords of both mean the same in one schema."""
    more = {key for key in own.keys() - _SAYING if part.get(key) != own[key]}
    return not more & part.keys() and not (more and _LOOKING_ROUND & {*part, *more})


def without(schema: JsonSchema, names: set[str]) -> JsonSchema:
    """The schema with these properties neither described nor required, in it and in the parts of its `allOf`."""
    result = dict(schema)
    if isinstance(properties := schema.get("properties"), dict):
        result["properties"] = {name: each for name, each in properties.items() if name not in names}
    if isinstance(required := schema.get("required"), list):
        result["required"] = [name for name in required if name not in names]
        if not result["required"]:
            del result["required"]
    if isinstance(parts := schema.get("allOf"), list):
        result["allOf"] = [without(each, names) if isinstance(each, dict) else each for each in parts]
    return result
