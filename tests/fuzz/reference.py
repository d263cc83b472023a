"""A strict reader of HTTP/1.1 requests (RFC 9112): what a careful server sees in a stream of bytes, to compare the guard with."""

import re
from typing import Literal

from msgspec import Struct

# Two leniencies are the parser's and harmless: several spaces before the version, and versions that nobody speaks.
_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) +HTTP/(1\.[01]|0\.9|2\.0)")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[!-~\x80-\xff][ \t!-~\x80-\xff]*)?)")
_CHUNK = re.compile(rb"([0-9a-fA-F]+)[ \t]*(;[\t -~\x80-\xff]*)?")

Ending = Literal["whole", "incomplete", "malformed", "framing", "closes"]
"""How a stream ends: after whole requests; within one; at a line that is no HTTP; where the length of a body is in doubt; with a wish to
close, after which nothing is read."""


class Request(Struct, frozen=True, kw_only=True):
    method: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Seen(Struct, frozen=True, kw_only=True):
    """The whole requests of a stream, and how it goes on after them."""

    requests: tuple[Request, ...]
    ending: Ending


class _Stop(Exception):
    def __init__(self, ending: Ending) -> None:
        self.ending = ending


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def line(self) -> bytes:
        end = self.data.find(b"\n", self.at)
        if end < 0:
            # A line that has begun badly will not get better, but it is not for this reader to say so early.
            raise _Stop("incomplete")
        line, self.at = self.data[self.at : end], end + 1
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            raise _Stop("malformed")
        return line[:-1]

    def take(self, size: int) -> bytes:
        if len(self.data) - self.at < size:
            raise _Stop("incomplete")
        self.at += size
        return self.data[self.at - size : self.at]


def read(data: bytes) -> Seen:
    """What is in a stream of requests."""
    reader, requests = _Reader(data), list[Request]()
    ending: Ending = "whole"
    try:
        while reader.at < len(data):
            # Empty lines before a request are skipped (RFC 9112, 2.2), and the parser takes a bare line feed for one.
            if empty := re.compile(rb"\r?\n").match(data, reader.at):
                reader.at = empty.end()
                continue
            request, closes = _request(reader)
            requests.append(request)
            if closes:
                raise _Stop("closes")
    except _Stop as stop:
        ending = stop.ending
    return Seen(requests=tuple(requests), ending=ending)


def _request(reader: _Reader) -> tuple[Request, bool]:
    line = _LINE.fullmatch(reader.line())
    if line is None:
        raise _Stop("malformed")
    headers: list[tuple[bytes, bytes]] = []
    while text := reader.line():
        header = _HEADER.fullmatch(text)
        if header is None:
            raise _Stop("framing" if re.match(rb"(?i)\s*(content-length|transfer-encoding)", text) else "malformed")
        headers.append((header[1].lower(), header[2].strip(b" \t")))
    body = _body(reader, headers)
    named = {name for name, _ in headers}
    options = b",".join(value for name, value in headers if name == b"connection").lower()
    if line[1] == b"CONNECT" or (b"upgrade" in options and b"upgrade" in named):
        raise _Stop("framing")
    closes = b"close" in options or (line[3] != b"1.1" and b"keep-alive" not in options)
    return Request(method=line[1], headers=tuple(headers), body=body), closes


def _body(reader: _Reader, headers: list[tuple[bytes, bytes]]) -> bytes:
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings:
        # Empty members of a list mean nothing (RFC 9110, 5.6.1).
        members = [member.strip(b" \t").lower() for coding in codings for member in coding.split(b",")]
        if lengths or [member for member in members if member] != [b"chunked"]:
            raise _Stop("framing")
        return _chunks(reader)
    if not lengths:
        return b""
    if len(lengths) > 1 or not re.fullmatch(rb"[0-9]+", lengths[0]) or int(lengths[0]) >= 1 << 64:
        raise _Stop("framing")
    return reader.take(int(lengths[0]))


def _chunks(reader: _Reader) -> bytes:
    body = b""
    while True:
        try:
            size = _CHUNK.fullmatch(reader.line())
        except _Stop as stop:
            raise _Stop("framing" if stop.ending == "malformed" else stop.ending) from None
        if size is None or int(size[1], 16) >= 1 << 64:
            raise _Stop("framing")
        if int(size[1], 16) == 0:
            break
        body += reader.take(int(size[1], 16))
        if reader.take(2) != b"\r\n":
            raise _Stop("framing")
    while trailer := reader.line():
        field = _HEADER.fullmatch(trailer)
        if field is None or field[1].lower() in (b"content-length", b"transfer-encoding"):
            raise _Stop("framing")
    return body
