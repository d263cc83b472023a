"""SQLite files beside a spec: a consistent copy goes to the appliance, and its SHA-256 stands in the spec where the path was."""

import hashlib
import re
import sqlite3
import tempfile
from pathlib import Path
from typing import Protocol

import msgspec

from bmm.errors import BadInput

MOST_BYTES = 64 * 1024 * 1024


class Puts(Protocol):
    def put(self, target: str, body: bytes) -> object: ...


def with_databases(document: bytes, name: str, client: Puts) -> bytes:
    """The spec with its SQLite files uploaded; `name` is where the spec was read, `-` for standard input and the present folder.

    A document that is no spec at all comes back as it is: who reads it next says what is wrong.

    Raises:
        BadInput: a file lies outside the spec's folder, is no SQLite database or too large.
    """
    try:
        spec = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return document
    databases = spec.get("databases") if isinstance(spec, dict) else None
    home = Path() if name == "-" else Path(name).parent
    changed = False
    for number, each in enumerate(databases if isinstance(databases, list) else ()):
        file = each.get("file") if isinstance(each, dict) and each.get("kind") == "sqlite" else None
        if isinstance(file, str) and file and not re.fullmatch(r"[0-9a-f]{64}", file):
            content = _copied(home, file, f"/databases/{number}/file")
            each["file"] = hashlib.sha256(content).hexdigest()
            client.put(f"/api/files/{each['file']}", content)
            changed = True
    return msgspec.json.encode(spec) if changed else document


def _copied(home: Path, file: str, pointer: str) -> bytes:
    """The database as one file in rest, whoever writes to it now."""
    try:
        path = (home / file).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise BadInput(f"{file} cannot be read; the path is relative to the spec", pointer=pointer) from error
    if not path.is_relative_to(home.resolve()):
        raise BadInput(f"{file} lies outside the folder of the spec; copy it there", pointer=pointer)
    from bmm.sources.database.sqlite import opened  # and all sources with it, which a deploy without a file does not wait for

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        try:
            source = opened(path)
            try:
                # Looked at first: a copy of a large one would fill the disk.
                pages, free, size = (source.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
                if (pages - free) * size > 4 * MOST_BYTES:
                    raise _too_large(file, pointer)
                source.execute("VACUUM INTO ?", (str(copy),))
            finally:
                source.close()
        except sqlite3.Error as error:
            raise BadInput(f"{file} cannot be read as a SQLite database: {error}", pointer=pointer) from error
        if copy.stat().st_size > MOST_BYTES:
            raise _too_large(file, pointer)
        return copy.read_bytes()


def _too_large(file: str, pointer: str) -> BadInput:
    return BadInput(f"{file} is too large: a database that travels has at most {MOST_BYTES // 1024**2} MiB", pointer=pointer)
