"""How what must not be readable in the database is kept: random values as plain SHA-256, which their 256 bits make enough."""

import base64
import hashlib
import hmac


def digest(value: str) -> str:
    """The stored form of a token, code, link or client secret."""
    return hashlib.sha256(value.encode()).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def s256(verifier: str) -> str:
    """The PKCE challenge of a verifier (RFC 7636 §4.2)."""
    return base64url(hashlib.sha256(verifier.encode()).digest())


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Raises ValueError for what is not base64url."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
