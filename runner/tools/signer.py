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


class _Known:
    """A challenge and how often its nonce was used."""

    def __init__(self, challenge: DigestChallenge) -> None:
        self.challenge, self.count = challenge, 0


class Signer:
    """One credential at one host, whatever tools use it there."""

    def __init__(self, credential: DigestCredential, secrets: Mapping[str, str]) -> None:
        self._credential, self._secrets = credential, secrets
        self._known: _Known | None = None

    async def exchange(self, request: HttpRequest, send: Send, again: Send | None = None) -> Response:
        """What the host answers. A 401 with a challenge is answered once (by `again`); to any other challenge nothing is sent.

        Raises:
            UnusableSecret: the user name cannot be sent.
        """
        known = self._known
        response = await send(request if known is None else self._signed(request, known))
        if response.status == HTTPStatus.UNAUTHORIZED:
            offered = strongest(response.headers.get("www-authenticate", ""))
            # The same nonce again means that the answer to it was wrong, and it would be no better the second time.
            if offered is None or (known is not None and offered.nonce == known.challenge.nonce and not offered.stale):
                self._forget(known)
                return response
            known = self._keep(offered)
            response = await (again or send)(self._signed(request, known))
            if response.status == HTTPStatus.UNAUTHORIZED:
                self._forget(known)
                return response
        nonce = parameters(response.headers.get("authentication-info", "")).get("nextnonce") if known is not None else None
        if known is not None and nonce and may_be_repeated(nonce):
            self._keep(msgspec.structs.replace(known.challenge, nonce=nonce))
        return response

    def _signed(self, request: HttpRequest, known: _Known) -> HttpRequest:
        username, password = self._secrets[self._credential.username], self._secrets[self._credential.password]
        if any(char < " " or char == "\x7f" for char in username):
            raise UnusableSecret(self._credential.username)
        known.count += 1
        value = authorization(
            known.challenge, username=username, password=password, method=request.method, target=target(request.url),
            body=request.body or b"", count=known.count, cnonce=os.urandom(16).hex(),
        )  # fmt: skip
        return msgspec.structs.replace(request, headers=(*request.headers, ("Authorization", value)))

    def _keep(self, challenge: DigestChallenge) -> _Known:
        # Calls at the same time may be asked with the same nonce, whose uses are counted together.
        if self._known is None or self._known.challenge.nonce != challenge.nonce:
            self._known = _Known(challenge)
        return self._known

    def _forget(self, known: _Known | None) -> None:
        if self._known is known:
            self._known = None


def asked_otherwise(header: str) -> str | None:
    """What to say of a 401 that no answer to a Digest challenge led to; None where it did."""
    if strongest(header) is not None:
        return None
    others = " or ".join(dict.fromkeys(each.scheme.capitalize() for each in challenges(header) if each.scheme != "digest"))[:100]
    how = f", but for {others}" if others else ""
    return f"The API did not ask for HTTP Digest in a way this server knows{how}, so nothing of the credential was sent."
