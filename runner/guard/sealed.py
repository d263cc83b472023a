"""State that a client carries for the server between two rounds (`requestState`): unreadable, unforgeable, and good for one request only.

The text is base64url of version ‖ nonce ‖ AES-256-GCM(expiry ‖ state). The principal and the request are authenticated with it and not inside:
whoever repeats it for another request, or in another person's name, holds nothing. It is not single use; within its ten minutes the same
request may be repeated, as every request may.
"""

import base64
import binascii
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TTL_SECONDS = 600
MAX_TEXT = 64 * 1024
_VERSION = b"\x01"
_NONCE, _TAG, _EXPIRY = 12, 16, 8
_OVERHEAD = len(_VERSION) + _NONCE + _EXPIRY + _TAG
MAX_STATE = MAX_TEXT // 4 * 3 - _OVERHEAD


class StateRefused(ValueError):
    """A requestState that counts for nothing here. `reason` is for the client: what is wrong with the state, as the end of a sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the requestState {reason}")
        self.reason = reason


class StateTooLarge(ValueError):
    """More state than a client should be asked to carry: above `MAX_STATE` bytes."""


class Sealer:
    """Seals and opens under the key of one server, which all its versions share, so that a round may begin in one and end in the next."""

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes."""
        self._key = key
        self._made: AESGCM | None = None

    def seal(self, state: bytes, *, principal: str, request: bytes, now: float) -> str:
        """Text that opens within the next ten minutes. `principal` says who may, `request` for which request (a digest of it); `now` in s.

        Raises:
            StateTooLarge: the state has more than `MAX_STATE` bytes.
        """
        if len(state) > MAX_STATE:
            raise StateTooLarge(f"{len(state)} bytes of state; at most {MAX_STATE} can be carried")
        nonce = os.urandom(_NONCE)
        expiry = (int(now) + TTL_SECONDS).to_bytes(_EXPIRY, "big")
        return _encoded(_VERSION + nonce + self._cipher.encrypt(nonce, expiry + state, _bound(principal, request)))

    def open(self, text: str, *, principal: str, request: bytes, now: float) -> bytes:
        """The state that `seal` was given.

        Raises:
            StateRefused: it is not one of this server, was altered, belongs to somebody else or to another request, or has expired.
        """
        from cryptography.exceptions import InvalidTag

        sealed = _decoded(text)
        nonce, content = sealed[len(_VERSION) :][:_NONCE], sealed[len(_VERSION) + _NONCE :]
        try:
            plain = self._cipher.decrypt(nonce, content, _bound(principal, request))
        except InvalidTag:
            # One sentence for all of them: which one it was would tell a forger how far he got.
            raise StateRefused("was altered, or belongs to another request, another person or another server") from None
        if now >= int.from_bytes(plain[:_EXPIRY], "big"):
            raise StateRefused(f"has expired: it is good for {TTL_SECONDS // 60} minutes; send the request anew without it")
        return plain[_EXPIRY:]

    @property
    def _cipher(self) -> "AESGCM":
        # Few servers ever ask back: most guards never load this.
        if self._made is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._made = AESGCM(self._key)
        return self._made


def _bound(principal: str, request: bytes) -> bytes:
    # The lengths keep the end of one from passing for the start of the other. A surrogate may come from a token's claims.
    parts = (_VERSION, principal.encode("utf-8", "surrogatepass"), request)
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def _encoded(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")


def _decoded(text: str) -> bytes:
    if len(text) > MAX_TEXT:
        raise StateRefused(f"is longer than {MAX_TEXT // 1024} KiB")
    try:
        sealed = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (UnicodeEncodeError, binascii.Error):
        sealed = b""
    # The decoder skips what is no base64 and ignores the last bits; the one text that was issued is the one that counts.
    if len(sealed) < _OVERHEAD or _encoded(sealed) != text:
        raise StateRefused("was not issued by this server")
    if sealed[:1] != _VERSION:
        raise StateRefused("has a form that this version of the server does not know; send the request anew without it")
    return sealed
