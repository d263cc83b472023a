"""Origins of web pages, as browsers send them in the `Origin` header (RFC 6454 §6.1)."""

import re
from ipaddress import IPv6Address
from urllib.parse import urlsplit

from bmm.errors import BadInput
from runner.contract import HOST_NAME

MOST_ORIGINS = 100
"""Of one server: they are in its policy file."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


def check_origin(text: str) -> str:
    """The origin as a browser writes it: lower case, without the scheme's own port.

    Raises:
        BadInput: not one origin by name; says what to write instead.
    """
    if text in ("*", "null"):
        every = "every page" if text == "*" else "every page without an origin, such as a sandboxed one,"
        raise BadInput(f"{text!r} cannot be allowed: {every} could then use the server in a visitor's name. Name each origin")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _not_an_origin(text) from None
    scheme, marks = parts.scheme, set(text) & set("?#@\\") or {one for one in text if not "!" <= one <= "~"}
    if marks or parts.path or scheme not in _DEFAULT_PORTS or not host or parts.netloc.endswith(":") or port == 0:
        raise _not_an_origin(text)
    if ":" in host:
        host = f"[{_ipv6(text, host)}]"
    elif not re.fullmatch(HOST_NAME, host):
        raise _not_an_origin(text)
    return f"{scheme}://{host}" if port in (None, _DEFAULT_PORTS[scheme]) else f"{scheme}://{host}:{port}"


def _ipv6(text: str, host: str) -> IPv6Address:
    try:
        address = IPv6Address(host)
    except ValueError:
        raise _not_an_origin(text) from None
    if address.scope_id is not None:
        raise _not_an_origin(text)
    return address


def _not_an_origin(text: str) -> BadInput:
    return BadInput(
        f"{text[:200]!r} is not an origin: write scheme, host and port as the browser's address bar has them, without a path or a final slash, "
        "such as 'https://app.example.com' or 'http://localhost:6274'"
    )
