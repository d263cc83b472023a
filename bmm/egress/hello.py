"""Reads the server name out of a TLS ClientHello as its bytes arrive: bounded, incremental, and never wrong about where a field ends.

What it cannot see: the `Host` inside the encryption (domain fronting on a shared front end), and the inner name of an Encrypted
ClientHello. The outer name must be the allowed one, so both need the allowed host's own front end to cooperate.
"""

from bmm.egress.refused import Reason, Refused

MAX_BYTES = 16384
_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _HOST_NAME = 22, 1, 0, 0


class HelloReader:
    """Feed it what the client sends until it says the name; a hello may be spread over several records (RFC 8446 §5.1)."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self._at = 0  # start of the record not yet taken apart
        self._message = bytearray()

    def feed(self, data: bytes) -> str | None:
        """The name the client asks for, `""` if it names none, or None while the hello is incomplete.

        Raises:
            Refused: these bytes are no ClientHello, or more than 16 KiB of it.
        """
        self._raw += data
        while (name := self._complete()) is None and self._take_record():
            pass
        if self._at > MAX_BYTES or (name is None and len(self._raw) > MAX_BYTES):
            raise _refused("longer than 16 KiB")
        return name

    def _take_record(self) -> bool:
        header = self._raw[self._at : self._at + 5]
        if header and header[0] != _HANDSHAKE:
            raise _refused("not TLS")
        if len(header) > 1 and header[1] != 3:
            raise _refused("not TLS")
        if len(header) < 5:
            return False
        length = int.from_bytes(header[3:5], "big")
        if not 0 < length <= MAX_BYTES:
            raise _refused("a record of impossible length")
        end = self._at + 5 + length
        if len(self._raw) < end:
            return False
        self._message += self._raw[self._at + 5 : end]
        self._at = end
        return True

    def _complete(self) -> str | None:
        if not self._message:
            return None
        if self._message[0] != _CLIENT_HELLO:
            raise _refused("not a ClientHello")
        if len(self._message) < 4:
            return None
        length = int.from_bytes(self._message[1:4], "big")
        if length > MAX_BYTES:
            raise _refused("longer than 16 KiB")
        if len(self._message) < 4 + length:
            return None
        if len(self._message) > 4 + length:
            raise _refused("more than a ClientHello in its record")
        return _server_name(_Cursor(bytes(self._message[4:])))


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise _refused("a field ends behind the message")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def vector(self, width: int) -> bytes:
        """A field with its length in front."""
        return self.take(self.number(width))

    @property
    def done(self) -> bool:
        return self._at == len(self._data)


def _server_name(hello: _Cursor) -> str:
    hello.take(2 + 32)  # version, random
    hello.vector(1)  # session id
    hello.vector(2)  # cipher suites
    hello.vector(1)  # compression methods
    if hello.done:
        return ""
    extensions = _Cursor(hello.vector(2))
    if not hello.done:
        raise _refused("bytes behind the extensions")
    found: bytes | None = None
    while not extensions.done:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            if found is not None:
                raise _refused("two server names")
            found = content
    return "" if found is None else _only_name(_Cursor(found))


def _only_name(extension: _Cursor) -> str:
    names = _Cursor(extension.vector(2))
    if names.number(1) != _HOST_NAME:
        raise _refused("a server name that is no host name")
    name = names.vector(2)
    # One name of the only type there is (RFC 6066 §3); a second one could be what the other side reads.
    if not names.done or not extension.done:
        raise _refused("two server names")
    try:
        return name.decode("ascii")
    except UnicodeDecodeError:
        raise _refused("a server name that is not ASCII") from None


def _refused(detail: str) -> Refused:
    return Refused(Reason.NOT_ALLOWED, detail)
