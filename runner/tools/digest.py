"""HTTP Digest (RFC 7616): which challenge is answered, and with what. Pure: the password goes into hashes and nowhere else."""

import hashlib
from collections.abc import Callable
from urllib.parse import quote

from msgspec import Struct

from runner.tools.challenges import challenges

_Hash = Callable[[bytes], str]


def _named(name: str) -> _Hash:
    return lambda data: hashlib.new(name, data, usedforsecurity=False).hexdigest()


_HASHES = {"SHA-512-256": _named("sha512_256"), "SHA-256": _named("sha256"), "MD5": _named("md5")}
"""The strongest first."""
_KEPT = ("realm", "nonce", "opaque")


class DigestChallenge(Struct, frozen=True, kw_only=True):
    """A challenge that can be answered. Texts are Latin-1, as they came; `qop` is empty where the host knows only RFC 2069."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    session: bool = False
    qop: str = ""
    opaque: str | None = None
    utf8: bool = False
    userhash: bool = False
    stale: bool = False

    @property
    def hashed(self) -> _Hash:
        return _HASHES[self.algorithm]


def strongest(header: str) -> DigestChallenge | None:
    """The Digest challenge to answer in a `WWW-Authenticate` header; None where there is none that can be."""
    found = [made for each in challenges(header) if each.scheme == "digest" and (made := _usable(each.parameters)) is not None]
    return min(found, key=lambda each: list(_HASHES).index(each.algorithm), default=None)


def authorization(
    challenge: DigestChallenge, *, username: str, password: str, method: str, target: str, body: bytes, count: int, cnonce: str
) -> str:
    """The value of `Authorization` for one request. `target` is the path and query as sent, `count` how often the nonce is used with this one.

    `cnonce` is hexadecimal and the caller's own, new for each request.
    """
    hashed, name = challenge.hashed, username.encode()
    realm, nonce = challenge.realm.encode("latin-1"), challenge.nonce.encode("latin-1")
    secret = hashed(name + b":" + realm + b":" + password.encode())
    if challenge.session:
        secret = hashed(b":".join((secret.encode(), nonce, cnonce.encode())))
    asked = f"{method}:{target}" if challenge.qop != "auth-int" else f"{method}:{target}:{hashed(body)}"
    middle = f"{count:08x}:{cnonce}:{challenge.qop}:" if challenge.qop else ""
    response = hashed(secret.encode() + b":" + nonce + f":{middle}{hashed(asked.encode())}".encode())
    parts = [
        _username(challenge, name, realm),
        f"realm={_quoted(challenge.realm)}",
        f"nonce={_quoted(challenge.nonce)}",
        f"uri={_quoted(target)}",
        f"algorithm={challenge.algorithm}{'-sess' if challenge.session else ''}",
    ]
    parts += [f"opaque={_quoted(challenge.opaque)}"] if challenge.opaque is not None else []
    parts += [f'qop={challenge.qop}, nc={count:08x}, cnonce="{cnonce}"'] if challenge.qop else []
    # An RFC 2069 host has never heard of a session without cnonce; one that asks for it gets it.
    parts += [f'cnonce="{cnonce}"'] if challenge.session and not challenge.qop else []
    parts += ["userhash=true"] if challenge.userhash else []
    return f'Digest {", ".join(parts)}, response="{response}"'


def _usable(given: dict[str, str]) -> DigestChallenge | None:
    name, dash, session = given.get("algorithm", "MD5").upper().rpartition("-SESS")
    algorithm, is_session = (name, True) if dash and not session else (given.get("algorithm", "MD5").upper(), False)
    offered = [each.strip().lower() for each in given["qop"].split(",")] if "qop" in given else [""]
    qop = next((each for each in ("auth", "auth-int", "") if each in offered), None)
    if algorithm not in _HASHES or qop is None or not all(key in given for key in ("realm", "nonce")):
        return None
    if not all(may_be_repeated(given[key]) for key in _KEPT if key in given):
        return None
    return DigestChallenge(
        realm=given["realm"],
        nonce=given["nonce"],
        algorithm=algorithm,
        session=is_session,
        qop=qop,
        opaque=given.get("opaque"),
        utf8=given.get("charset", "").upper() == "UTF-8",
        userhash=given.get("userhash", "").lower() == "true",
        stale=given.get("stale", "").lower() == "true",
    )


def _username(challenge: DigestChallenge, name: bytes, realm: bytes) -> str:
    if challenge.userhash:
        return f'username="{challenge.hashed(name + b":" + realm)}"'
    if challenge.utf8 and not name.isascii():
        return f"username*=UTF-8''{quote(name, safe='')}"
    return f"username={_quoted(name.decode('latin-1'))}"


def _quoted(text: str) -> str:
    """A quoted-string (RFC 9110 section 5.6.4)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def may_be_repeated(text: str) -> bool:
    """Whether what a host has said can stand in a header of ours."""
    return all(char >= " " and char != "\x7f" for char in text) and len(text) <= 4096
