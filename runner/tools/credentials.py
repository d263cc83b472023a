"""Which of a tool's credentials are sent, and what each looks like in a request."""

import re
from base64 import b64encode
from collections.abc import Mapping

from runner.contract import BasicCredential, BearerCredential, Credential, KeyCredential, keys_of
from runner.tools.errors import MissingSecret, UnusableSecret
from runner.tools.styles import fits_a_header, strictly

Alternative = tuple[Credential, ...]
Sent = tuple[tuple[str, str, str], ...]
"""Place, name and value of credentials, encoded for their place."""

# RFC 6265's cookie-octet; a cookie's value is compared as it stands, so it must not be percent-encoded.
_COOKIE = re.compile(r"[!#-+\--:<-\[\]-~]+")


def choose(alternatives: tuple[Alternative, ...], secrets: Mapping[str, str]) -> Alternative:
    """The first alternative whose secrets are all there; an empty one (no sign-in needed) only after all others.

    Raises:
        MissingSecret: no alternative is complete, and none is empty.
    """
    named = [alternative for alternative in alternatives if alternative]
    for alternative in named:
        if not lacking(alternative, secrets):
            return alternative
    if len(named) < len(alternatives) or not named:
        return ()
    raise MissingSecret(lacking(named[0], secrets))


def lacking(alternative: Alternative, secrets: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(key for credential in alternative for key in keys_of(credential) if not secrets.get(key))


def sent(alternatives: tuple[Alternative, ...], secrets: Mapping[str, str]) -> Sent:
    """What of the chosen alternative stands in every request.

    Raises:
        MissingSecret: as `choose`.
        UnusableSecret: a value cannot stand where it would have to.
    """
    found = (_rendered(credential, secrets) for credential in choose(alternatives, secrets))
    return tuple(each for each in found if each is not None)


def _rendered(credential: Credential, secrets: Mapping[str, str]) -> tuple[str, str, str] | None:
    """None for a credential that no request holds by itself."""
    if isinstance(credential, KeyCredential):
        value = secrets[credential.secret]
        if credential.place == "query":
            return "query", strictly(credential.name), strictly(value)
        fits = _is_header(value) if credential.place == "header" else _COOKIE.fullmatch(value) is not None
        return credential.place, credential.name, _checked(credential.secret, value, fits)
    if isinstance(credential, BearerCredential):
        value = secrets[credential.secret]
        # Some give the whole value, as what they have copied shows it.
        word = "" if credential.scheme != "Bearer" and value.lower().startswith(f"{credential.scheme.lower()} ") else f"{credential.scheme} "
        return "header", "Authorization", f"{word}{_checked(credential.secret, value, _is_header(value))}"
    if isinstance(credential, BasicCredential):
        pair = f"{secrets[credential.username]}:{secrets[credential.password]}"
        return "header", "Authorization", f"Basic {b64encode(pair.encode()).decode()}"
    return None


def _is_header(value: str) -> bool:
    return value == value.strip() and fits_a_header(value)


def _checked(key: str, value: str, fits: bool) -> str:
    if not fits:
        raise UnusableSecret(key)
    return value
