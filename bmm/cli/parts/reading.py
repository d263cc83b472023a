"""What a person names on the command line, read: a file, or standard input for `-`."""

import sys
from pathlib import Path

from bmm.errors import BadInput


def read(name: str, limit: int, *, otherwise: str = "") -> bytes:
    """The content, at most one byte more than `limit`, by which the reader knows that it is too large.

    Raises:
        BadInput: it cannot be read; ends with `otherwise`, what else may have been meant.
    """
    if name == "-":
        return sys.stdin.buffer.read(limit + 1)
    try:
        with Path(name).open("rb") as file:
            return file.read(limit + 1)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise BadInput(f"{name[:200] or 'A file without a name'} cannot be read: {why}{f'. {otherwise}' if otherwise else ''}") from error


def read_text(name: str, limit: int, *, otherwise: str = "") -> str:
    """The same as text.

    Raises:
        BadInput: as `read`, or it is not UTF-8.
    """
    try:
        return read(name, limit, otherwise=otherwise).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{name[:200]} is not text in UTF-8; save it as that") from None
