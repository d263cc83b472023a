"""The errors of OAuth: those a client reads as JSON, and those only the person in the browser may see."""

from collections.abc import Mapping

from bmm.errors import BmmError


class OAuthError(BmmError):
    """Answered to a client as RFC 6749 §5.2 says; `code` is the protocol's own word."""

    def __init__(self, code: str, user_message: str, *, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(user_message)
        self.code, self.status, self.headers = code, status, dict(headers or {})


class RedirectableError(OAuthError):
    """What is wrong with an authorization request whose client and redirect URI are already known to be right."""


class PageError(BmmError):
    """Shown to the person, never sent to a redirect URI: it is not known whose that would be."""

    code, status = "bad_request", 400

    def __init__(self, user_message: str, *, title: str = "This request cannot be used", status: int = 400) -> None:
        super().__init__(user_message)
        self.title, self.status = title, status


def invalid_client(message: str, *, basic: bool) -> OAuthError:
    """401; a client that tried HTTP Basic must be told so (RFC 6749 §5.2)."""
    headers = {"WWW-Authenticate": 'Basic realm="bmm"'} if basic else {}
    return OAuthError("invalid_client", message, status=401, headers=headers)


def invalid_grant(message: str) -> OAuthError:
    return OAuthError("invalid_grant", message)


def invalid_request(message: str) -> OAuthError:
    return OAuthError("invalid_request", message)
