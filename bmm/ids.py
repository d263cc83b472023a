"""The only randomness and the only clock; callers pass what they got onwards."""

import secrets
from datetime import UTC, datetime

# Crockford's alphabet without vowels that make words, lower case: ids appear in URLs, file names and container names.
_ALPHABET = "0123456789bcdfghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """A random id such as `srv_8h2k…`: 16 characters of 30 letters, 78 bits."""
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(16))}"


def new_token() -> str:
    """A 256-bit random value for codes, links and refresh tokens, URL-safe."""
    return secrets.token_urlsafe(32)


def now() -> datetime:
    return datetime.now(UTC)


def text(moment: datetime) -> str:
    """A moment as the store keeps it: UTC, microseconds, sorts as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
