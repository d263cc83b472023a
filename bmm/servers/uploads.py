"""Files that a spec names by their SHA-256: kept from the upload until a bundle holds them."""

import asyncio
import contextlib
import hashlib
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bmm.errors import BadInput
from bmm.servers.control import sync

MOST_BYTES = 64 * 1024 * 1024
_KEPT_SECONDS = 24 * 3600.0


def path_of(data: Path, digest: str) -> Path:
    return data / "uploads" / digest


async def receive(data: Path, digest: str, chunks: AsyncIterator[bytes]) -> None:
    """Keep a file under its SHA-256 (hex); the same one again changes nothing.

    Raises:
        BadInput: the name is no digest, the content has another one, or there is too much of it.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise BadInput("A file is named by the SHA-256 of its content, in hexadecimal digits")
    folder = data / "uploads"
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".partial-")
    total, size = hashlib.sha256(), 0
    try:
        with os.fdopen(descriptor, "wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > MOST_BYTES:
                    raise BadInput(f"The file is larger than {MOST_BYTES // 1024**2} MiB")
                total.update(chunk)
                file.write(chunk)
            os.fchmod(descriptor, 0o644)  # the container reads it as another user
            file.flush()
            await asyncio.to_thread(os.fsync, descriptor)  # a slow disk must not keep everybody's requests waiting
        if total.hexdigest() != digest:
            raise BadInput("The content of the file has another SHA-256 than its name says")
        os.replace(name, folder / digest)
        await asyncio.to_thread(sync, folder)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _sweep(folder: Path) -> None:
    """What a bundle needed, it has; what was never used is forgotten."""
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - _KEPT_SECONDS:
                path.unlink()
