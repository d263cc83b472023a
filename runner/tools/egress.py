"""What the egress gateway says when it does not connect, and what a model should make of it."""

from collections.abc import Mapping

from msgspec import Struct

from runner.tools.result import ToolAnswer, failed, unreachable

HEADER = "x-bmm-egress"


class _Refusal(Struct, frozen=True):
    sentence: str
    final: bool
    """Whether trying again is of no use until the owner or an administrator changes something."""


_REFUSALS = {
    "unresolvable": _Refusal("its name cannot be resolved", False),
    "unreachable": _Refusal("it does not accept connections", False),
    "over_limit": _Refusal("this server has reached its limit of outgoing connections or bytes", False),
    "forbidden_address": _Refusal("its name leads to an address that is not public, which an administrator has not allowed", True),
    "wrong_name": _Refusal("the request names another host than the owner has allowed", True),
    "not_allowed": _Refusal("the owner has not allowed this kind of connection to it", True),
}
# A client that speaks TLS is told by an alert, which OpenSSL names like this.
_ALERTS = {
    "TLSV1_CERTIFICATE_UNOBTAINABLE": "unresolvable",
    "TLSV1_ALERT_ACCESS_DENIED": "forbidden_address",
    "TLSV1_ALERT_INTERNAL_ERROR": "unreachable",
    "TLSV1_UNRECOGNIZED_NAME": "wrong_name",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": "over_limit",
    "TLSV1_ALERT_DECODE_ERROR": "not_allowed",
}


def refused_by_header(host: str, headers: Mapping[str, str]) -> ToolAnswer | None:
    """The answer for a response that is the gateway's own; None for any other."""
    reason = headers.get(HEADER)
    return None if reason is None else _answer(host, _REFUSALS.get(reason, _REFUSALS["not_allowed"]))


def refused_by_alert(host: str, alert: str) -> ToolAnswer | None:
    """The answer for a TLS alert the gateway sends (`ssl.SSLError.reason`); None for any other."""
    reason = _ALERTS.get(alert)
    return None if reason is None else _answer(host, _REFUSALS[reason])


def sentence_of(what: str, reason: str) -> ToolAnswer:
    """The answer for a refusal that was neither HTTP nor TLS; `what` was not reached."""
    return _answer(what, _REFUSALS.get(reason, _REFUSALS["not_allowed"]))


def _answer(host: str, refusal: _Refusal) -> ToolAnswer:
    if not refusal.final:
        return unreachable(host, refusal.sentence)
    text = f"{host} may not be reached: {refusal.sentence}. Repeating the call does not help."
    return failed("egress_denied", text)
