"""What is commonly wrong in the Schema Objects of public documents, put right, each with a finding."""

from bmm.sources.finding import Remarks
from bmm.sources.openapi.keywords import TYPES, compiles
from bmm.sources.openapi.refs import under

# Names that languages and databases have for the types of JSON Schema; with the format they imply.
_OTHER_NAMES: dict[str, tuple[str | None, str | None]] = {
    **dict.fromkeys(("int", "int32", "int64", "long", "short", "bigint", "smallint", "uint", "uint32", "uint64"), ("integer", None)),
    **dict.fromkeys(("float", "double", "decimal", "numeric", "real", "money", "currency"), ("number", None)),
    **dict.fromkeys(("bool", "boolean"), ("boolean", None)),
    **dict.fromkeys(("str", "text", "char", "varchar", "enum", "id", "guid", "objectid", "url", "link", "html"), ("string", None)),
    **{name: ("string", name) for name in ("date", "date-time", "time", "uuid", "uri", "email", "password", "byte", "binary")},
    **dict.fromkeys(("datetime", "timestamp"), ("string", "date-time")),
    "file": ("string", "binary"),
    **dict.fromkeys(("dict", "map", "hash", "hashmap", "json", "obj", "struct", "dictionary"), ("object", None)),
    **dict.fromkeys(("list", "set", "tuple", "arr", "collection"), ("array", None)),
    **dict.fromkeys(("any", "mixed", "undefined", "unknown", "", "*", "var", "dynamic"), (None, None)),
    **dict.fromkeys(("none", "nil"), ("null", None)),
}
TYPED: dict[str, tuple[type, ...]] = {
    "string": (str,), "boolean": (bool,), "integer": (int,), "number": (int, float), "array": (list,), "object": (dict,),
}  # fmt: skip
_PAIRS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"))


def repaired(schema: dict[str, object], pointer: str, remarks: Remarks) -> dict[str, object]:
    """The schema itself where nothing is wrong with it, otherwise a copy that is right."""
    changes: dict[str, object] = {}
    if "type" in schema:
        _type(schema, changes, pointer, remarks)
    if "pattern" in schema and isinstance(pattern := schema["pattern"], str) and not compiles(pattern):
        changes["pattern"] = None
        remarks.warn(under(pointer, "pattern"), f"the pattern {pattern[:80]!r} is not a regular expression; it is left out")
    if "nullable" in schema and isinstance(schema["nullable"], str):
        changes["nullable"] = schema["nullable"].lower() == "true"
        remarks.note(under(pointer, "nullable"), "`nullable` is text instead of true or false; it is read as such")
    if "enum" in schema:
        _enum({**schema, **changes}, changes, pointer, remarks)
    for low, high in _PAIRS:
        if low in schema and high in schema:
            _order(schema, changes, low, high, pointer, remarks)
    if "exclusiveMinimum" in schema or "exclusiveMaximum" in schema:
        _bounds(schema, changes)
    if schema.get("default") is not None:
        _default({**schema, **changes} if changes else schema, changes, pointer, remarks)
    return {**schema, **changes} if changes else schema


def _type(schema: dict[str, object], changes: dict[str, object], pointer: str, remarks: Remarks) -> None:
    given = schema["type"]
    if isinstance(given, str) and given in TYPES:
        return
    names = given if isinstance(given, list) else [given]
    if isinstance(given, list) and all(isinstance(name, str) and name in TYPES for name in names):
        return
    types: list[str] = []
    open_ended = False
    for name in names:
        word = "null" if name is None else name.strip().lower() if isinstance(name, str) else "any"
        known, implied = (word, None) if word in TYPES else _OTHER_NAMES.get(word, (None, None))
        open_ended = open_ended or known is None
        if known:
            types.append(known)
        if implied and "format" not in schema:
            changes["format"] = implied
    changes["type"] = None if open_ended or not types else types[0] if len(types) == 1 else types
    read = "any value" if changes["type"] is None else " or ".join(types)
    remarks.note(under(pointer, "type"), f"the type {given!r} is none of JSON Schema's; it is read as {read}")


def _enum(schema: dict[str, object], changes: dict[str, object], pointer: str, remarks: Remarks) -> None:
    values = schema["enum"]
    if not isinstance(values, list) or not values:
        return
    kind = schema.get("type")
    if kind == "array" and not any(isinstance(value, list) for value in values):
        items = schema.get("items")
        changes |= {"enum": None, "items": {"enum": values, **items} if isinstance(items, dict) else {"enum": values}}
        remarks.note(under(pointer, "enum"), "the enum of an array lists what its items may be; it is moved there")
        return
    if isinstance(kind, str) and kind in TYPED and not all(is_of(value, kind) for value in values):
        if None in values and kind != "null":
            changes["type"] = [kind, "null"]
        fixed = [value if value is None else _as(value, kind) for value in values]
        # What cannot be of the type could never be sent; where nothing can, the type is what is wrong.
        usable = [value for value, before in zip(fixed, values, strict=True) if value is not None or before is None]
        if not any(value is not None for value in usable):
            changes["type"] = None
        else:
            values = changes["enum"] = usable
        if usable != schema["enum"]:
            remarks.note(under(pointer, "enum"), f"the enum has values that are not of the type {kind}; they are read as such")
    unique: list[object] = []
    seen: set[str] = set()
    for value in values:
        if (key := repr(value)) not in seen:
            seen.add(key)
            unique.append(value)
    if len(unique) != len(values):
        changes["enum"] = unique


def _order(schema: dict[str, object], changes: dict[str, object], low: str, high: str, pointer: str, remarks: Remarks) -> None:
    least, most = schema[low], schema[high]
    if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
        changes |= {low: None, high: None}
        remarks.warn(under(pointer, low), f"{low} is greater than {high}; both are left out")


def _bounds(schema: dict[str, object], changes: dict[str, object]) -> None:
    """3.0 writes `minimum: 1, exclusiveMinimum: true`, JSON Schema `exclusiveMinimum: 1`."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        given = schema.get(exclusive)
        if (given is True or given == "true") and bound in schema:
            changes |= {exclusive: changes.get(bound, schema[bound]), bound: None}


def _default(schema: dict[str, object], changes: dict[str, object], pointer: str, remarks: Remarks) -> None:
    value, kind = schema["default"], schema.get("type")
    values = schema.get("enum")
    if isinstance(kind, str) and kind in TYPED and not is_of(value, kind):
        fixed = _as(value, kind)
        changes["default"] = value = fixed
        outcome = f"it is read as {fixed!r}" if fixed is not None else "it is left out"
        remarks.note(under(pointer, "default"), f"the default is not of the type {kind}; {outcome}")
    if value is not None and isinstance(values, list) and values and value not in values:
        changes["default"] = None
        remarks.note(under(pointer, "default"), "the default is not one of the allowed values; it is left out")


def is_of(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, TYPED[kind]) or (kind == "integer" and isinstance(value, float) and value.is_integer())


def _as(value: object, kind: str) -> object | None:
    """The value in the type, where there is no doubt which it is; None otherwise."""
    if is_of(value, kind):
        return value
    if kind == "string" and isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if kind == "boolean" and word in ("true", "false"):
            return word == "true"
        try:
            if kind == "integer":
                return int(word)
            if kind == "number":
                return float(word) if float(word) - float(word) == 0 else None
        except (ValueError, OverflowError):
            return None
    if kind == "boolean" and value in (0, 1):
        return bool(value)
    if kind == "array" and not isinstance(value, dict):
        return [value]
    return None
