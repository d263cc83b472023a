"""Who is calling: access tokens are checked here, once per token by signature and at every call by time and revocation."""

import re
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from msgspec import Struct

from runner.guard import base64url

MAX_TOKEN_BYTES = 8192
# Issuer and guard share one clock: an expired token gets no grace, a clock that was just set back gets a minute.
CLOCK_LEEWAY = 60.0
MAX_CACHED = 4096

_SHAPE = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
KeyFinder = Callable[[str], RSAPublicKey | None]


class TokenRefused(Exception):
    """`reason` goes into the challenge: plain ASCII without quotes, and nothing of the token. `genuine`: the issuer signed it once."""

    def __init__(self, reason: str, *, genuine: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.genuine = reason, genuine


class Barred(Exception):
    """The signature of this token is not looked at for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds:g} s")
        self.seconds = seconds


class Caller(Struct, frozen=True, kw_only=True):
    """Whoever a valid token stands for."""

    subject: str
    client: str
    grant: str
    scopes: frozenset[str]
    expires: float
    not_before: float


class _Claims(Struct, frozen=True, kw_only=True):
    iss: str
    aud: str | list[str]
    sub: str
    client_id: str
    exp: float
    iat: float
    sid: str
    gid: str
    nbf: float = 0.0
    scope: str = ""


_claims = msgspec.json.Decoder(_Claims).decode
_header = msgspec.json.Decoder(dict[str, object]).decode


class TokenChecker:
    """Verifies the access tokens of one server (RFC 9068 profile: RS256, `at+jwt`)."""

    def __init__(self, *, issuer: str, resource: str, server_id: str, key: KeyFinder) -> None:
        self._issuer, self._resource, self._server_id, self._key = issuer, resource, server_id, key
        self._known: OrderedDict[bytes, Caller] = OrderedDict()

    def check(self, token: bytes, *, revoked: frozenset[str], now: float, barred: Callable[[], float | None] = lambda: None) -> Caller:
        """The caller behind a token; `now` in seconds since the epoch. `barred` is asked before a token is looked at that is not known.

        Raises:
            Barred: not now.
            TokenRefused: it is not a token for this server that is valid now.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise TokenRefused("The token is too long")
        digest = sha256(token).digest()
        caller = self._known.get(digest)
        if caller is None:
            if (wait := barred()) is not None:
                raise Barred(wait)
            caller = self._verified(token)
            self._remember(digest, caller, now)
        else:
            self._known.move_to_end(digest)
        if now >= caller.expires:
            self._known.pop(digest, None)
            raise TokenRefused("The token has expired", genuine=True)
        if now < caller.not_before - CLOCK_LEEWAY:
            raise TokenRefused("The token is not valid yet", genuine=True)
        if caller.grant in revoked:
            raise TokenRefused("The grant was revoked", genuine=True)
        return caller

    def forget(self) -> None:
        """Check every signature again: the keys have changed."""
        self._known.clear()

    def _remember(self, digest: bytes, caller: Caller, now: float) -> None:
        if now >= caller.expires:
            return
        self._known[digest] = caller
        if len(self._known) > MAX_CACHED:
            self._known.popitem(last=False)

    def _verified(self, token: bytes) -> Caller:
        if _SHAPE.fullmatch(token) is None:
            raise TokenRefused("This is not a signed token")
        try:
            claims = _claims(self._payload(token))
        except (InvalidSignature, ValueError, RecursionError):
            raise TokenRefused("The token is malformed or its signature is wrong") from None
        audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if claims.iss != self._issuer:
            raise TokenRefused("The token is from another issuer")
        if self._resource not in audience or claims.sid != self._server_id:
            raise TokenRefused("The token is for another server")
        return Caller(
            subject=claims.sub,
            client=claims.client_id,
            grant=claims.gid,
            scopes=frozenset(claims.scope.split()),
            expires=claims.exp,
            not_before=max(claims.nbf, claims.iat),
        )

    def _payload(self, token: bytes) -> bytes:
        signed, _, signature = token.rpartition(b".")
        head, _, payload = signed.partition(b".")
        header = _header(base64url.decoded(head))
        # Unknown header parameters are ignored (RFC 7515 §4) except `crit`, of which nothing is understood.
        if header.get("alg") != "RS256" or header.get("typ") != "at+jwt" or "crit" in header or "b64" in header:
            raise TokenRefused("The token is not an RS256 access token")
        # Only the key id is taken from the token; keys it carries or points to (jwk, jku, x5c, x5u) are never looked at.
        kid = header.get("kid")
        key = self._key(kid) if isinstance(kid, str) else None
        if key is None:
            raise TokenRefused("The token is signed with an unknown key")
        key.verify(base64url.decoded(signature), signed, PKCS1v15(), SHA256())
        return base64url.decoded(payload)
