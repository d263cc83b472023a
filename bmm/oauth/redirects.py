"""Redirect URIs: which may be registered, when two are the same, and how one is shown and extended."""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

LONGEST = 1024
LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
# OAuth for MCP wants https or loopback, but Cursor registers this one beside two good ones and gives up if it is refused.
# Another application may claim the scheme; PKCE binds the code to the one that asked.
PRIVATE_USE = frozenset({"cursor://anysphere.cursor-mcp/oauth/callback"})

_LOOPBACK_URI = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost)(?::(\d{1,5}))?([/?].*)?")
_SAFE = re.compile(r"[\x21-\x7e]+")


def why_not(uri: str) -> str | None:
    """Why this URI cannot be registered, as a sentence; None if it can.

    Only what is listed is allowed: https anywhere, http on loopback, and an exact list of private-use URIs. So `javascript:`,
    `data:`, `file:` and schemes nobody has thought of yet are refused alike.
    """
    if len(uri) > LONGEST or not _SAFE.fullmatch(uri) or any(mark in uri for mark in '\\"<>^`{|}'):
        return f"a redirect URI has at most {LONGEST} printable ASCII characters and no spaces, quotes or backslashes"
    if "#" in uri or "*" in uri:
        return "a redirect URI has no fragment and no wildcard"
    if uri in PRIVATE_USE:
        return None
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return "it is not a URL"
    if "@" in parts.netloc:
        return "a redirect URI has no user name or password"
    if "%" in parts.netloc:
        return "a redirect URI names its host without %: browsers decode it, and people are shown what is written"
    if uri.startswith("https://") and parts.hostname and port != 0:
        return None
    if _LOOPBACK_URI.fullmatch(uri) and port != 0:
        return None
    return "a redirect URI begins with https://, or with http:// on 127.0.0.1, [::1] or localhost"


def matches(registered: str, asked: str) -> bool:
    """Whether a request may use `asked`: equal to the character, except for the port on loopback (RFC 8252 §7.3).

    The port is ignored even where the registered URI has one: clients publish one port and listen on another. It is ignored for
    `localhost` too, which the RFC leaves out and real clients use.
    """
    if registered == asked:
        return True
    one, other = _LOOPBACK_URI.fullmatch(registered), _LOOPBACK_URI.fullmatch(asked)
    return one is not None and other is not None and why_not(asked) is None and (one[1], one[3]) == (other[1], other[3])


def is_loopback(uri: str) -> bool:
    return _LOOPBACK_URI.fullmatch(uri) is not None


def shown(uri: str) -> str:
    """What a person is shown of it: the host with its port, or the scheme of an application."""
    parts = urlsplit(uri)
    return parts.netloc if parts.scheme in ("http", "https") else f"{parts.scheme}://{parts.netloc}"


def with_parameters(uri: str, parameters: Mapping[str, str]) -> str:
    """The URI to send the browser to. Everything is percent-encoded, so a line break in `state` stays data."""
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(parameters, quote_via=quote, safe='')}"


def form_action_sources(uri: str) -> str:
    """What a CSP `form-action` must list for a form whose answer redirects to this URI.

    Chromium applies the directive to every redirect that follows, and clients redirect on: a loopback listener to its
    product's "you may close this window", claude.ai to its settings. So https is allowed as a whole; what stays closed
    is plain http elsewhere and every other scheme.
    """
    parts = urlsplit(uri)
    if parts.scheme == "https":
        return "'self' https:"
    if parts.scheme == "http":
        # CSP has no syntax for an IPv6 address.
        return f"'self' https: {'http:' if parts.netloc.startswith('[') else f'http://{parts.netloc}'}"
    return f"'self' https: {parts.scheme}:"
