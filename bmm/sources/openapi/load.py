"""Bytes -> a document of plain JSON values, or a sentence with the line where it stops being one."""

import json
import re
from collections import Counter
from typing import NoReturn

from bmm.sources.finding import Finding, UnusableDocument
from bmm.sources.openapi.options import MAX_BYTES
from bmm.sources.openapi.yamls import load_yaml

MAX_REPEATED = 20
# Above this a broken JSON text is not tried as YAML, which is slow and would only find the same fault again.
_TRY_YAML_BYTES = 5 * 1024 * 1024
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def load(data: bytes, *, limit: int = MAX_BYTES) -> tuple[object, list[Finding]]:
    """The document in JSON or YAML text, with a finding for each repeated key.

    Raises:
        UnusableDocument: names the line where known.
    """
    if len(data) > limit:
        raise UnusableDocument(f"The document is larger than {in_mib(limit)}, the limit for documents; --max-size sets another.")
    text = _text(data)
    if not text.strip():
        raise UnusableDocument("The document is empty.")
    start = text.lstrip()[:1]
    if start == "<":
        raise UnusableDocument("This is a web page or XML; look there for a link to openapi.json or openapi.yaml", line=1)
    if start not in ("{", "["):
        return load_yaml(text)
    try:
        return _load_json(text)
    except json.JSONDecodeError as error:
        if len(data) <= _TRY_YAML_BYTES and _looks_like_yaml(text):
            return load_yaml(text)
        raise UnusableDocument(f"The document is not valid JSON: {error.msg}, column {error.colno}", line=error.lineno) from error


def in_mib(size: int) -> str:
    return f"{size / 1024**2:g} MiB" if size >= 1024**2 else f"{size:,} bytes"


def _load_json(text: str) -> tuple[object, list[Finding]]:
    repeated: list[str] = []

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            repeated.extend(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        return found

    try:
        document = json.loads(text, object_pairs_hook=members, parse_constant=_not_json)
    except RecursionError as error:
        raise UnusableDocument("The document is nested too deeply to be read.") from error
    except json.JSONDecodeError:
        raise
    except ValueError as error:  # a number of thousands of digits, NaN
        raise UnusableDocument(f"The document is not valid JSON: {error}.") from error
    return document, [_repeated_key(name, text) for name in repeated[:MAX_REPEATED]]


def _not_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON value")


def _repeated_key(name: str, text: str) -> Finding:
    pattern = re.compile(re.escape(json.dumps(name, ensure_ascii=False)) + r"\s*:")
    lines = [str(text.count("\n", 0, match.start()) + 1) for match in pattern.finditer(text)]
    where = f"; it stands in the lines {', '.join(lines[:10])}" if 1 < len(lines) <= 10 else ""
    return Finding(level="warning", pointer="", message=f"the key {name!r} occurs twice in one object{where}; the last one is used")


def _looks_like_yaml(text: str) -> bool:
    """JSON keys are quoted; YAML in braces rarely has any."""
    return re.match(r"\s*[{\[]\s*(#|[\w$'-])", text) is not None


def _text(data: bytes) -> str:
    encoding = "utf-8-sig"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        name = encoding.removesuffix("-sig").upper()
        raise UnusableDocument(f"This is not a text document: byte {error.start} is not {name}", line=line) from error
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise UnusableDocument(f"This is not a text document: it holds the control character {found.group()!r}", line=line)
    return text
