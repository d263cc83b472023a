"""The control folder: the manifest, and the keys and the policy that may change while the container runs."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from msgspec import Struct

from runner.contract import Manifest, Policy
from runner.guard import base64url

# A change is seen within two seconds: at the first request that comes a second or more after the last look.
LOOK_EVERY = 1.0
# Tokens with made-up key ids must not make every request read a file.
UNKNOWN_KEY_LOOK_EVERY = 0.5
MIN_KEY_BITS = 2048


class ControlError(Exception):
    """The control folder cannot be used; the guard must not start."""


class _Jwk(Struct, frozen=True, kw_only=True):
    kty: str
    kid: str = ""
    n: str = ""
    e: str = ""
    alg: str = "RS256"
    use: str = "sig"


class _Jwks(Struct, frozen=True, kw_only=True):
    keys: tuple[_Jwk, ...]


class Control:
    """Reads `manifest.json` once, and `jwks.json` and `policy.json` again when they were replaced."""

    def __init__(self, folder: Path, *, log: Callable[[str], None], now: float) -> None:
        self._folder, self._log = folder, log
        self._looked = self._missed = now
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._keys: dict[str, RSAPublicKey] = {}
        self.policy = Policy()
        self.on_new_keys: Callable[[], None] = lambda: None
        try:
            self.manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
            self._read_keys()
            self._read_policy()
        except (OSError, ValueError) as error:
            raise ControlError(f"the control folder {folder} cannot be used: {error}") from error

    def look(self, now: float) -> None:
        """Read again what was replaced, if it is time; `now` is monotonic seconds."""
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._refresh("jwks.json", self._read_keys)
            self._refresh("policy.json", self._read_policy)

    def key(self, kid: str, now: float) -> RSAPublicKey | None:
        """The key a token names; an unknown one may have been added a moment ago."""
        if kid not in self._keys and now - self._missed >= UNKNOWN_KEY_LOOK_EVERY:
            self._missed = now
            self._refresh("jwks.json", self._read_keys)
        return self._keys.get(kid)

    def _refresh(self, name: str, read: Callable[[], None]) -> None:
        try:
            if self._stamp(name) != self._seen.get(name):
                read()
        except (OSError, ValueError) as error:
            # What was read last stays in force; the stamp keeps one bad file from being reported, and read, at every look.
            self._log(f"{name} cannot be read and stays as it was: {type(error).__name__}")

    def _stamp(self, name: str) -> tuple[int, int, int]:
        found = os.stat(self._folder / name)
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _read_keys(self) -> None:
        document = self._content("jwks.json")
        self._keys = {jwk.kid: _imported(jwk) for jwk in msgspec.json.decode(document, type=_Jwks).keys if _usable(jwk)}
        self.on_new_keys()

    def _read_policy(self) -> None:
        if "policy.json" not in self._seen and not (self._folder / "policy.json").exists():
            return
        self.policy = msgspec.json.decode(self._content("policy.json"), type=Policy)

    def _content(self, name: str) -> bytes:
        # The stamp is taken before the content: a replacement in between is noticed at the next look. And it is kept only after
        # the content: a file that cannot be opened now (no descriptor left, say) is tried again, or a revocation would be lost.
        stamp = self._stamp(name)
        content = (self._folder / name).read_bytes()
        self._seen[name] = stamp
        return content


def _usable(jwk: _Jwk) -> bool:
    return jwk.kty == "RSA" and jwk.alg == "RS256" and jwk.use == "sig" and bool(jwk.kid)


def _imported(jwk: _Jwk) -> RSAPublicKey:
    modulus, exponent = (int.from_bytes(base64url.decoded(part.encode("ascii"))) for part in (jwk.n, jwk.e))
    if modulus.bit_length() < MIN_KEY_BITS:
        raise ValueError(f"the key {jwk.kid} is shorter than {MIN_KEY_BITS} bits")
    return RSAPublicNumbers(exponent, modulus).public_key()
