"""The first bytes of a database's client: whether it asks for TLS, as every entry that is not `plain` demands.

What a name in a certificate is worth, the client's driver checks; the gateway dials the entry's own name and port whatever comes.
"""

from bmm.egress.refused import Reason, Refused
from bmm.egress.rules import EgressEntry

# SSLRequest: its length and the number 80877103 (PostgreSQL manual, "Message Formats").
_POSTGRESQL = bytes((0, 0, 0, 8, 4, 210, 22, 47))
# SSLRequest: 32 bytes as packet 1, whose second byte of capabilities holds CLIENT_SSL (MySQL, "Protocol::SSLRequest").
_MYSQL = bytes((32, 0, 0, 1))
_CLIENT_SSL = 0x08


class DatabaseReader:
    """Feed it what the client sends until it says whom it is for, which is the entry's name by the socket it came in on."""

    def __init__(self, entry: EgressEntry) -> None:
        self._entry, self._raw = entry, b""

    def feed(self, data: bytes) -> str | None:
        """The entry's name, or None while too little has come.

        Raises:
            Refused: the client does not ask for TLS.
        """
        if self._entry.plain:
            return self._entry.name
        self._raw += data
        wanted = _POSTGRESQL if self._entry.protocol == "postgresql" else _MYSQL
        if self._raw[: len(wanted)] != wanted[: len(self._raw)]:
            raise Refused(Reason.NOT_ALLOWED, f"not {self._entry.protocol} over TLS")
        if len(self._raw) < 8:
            return None
        if self._entry.protocol == "mysql" and not self._raw[5] & _CLIENT_SSL:
            raise Refused(Reason.NOT_ALLOWED, "mysql without TLS")
        return self._entry.name
