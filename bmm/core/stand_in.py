"""What stands for a secret in a trial, so that a request shows where its value would go."""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterable


def stand_in(key: str) -> str:
    """Something that can be a header, a cookie or a part of a URL, and is nobody's secret."""
    return f"trial-{key}"


def without_stand_ins(text: str, keys: Iterable[str]) -> str:
    """The text with `<KEY>` where a value would be, also in `Authorization: Basic`."""
    keys = sorted(keys, key=len, reverse=True)
    if text.startswith("Basic "):
        try:
            text = f"Basic {b64decode(text[6:], validate=True).decode()}"
        except (Error, UnicodeDecodeError):
            return text
    return re.sub("|".join(re.escape(stand_in(key)) for key in keys), lambda found: f"<{found[0][6:]}>", text) if keys else text
