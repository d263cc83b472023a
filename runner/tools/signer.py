"""Signs in where a host asks for HTTP Digest: one user at one host, whose last challenge is answered before it is asked again."""

import os
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import msgspec

from runner.contract import DigestCredential
from runner.tools.challenges import challenges, parameters
from runner.tools.connection import Response, target
from runner.tools.digest import DigestChallenge, authorization, may_be_repeated, strongest
from runner.tools.errors import UnusableSecret
from runner.tools.request import HttpRequest

Send = Callable[[HttpRequest], Awaitable[Response]]
_MAX_NONCES = 64


class Signer:
    """One credential at one host, whatever tools use it there."""

    def __init__(self, credential: DigestCredential, secrets: Mapping[str, str]) -> None:
        self._credential, self._secrets = credential, secrets
        self._known: DigestChallenge | None = None
        # Hosts give a nonce again, as several at one name do in turn, and take no count of it twice.
        self._counts: dict[str, int] = {}

    async def exchange(self, request: HttpRequest, send: Send, again: Send | None = None) -> tuple[Response, bool]:
        """What the host answers, and whether to a request that was signed.

        A 401 with a challenge is answered once (by `again`); to any other challenge nothing is sent.

        Raises:
            UnusableSecret: the user name cannot be sent.
        """
        known = self._known
        response = await send(request if known is None else self._signed(request, known))
        if response.status == HTTPStatus.UNAUTHORIZED:
            offered = strongest(response.headers.get("www-authenticate", ""))
            # The same question again means that the answer to it was wrong, and it would be no better the second time.
            if offered is None or (known is not None and _is_repeated(offered, known) and not offered.stale):
                self._forget(known)
                return response, known is not None
            self._known = known = offered
            response = await (again or send)(self._signed(request, known))
            if response.status == HTTPStatus.UNAUTHORIZED:
                self._forget(known)
                return response, True
        nonce = parameters(response.headers.get("authentication-info", "")).get("nextnonce") if known is not None else None
        if known is not None and nonce and may_be_repeated(nonce):
            self._known = msgspec.structs.replace(known, nonce=nonce)
        return response, known is not None

    def _signed(self, request: HttpRequest, challenge: DigestChallenge) -> HttpRequest:
        username, password = self._secrets[self._credential.username], self._secrets[self._credential.password]
        if any(char < " " or char == "\x7f" for char in username):
            raise UnusableSecret(self._credential.username)
        value = authorization(
            challenge, username=username, password=password, method=request.method, target=target(request.url),
            body=request.body or b"", count=self._counted(challenge.nonce), cnonce=os.urandom(16).hex(),
        )  # fmt: skip
        return msgspec.structs.replace(request, headers=(*request.headers, ("Authorization", value)))

    def _counted(self, nonce: str) -> int:
        """How often it is used with this time. The nonces used last are kept."""
        count = self._counts[nonce] = self._counts.pop(nonce, 0) + 1
        if len(self._counts) > _MAX_NONCES:
            del self._counts[next(iter(self._counts))]
        return count

    def _forget(self, known: DigestChallenge | None) -> None:
        if self._known == known:
            self._known = None


def _is_repeated(offered: DigestChallenge, known: DigestChallenge) -> bool:
    return (offered.nonce, offered.realm) == (known.nonce, known.realm)


def asked_otherwise(header: str) -> str:
    """What to say of a 401 that no request with an answer to a Digest challenge led to."""
    others = " or ".join(dict.fromkeys(each.scheme.capitalize() for each in challenges(header) if each.scheme != "digest"))[:100]
    how = f", but for {others}" if others else ""
    return f"The API did not ask for HTTP Digest in a way this server knows{how}, so nothing of the credential was sent."
