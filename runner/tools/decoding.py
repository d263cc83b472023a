"""Content codings: compressed answers are unpacked under a limit on what they unpack to."""

import zlib

_WINDOW_GZIP, _WINDOW_ZLIB, _WINDOW_RAW = 31, 15, -15
_MAX_CODINGS = 3
# Each member costs a copy of what follows it.
_MAX_MEMBERS = 100


class Garbled(Exception):
    """The body cannot be unpacked; the message is the rest of a sentence about the answer."""


def decoded(body: bytes, coding: str, *, limit: int) -> bytes | None:
    """The body as it was before `Content-Encoding`; None when that is more than `limit` bytes.

    Raises:
        Garbled: damaged, incomplete, or packed in a way nobody asked for.
    """
    names = [name for each in coding.lower().split(",") if (name := each.strip()) not in ("", "identity")]
    if not body or not names:
        return body
    if len(names) > _MAX_CODINGS:
        raise Garbled("is compressed too many times")
    unpacked: bytes | None = body
    for name in reversed(names):
        if unpacked is not None:
            unpacked = _unpacked(unpacked, name, limit)
    return unpacked


def _unpacked(body: bytes, name: str, limit: int) -> bytes | None:
    if name not in ("gzip", "x-gzip", "deflate"):
        raise Garbled(f"is compressed with {name[:20]!r}, which was not asked for")
    # Two things are called deflate: zlib's format, as RFC 9110 section 8.4.1.2 says, and its bare stream.
    zlib_header = len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    window = _WINDOW_GZIP if name != "deflate" else _WINDOW_ZLIB if zlib_header else _WINDOW_RAW
    found = bytearray()
    try:
        for _ in range(_MAX_MEMBERS):
            stream = zlib.decompressobj(window)
            found += stream.decompress(body, limit + 1 - len(found))
            if len(found) > limit:
                return None
            if not stream.eof:
                raise Garbled("has an incomplete compression")
            body = stream.unused_data
            if name == "deflate" or not body.startswith(b"\x1f\x8b"):
                return bytes(found)
    except zlib.error:
        raise Garbled("has a broken compression") from None
    raise Garbled("is compressed in too many pieces")
