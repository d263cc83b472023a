"""Values that were seen → the JSON Schema they have in common, as wide as the values allow and no wider than makes sense."""

import re
from collections.abc import Callable, Iterable, Sequence

from bmm.sources.credentials import OPEN, VARIABLE, looks_like_one
from runner.contract import JsonSchema

MAX_EXAMPLE = 100
MAX_EXAMPLES = 3
MAX_DEPTH = 12
MAX_ITEMS = 50
MAX_PROPERTIES = 200
_FORMATS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("date-time", re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)")),
    ("date", re.compile(r"\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])")),
    ("uuid", re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
    ("email", re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")),
    ("uri", re.compile(r"https?://[^\s{}]+")),
)
# Keys of a map, not names of members: numbers, UUIDs, long mixed identifiers.
_MAP_KEY = re.compile(r"\d+|(?i:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})|(?=\w*\d)[A-Za-z0-9_-]{16,}|\d{4}-\d\d-\d\d")


def schema_of(values: Sequence[object], *, examples: bool = True, depth: int = 0) -> JsonSchema:
    """The schema of JSON values; without any, the one of anything. Requires nothing: who calls knows what was always there."""
    kinds = list(dict.fromkeys(_kind(each) for each in values))
    if "integer" in kinds and "number" in kinds:
        kinds.remove("integer")
    if not kinds or depth > MAX_DEPTH:
        return {}
    given: list[object] = [each for each in values if each is not None]
    schema: JsonSchema = {"type": kinds[0] if len(kinds) == 1 else kinds}
    objects = [each for each in given if isinstance(each, dict)]
    if objects:
        schema |= _of_objects(objects, examples=examples, depth=depth)
    if "array" in kinds:
        items = [item for each in given if isinstance(each, list) for item in each[:MAX_ITEMS]]
        schema["items"] = schema_of(items, examples=False, depth=depth + 1)
    texts = [each for each in given if isinstance(each, str)]
    if texts and len(texts) == len(given) and (found := _format(texts)):
        schema["format"] = found
    if examples and (shown := shown_of(each for each in given if depth or not isinstance(each, dict))):
        schema["examples"] = shown
    return schema


def schema_of_texts(texts: Sequence[str]) -> JsonSchema:
    """The schema of values that were written as text: in a path, a query or a form."""
    known = [each for each in texts if not VARIABLE.search(each)]
    as_read = read(known)
    return schema_of([as_read(each) for each in known]) if known else {"type": "string"}


def read(texts: Sequence[str]) -> Callable[[str], object]:
    """How these texts are read: as whole numbers, numbers or booleans where all of them are, otherwise as they are."""
    if texts and all(re.fullmatch(r"-?(0|[1-9]\d{0,14})", each) for each in texts):
        return int
    if texts and all(re.fullmatch(r"-?(0|[1-9]\d{0,11})(\.\d{1,12})?", each) for each in texts):
        return float
    if texts and all(each in ("true", "false") for each in texts):
        return lambda text: text == "true"
    return str


def shown_of(values: Iterable[object]) -> list[object]:
    """At most `MAX_EXAMPLES` short, different ones, none of which has the form of a credential."""
    found: list[object] = []
    for each in values:
        text = str(each)
        if each not in ("", None, [], {}) and each not in found and len(text) <= MAX_EXAMPLE and OPEN not in text and not looks_like_one(text):
            found.append(each)
            if len(found) == MAX_EXAMPLES:
                break
    return found


def _of_objects(objects: Sequence[dict[str, object]], *, examples: bool, depth: int) -> JsonSchema:
    names = list(dict.fromkeys(name for each in objects for name in each))
    if len(names) > MAX_PROPERTIES or (len(names) > 2 and all(_MAP_KEY.fullmatch(name) for name in names)):
        inside = [value for each in objects for value in list(each.values())[:MAX_ITEMS]]
        return {"additionalProperties": schema_of(inside, examples=False, depth=depth + 1)}
    members = {name: [each[name] for each in objects if name in each] for name in names}
    return {"properties": {name: schema_of(found, examples=examples, depth=depth + 1) for name, found in members.items()}}


def _kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    if isinstance(value, int | float):
        return "integer" if isinstance(value, int) else "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _format(texts: Sequence[str]) -> str | None:
    return next((name for name, pattern in _FORMATS if all(pattern.fullmatch(each) for each in texts)), None)
