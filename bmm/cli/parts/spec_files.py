"""Files beside a spec: what may be long stands in a file of its own, and the command line puts the content in the place of `file`.

A resource says `file` instead of `text` or `blob`, a Python tool instead of `code`. A spec that is a folder is its `spec.json`.
"""

import base64
import codecs
import json
import mimetypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bmm.cli.parts.reading import read
from bmm.errors import BadInput
from bmm.http.shapes import MOST_SPEC_BYTES
from runner.contract import MAX_CODE_BYTES, MAX_CONTENT_BYTES

SPEC_FILE = "spec.json"
_TO_COMPILE = (
    (re.compile(rb"""(?:\s*#.*\n)*\s*(?:---\s*)?(?:\{\s*)?["']?(?:openapi|swagger)["']?\s*:"""), "openapi"),
    (re.compile(rb"SQLite format 3\0"), "database"),
    (re.compile(rb"""\s*\{\s*"log"\s*:"""), "har"),
)
"""How documents begin that are no specs yet."""
# The built-in table only, so that the same spec means the same everywhere; it lacks some that guides are written in.
_TYPES = mimetypes.MimeTypes()
for _type, _suffix in (
    ("text/markdown", ".md"),
    ("application/yaml", ".yaml"),
    ("application/yaml", ".yml"),
    ("application/toml", ".toml"),
):
    _TYPES.add_type(_type, _suffix)


def spec_file(name: str) -> str:
    """The file that holds the spec: of a folder its `spec.json`, anything else itself."""
    return str(Path(name) / SPEC_FILE) if name != "-" and Path(name).is_dir() else name


def read_spec_document(name: str) -> bytes:
    """A spec with the files it names in it; `name` may be a folder.

    Raises:
        BadInput: as `read_document`, or one of the files cannot be taken.
    """
    name = spec_file(name)
    document = read_document(name)
    refuse_sources(document, name)
    return with_files(document, name)


def refuse_sources(document: bytes, name: str) -> None:
    """Raises: BadInput: this is no spec, but a spec can be made of it; says how."""
    for pattern, kind in _TO_COMPILE:
        if pattern.match(document):
            raise BadInput(f"{name} is no spec yet; make one of it first: bmm compile {kind} {name} > spec.json")


def read_document(name: str) -> bytes:
    """A file's content, or standard input for `-`.

    Raises:
        BadInput: it cannot be read, is empty, too large or UTF-16.
    """
    content = read(name, MOST_SPEC_BYTES)
    if len(content) > MOST_SPEC_BYTES:
        raise BadInput(f"{name} is too large; a spec has at most {MOST_SPEC_BYTES} bytes")
    if not content.strip():
        raise BadInput(f"{'Standard input' if name == '-' else name} is empty")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadInput(f"{'Standard input' if name == '-' else name} is text in UTF-16; save it as UTF-8")
    return content.removeprefix(codecs.BOM_UTF8)


def with_files(document: bytes, name: str) -> bytes:
    """The spec with the content of its files in it; `name` is where the spec was read, `-` for standard input.

    JSON that is no spec comes back as it is: who reads it next says what is wrong.

    Raises:
        BadInput: the document is not JSON, a file lies outside the spec's folder, cannot be read, is too large, is not what its place needs, or came with a
            spec from standard input.
    """
    try:
        spec = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Who reads it as a spec would stop at the first `file`, in front of the fault.
        raise BadInput(f"{'Standard input' if name == '-' else name} is not a JSON document: {_fault(document) or error}") from error
    changed = False
    for field, (instead, fill) in _PLACES.items():
        listed = spec.get(field) if isinstance(spec, dict) else None
        for number, each in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(each, dict) and "file" in each:
                pointer = f"/{field}/{number}/file"
                if name == "-":
                    raise BadInput("A spec from standard input has no folder to take files from; give its file name to the command", pointer=pointer)
                if any(other in each for other in instead):
                    raise BadInput(f"Give one of {', '.join(('file', *instead[:-1]))} and {instead[-1]}; take out the rest", pointer=pointer)
                file = each.pop("file")
                fill(each, file, _read(Path(name).parent, file, pointer), pointer)
                changed = True
    return msgspec.json.encode(spec) if changed else document


def files_of(document: bytes) -> tuple[str, ...]:
    """The files that a spec names, as it names them; none of a document that is no spec."""
    try:
        spec = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    lists = [spec.get(field) for field in (*_PLACES, "databases")] if isinstance(spec, dict) else []
    named = [each.get("file") for listed in lists if isinstance(listed, list) for each in listed if isinstance(each, dict)]
    return tuple(name for name in named if isinstance(name, str))


def _fault(document: bytes) -> str | None:
    """Where a person finds it."""
    try:
        json.loads(document)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    except (ValueError, RecursionError):
        pass
    return None


def _content(resource: dict[str, Any], file: str, content: bytes, pointer: str) -> None:
    """`text` where it is UTF-8, else `blob`; and the type its name suggests, where the spec gives none."""
    guessed, packed = _TYPES.guess_type(Path(file).name)
    # An MCP App has one type, which the server fills in.
    if guessed and not packed and not resource.get("mime_type") and not str(resource.get("uri")).startswith("ui://"):
        resource["mime_type"] = guessed
    try:
        if b"\0" in content:
            raise ValueError
        resource["text"] = content.decode()
    except ValueError:
        resource["blob"] = base64.b64encode(content).decode()
    if len(resource.get("blob", content)) > MAX_CONTENT_BYTES:
        raise BadInput(f"{file} is too large: one content has at most {MAX_CONTENT_BYTES:,} bytes, binary ones as base64", pointer=pointer)


def _code(tool: dict[str, Any], file: str, content: bytes, pointer: str) -> None:
    if len(content) > MAX_CODE_BYTES:
        raise BadInput(f"{file} is too large: the code of one tool has at most {MAX_CODE_BYTES:,} bytes", pointer=pointer)
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise BadInput(f"{file} is empty", pointer=pointer)
    try:
        # As Python reads a file: without the mark, and lines end in one way.
        tool["code"] = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise BadInput(f"{file} is not text in UTF-8", pointer=pointer) from None


_PLACES: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any], str, bytes, str], None]]] = {
    "resources": (("text", "blob"), _content),
    "tools": (("code",), _code),
}
"""Which list of the spec: the fields that `file` stands for, and what puts the content there."""


def _read(folder: Path, file: object, pointer: str) -> bytes:
    """At most one byte more than a content may have."""
    if not isinstance(file, str) or not file or "\0" in file:
        raise BadInput("A file is named by its path, relative to the spec", pointer=pointer)
    try:
        home = folder.resolve(strict=True)
        path = (home / file).resolve(strict=True)
        if not path.is_relative_to(home):
            raise BadInput(f"{file} lies outside the folder of the spec; copy it into the folder", pointer=pointer)
        # A pipe or a device would block or never end.
        if not path.is_file():
            raise BadInput(f"{file} is not a file", pointer=pointer)
        with path.open("rb") as opened:
            return opened.read(MAX_CONTENT_BYTES + 1)
    except (OSError, RuntimeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise BadInput(f"{file} cannot be read: {why}; the path is relative to the spec", pointer=pointer) from error
