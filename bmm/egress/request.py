"""Reads which host the first plain HTTP/1 request of a connection is for.

Only the first: on a kept-alive connection the container may name another host later, and a front end that serves both would follow.
Plain entries exist because an operator allowed them; what they lead to is still exactly one name and port.
"""

import re

from bmm.egress.refused import Reason, Refused

MAX_BYTES = 32768
# Origin form or `*` only: an absolute target overrides Host (RFC 9112 §3.2.2), and CONNECT would make a second tunnel.
_REQUEST_LINE = re.compile(rb"(?!CONNECT )[A-Z]{1,20} (?:/[\x21-\x7e\x80-\xff]*|\*) HTTP/1\.[01]")
# No second way to match: whoever sends this may choose what makes a pattern slow.
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\x00]*)")
_START = re.compile(rb"[A-Z]{1,20}( |$)")


class RequestReader:
    """Feed it what the client sends until it says the host."""

    def __init__(self) -> None:
        self._raw = bytearray()

    def feed(self, data: bytes) -> str | None:
        """The value of `Host`, or None while the header section is incomplete.

        Raises:
            Refused: this is no HTTP/1 request, or its header section exceeds 32 KiB.
        """
        searched = max(0, len(self._raw) - 3)
        self._raw += data
        end = self._raw.find(b"\r\n\r\n", searched)
        if end < 0 and not _START.match(self._raw[:21]):
            raise Refused(Reason.NOT_ALLOWED, "not HTTP")
        if end < 0 and len(self._raw) <= MAX_BYTES:
            return None
        if not 0 <= end <= MAX_BYTES:
            raise Refused(Reason.NOT_ALLOWED, "a header section of more than 32 KiB")
        return _host(bytes(self._raw[:end]))


def _host(head: bytes) -> str:
    request, *headers = head.split(b"\r\n")
    if not _REQUEST_LINE.fullmatch(request):
        raise Refused(Reason.NOT_ALLOWED, "not an HTTP/1 request to a path")
    parsed = [_HEADER.fullmatch(header) for header in headers]
    if None in parsed:
        raise Refused(Reason.NOT_ALLOWED, "a malformed header")
    hosts = [header[2].strip(b" \t") for header in parsed if header and header[1].lower() == b"host"]
    if len(hosts) != 1:
        raise Refused(Reason.WRONG_NAME, f"{len(hosts)} Host headers")
    return hosts[0].decode("latin-1")
