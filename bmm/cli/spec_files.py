"""Files beside a spec: a resource may say `file` instead of `text` or `blob`, and the command line puts the content in its place."""

import base64
import mimetypes
from pathlib import Path
from typing import Any

import msgspec

from bmm.errors import BadInput
from runner.contract import MAX_CONTENT_BYTES

# The built-in table only, so that the same spec means the same everywhere; it lacks some that guides are written in.
_TYPES = mimetypes.MimeTypes()
for _type, _suffix in (
    ("text/markdown", ".md"),
    ("application/yaml", ".yaml"),
    ("application/yaml", ".yml"),
    ("application/toml", ".toml"),
):
    _TYPES.add_type(_type, _suffix)


def with_files(document: bytes, name: str) -> bytes:
    """The spec with the content of its files in it; `name` is where the spec was read, `-` for standard input.

    A document that is no spec at all comes back as it is: who reads it next says what is wrong.

    Raises:
        BadInput: a file lies outside the spec's folder, cannot be read, is too large, or came with a spec from standard input.
    """
    try:
        spec = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return document
    resources = spec.get("resources") if isinstance(spec, dict) else None
    named = [
        (number, each)
        for number, each in enumerate(resources if isinstance(resources, list) else ())
        if isinstance(each, dict) and "file" in each
    ]
    if not named:
        return document
    for number, resource in named:
        pointer = f"/resources/{number}/file"
        if name == "-":
            raise BadInput(
                "A spec from standard input has no folder to take files from; give its file name to the command", pointer=pointer
            )
        if "text" in resource or "blob" in resource:
            raise BadInput("A resource has one of file, text and blob; take out the others", pointer=pointer)
        resource.update(_content(Path(name).parent, resource.pop("file"), resource, pointer))
    return msgspec.json.encode(spec)


def _content(folder: Path, file: object, resource: dict[str, Any], pointer: str) -> dict[str, str]:
    """`text` where it is UTF-8, else `blob`; and the type its name suggests, where the spec gives none."""
    if not isinstance(file, str) or not file or "\0" in file:
        raise BadInput("A file is named by its path, relative to the spec", pointer=pointer)
    content = _read(folder, file, pointer)
    found: dict[str, str] = {}
    guessed, packed = _TYPES.guess_type(Path(file).name)
    # An MCP App has one type, which the server fills in.
    if guessed and not packed and not resource.get("mime_type") and not str(resource.get("uri")).startswith("ui://"):
        found["mime_type"] = guessed
    try:
        if b"\0" in content:
            raise ValueError
        found["text"] = content.decode()
    except ValueError:
        found["blob"] = base64.b64encode(content).decode()
    if len(content if "text" in found else found["blob"]) > MAX_CONTENT_BYTES:
        raise BadInput(f"{file} is too large: one content has at most {MAX_CONTENT_BYTES:,} bytes, binary ones as base64", pointer=pointer)
    return found


def _read(folder: Path, file: str, pointer: str) -> bytes:
    """At most one byte more than a content may have."""
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
