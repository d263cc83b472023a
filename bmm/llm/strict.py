"""A submitted spec, read strictly: what a lenient reader would pass over is refused with its place."""

import json
import math
from collections.abc import Iterator
from typing import Any

from bmm.llm.current import Document, is_kept, merged
from bmm.llm.partial import SpecReader, Unusable
from runner.contract import ServerSpec, SpecError, decode_spec

MAX_TOOLS = 64


class _Doubled(dict[str, Any]):
    """An object that had a key twice."""

    key = ""


class InvalidSpec(Unusable):
    """JSON that is no valid spec: `document` is what it stands for."""

    def __init__(self, error: SpecError, document: Document) -> None:
        super().__init__(error.message, error.pointer)
        self.document = document


def read_spec(text: str, current: Document | None = None) -> tuple[Document, ServerSpec]:
    """The document that a submitted text stands for (with what it keeps of the current one), and the spec it is.

    Raises:
        Unusable: too large or too deep, not JSON, NaN or infinite, a key twice, too many tools; with its place.
        InvalidSpec: no valid spec.
    """
    SpecReader().feed(text)
    submitted = _parsed(text)
    if not isinstance(submitted, dict):
        raise Unusable("the answer must be one JSON object, the spec")
    for pointer, value in _values(submitted, ""):
        if isinstance(value, _Doubled):
            raise Unusable(f"the key {value.key!r} occurs twice in one object; keep one", pointer)
        if isinstance(value, float) and not math.isfinite(value):
            raise Unusable("a number must be finite: no NaN and no infinity", pointer)
    if "\\u" in text and not _is_unicode(submitted):
        raise Unusable("a text has half of a surrogate pair; write the character itself")
    tools = submitted.get("tools")
    if isinstance(tools, list) and (count := sum(not is_kept(tool) for tool in tools)) > MAX_TOOLS:
        raise Unusable(f"an answer has at most {MAX_TOOLS} new tools, this one has {count}; leave out what was not asked for", "/tools")
    document = merged(submitted, current)
    try:
        return document, decode_spec(json.dumps(document, ensure_ascii=True))
    except SpecError as error:
        raise InvalidSpec(error, document) from error


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except ValueError as error:  # also an integer of more than 4300 digits
        raise Unusable(f"this is not JSON: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled, seen = _Doubled(found), set[str]()
    doubled.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return doubled


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _values(value: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    """Every value with its place; the reader has bounded the depth."""
    yield pointer, value
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _values(each, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _values(each, f"{pointer}/{number}")
