"""Answers that are not JSON: which are text and in which letters, and how files, pictures and sounds reach a model."""

import re
from base64 import b64encode
from typing import Any

MAX_FILE = 1024 * 1024
_TEXT_TYPES = ("xml", "yaml", "csv", "javascript", "json", "urlencoded", "ndjson", "jsonl", "json-seq", "graphql", "sql", "toml")
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,100}")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.I)
# The pictures that models take. What claims to be one and is not would make a client's next request to its model fail.
_PICTURES = (
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/gif", re.compile(rb"GIF8[79]a")),
    ("image/webp", re.compile(rb"RIFF....WEBP", re.S)),
)


def bare(content_type: str) -> str:
    """A media type without parameters, lower case."""
    return content_type.partition(";")[0].strip().lower()


def charset_text(content_type: str, body: bytes) -> str | None:
    """The body as text in the charset it names, else UTF-8, else the one of its byte order mark; None when it is none of these."""
    named = _CHARSET.search(content_type)
    marked = "utf-16" if body.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    for encoding in (named.group(1) if named else marked, marked):
        try:
            text = body.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
        except (UnicodeError, LookupError):
            continue
        # Codecs that are not charsets, such as `rot13`, are refused by decode() with a LookupError.
        return text
    return body.decode("latin-1") if content_type.startswith("text/") else None


def is_text(kind: str, text: str) -> bool:
    return "\x00" not in text and (not kind or kind.startswith("text/") or kind.endswith(_TEXT_TYPES))


def file_blocks(kind: str, body: bytes, url: str) -> tuple[str, tuple[dict[str, Any], ...]]:
    """A sentence about a file and the content blocks that carry it; none when it is larger than `MAX_FILE`."""
    kind = kind if _MEDIA_TYPE.fullmatch(kind) else "application/octet-stream"
    sentence = f"The answer is a file of type {kind} with {len(body)} bytes"
    if len(body) > MAX_FILE:
        return f"{sentence}, too large to be passed on (the limit is {MAX_FILE} bytes).", ()
    data = b64encode(body).decode("ascii")
    picture = next((name for name, start in _PICTURES if start.match(body)), None)
    if picture is not None and kind in (picture, "image/jpg", "application/octet-stream"):
        return f"{sentence}.", ({"type": "image", "data": data, "mimeType": picture},)
    if kind.startswith("audio/"):
        return f"{sentence}.", ({"type": "audio", "data": data, "mimeType": kind},)
    return f"{sentence}.", ({"type": "resource", "resource": {"uri": url, "mimeType": kind, "blob": data}},)
