"""Why a connection is refused, and how the client inside the container learns it.

A TLS client gets one fatal alert record, anything else a complete HTTP response with the header `X-Bmm-Egress: <reason>`; then the
connection closes. OpenSSL names the alert in `ssl.SSLError.reason`, as listed here. Once a tunnel is open the gateway adds nothing to
it: a cut (idle, quota, rules removed) is a closed connection, and the log says why.

    reason             alert                          ssl.SSLError.reason
    unresolvable       111 certificate_unobtainable   TLSV1_CERTIFICATE_UNOBTAINABLE
    forbidden_address   49 access_denied              TLSV1_ALERT_ACCESS_DENIED
    unreachable         80 internal_error             TLSV1_ALERT_INTERNAL_ERROR
    wrong_name         112 unrecognized_name          TLSV1_UNRECOGNIZED_NAME
    over_limit          71 insufficient_security      TLSV1_ALERT_INSUFFICIENT_SECURITY
    not_allowed         50 decode_error               TLSV1_ALERT_DECODE_ERROR   (neither TLS nor, where allowed, HTTP; or too slow)
"""

from enum import StrEnum


class Reason(StrEnum):
    UNRESOLVABLE = "unresolvable"
    FORBIDDEN_ADDRESS = "forbidden_address"
    UNREACHABLE = "unreachable"
    WRONG_NAME = "wrong_name"
    OVER_LIMIT = "over_limit"
    NOT_ALLOWED = "not_allowed"


class Refused(Exception):
    """The connection is not made. `detail` is for the operator's log only: it may name addresses the container must not learn."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


_ALERTS = {
    Reason.UNRESOLVABLE: 111, Reason.FORBIDDEN_ADDRESS: 49, Reason.UNREACHABLE: 80,
    Reason.WRONG_NAME: 112, Reason.OVER_LIMIT: 71, Reason.NOT_ALLOWED: 50,
}  # fmt: skip
_SENTENCES = {
    Reason.UNRESOLVABLE: ("502 Bad Gateway", "The name of this host cannot be resolved."),
    Reason.FORBIDDEN_ADDRESS: ("403 Forbidden", "The name of this host leads to an address that is not public."),
    Reason.UNREACHABLE: ("502 Bad Gateway", "The host does not accept connections."),
    Reason.WRONG_NAME: ("403 Forbidden", "The request names another host than this way out leads to."),
    Reason.OVER_LIMIT: ("429 Too Many Requests", "This server has reached its limit of outgoing connections or bytes."),
    Reason.NOT_ALLOWED: ("400 Bad Request", "This way out is not for what was sent."),
}


def alert(reason: Reason) -> bytes:
    """A fatal TLS alert record (RFC 8446 §6), as a server may send it before its ServerHello."""
    return bytes((21, 3, 1, 0, 2, 2, _ALERTS[reason]))


def response(reason: Reason) -> bytes:
    """A complete HTTP/1.1 response."""
    status, sentence = _SENTENCES[reason]
    return (
        f"HTTP/1.1 {status}\r\nX-Bmm-Egress: {reason}\r\nContent-Type: text/plain\r\nContent-Length: {len(sentence) + 1}\r\n"
        f"Connection: close\r\n\r\n{sentence}\n"
    ).encode()
