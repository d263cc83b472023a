"""Security schemes and requirements -> credentials of a tool and the secrets the owner must supply."""

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from bmm.sources.openapi.names import secret_key
from bmm.sources.openapi.refs import Document, RefError, under
from bmm.sources.openapi.texts import one_line
from runner.contract import (
    BasicCredential,
    BearerCredential,
    CertificateCredential,
    Credential,
    DigestCredential,
    HttpTool,
    KeyCredential,
    SecretNeed,
    keys_of,
    place_of,
    secrets_used,
)

_SCHEMES = "/components/securitySchemes"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# These are agreed on or signed request by request, with what a document cannot describe.
_NOT_STORED = frozenset(
    {"negotiate", "concealed", "aws4-hmac-sha256", "hoba", "mutual", "scram-sha-1", "scram-sha-256", "vapid", "dpop", "gnap", "hawk", "ntlm"}
)
CERTIFICATE_HINT = "The certificate in PEM form, its chain behind it. Shown to the API when a connection is made; a file that holds the key too will do."
PRIVATE_KEY_HINT = "The certificate's private key in PEM form, not encrypted. Never sent; a file that holds the certificate too will do."
Place = Literal["header", "query", "cookie"]

Auth = tuple[tuple[Credential, ...], ...]


class SecurityError(Exception):
    """No alternative of a requirement can be met."""

    def __init__(self, message: str, pointer: str) -> None:
        super().__init__(message)
        self.message, self.pointer = message, pointer


class Scheme(Struct, frozen=True, kw_only=True):
    """A usable scheme: the credential it becomes and what to tell the owner about each of its secrets."""

    credential: Credential
    hints: dict[str, str]


class Security:
    """The schemes of one document, by name; what cannot be used is in `problems` with the reason."""

    def __init__(self, document: Document, *, title: str) -> None:
        self._document, self._title = document, title
        self._root = document.root.get("security")
        self._schemes: dict[str, Scheme] = {}
        self._problems: dict[str, str] = {}
        self._used: set[str] = set()
        components = document.root.get("components")
        named = components.get("securitySchemes") if isinstance(components, dict) else None
        if "swagger" in document.root:
            named = document.root.get("securityDefinitions")
        for name, node in named.items() if isinstance(named, dict) else ():
            try:
                found, _ = document.follow(node, under(_SCHEMES, name))
                self._schemes[name] = self._scheme(found, name, title)
            except (RefError, SecurityError) as error:
                self._problems[name] = error.message
        self._declared = tuple(self._schemes.values())

    def at(self, place: str, name: str) -> Credential | None:
        """The API key that the document declares for this place."""
        wanted = place, name.lower() if place == "header" else name
        found = (each.credential for each in self._declared)
        return next((each for each in found if isinstance(each, KeyCredential) and place_of(each) == wanted), None)

    def by_hand(self, place: Place, name: str, about: object) -> Scheme:
        """For a parameter that is a credential, such as a header Authorization: such a thing is not for a model to know."""
        given = f"\0{place} {name.lower() if place == 'header' else name}"
        if given not in self._schemes:
            where = {"header": "the header", "query": "the query parameter", "cookie": "the cookie"}[place]
            authorization = place == "header" and name.lower() == "authorization"
            key = self._free(secret_key(self._title, name))
            whole = " Give the whole value, with any word before it." if authorization else ""
            hint = _hint("A credential.", one_line(about, 300), f"Sent as {where} {name}.{whole}")
            credential = KeyCredential(place=place, name="Authorization" if authorization else name, secret=key)
            self._schemes[given] = Scheme(credential=credential, hints={key: hint})
        return self._schemes[given]

    def for_operation(self, requirement: object, pointer: str, *, server: str) -> Auth:
        """The alternatives for one operation; `requirement` is its own `security`, None where it has none; `server` its base URL.

        Raises:
            SecurityError: it asks for a way to sign in, and none of those it names can be used.
        """
        if requirement is None:
            requirement, pointer = self._root, ""
        pointer = under(pointer, "security")
        if isinstance(requirement, dict):
            self._document.remarks.note(pointer, "`security` is an object instead of a list; it is read as its only member")
            requirement = [requirement]
        if not isinstance(requirement, list) or not requirement:
            return ()
        alternatives: list[tuple[Credential, ...]] = []
        problems: list[SecurityError] = []
        for number, alternative in enumerate(requirement):
            try:
                alternatives.append(self._alternative(alternative, under(pointer, number), plain=server.startswith("http:")))
            except SecurityError as error:
                problems.append(error)
        if not alternatives:
            raise problems[0]
        for problem in problems:
            self._document.remarks.warn(problem.pointer, f"{problem.message}; this way to sign in is left out")
        return tuple(dict.fromkeys(alternatives))

    def secrets(self, tools: Iterable[HttpTool]) -> tuple[SecretNeed, ...]:
        """What the owner is asked for; required is what some tool cannot do without."""
        tools = list(tools)
        used = {key for tool in tools for key in secrets_used(tool)}
        required = {key for tool in tools for key in _indispensable(tool.auth)}
        hints = {key: hint for scheme in self._schemes.values() for key, hint in scheme.hints.items()}
        return tuple(SecretNeed(key=key, hint=hint, required=key in required) for key, hint in hints.items() if key in used)

    def _alternative(self, requirement: object, pointer: str, *, plain: bool) -> tuple[Credential, ...]:
        if isinstance(requirement, str):
            requirement = {requirement: []}
        if not isinstance(requirement, dict):
            raise SecurityError("a security requirement must be an object", pointer)
        credentials: dict[tuple[str, str], Credential] = {}
        for name in requirement:
            scheme = self._named(name, under(pointer, name))
            if plain and scheme is not None and isinstance(scheme.credential, CertificateCredential):
                raise SecurityError(f"the security scheme {name!r} is a client certificate, which only https can show", under(pointer, name))
            if scheme is not None and credentials.setdefault(place_of(scheme.credential), scheme.credential) != scheme.credential:
                message = f"the security scheme {name!r} sends its credential where another one does; only the first is used"
                self._document.remarks.note(pointer, message)
        return tuple(credentials.values())

    def _named(self, name: str, pointer: str) -> Scheme | None:
        """The scheme of this name; None for one the document forgot to define."""
        if name in self._schemes:
            return self._schemes[name]
        if name in self._problems:
            raise SecurityError(self._problems[name], pointer)
        near = [each for each in self._schemes if _letters(each) == _letters(name)]
        if len(near) == 1:
            self._document.remarks.warn(pointer, f"the security scheme {name!r} is not defined; {near[0]!r} is used")
            return self._schemes[near[0]]
        message = f"the security scheme {name!r} is not defined; no credential is sent for it"
        self._document.remarks.warn(pointer, message, "define it under components.securitySchemes")
        return None

    def _scheme(self, node: object, name: str, title: str) -> Scheme:
        if not isinstance(node, dict):
            raise SecurityError(f"the security scheme {name!r} must be an object", "")
        kind, http = node.get("type"), str(node.get("scheme", "")).lower()
        about = one_line(node.get("description"), 300)
        if kind == "apiKey":
            return self._api_key(node, name, title, about)
        if (kind == "http" and http == "basic") or kind == "basic":
            username, password = (self._free(secret_key(title, name, each)) for each in ("USERNAME", "PASSWORD"))
            where = "Sent with HTTP Basic authentication."
            hints = {username: _hint("User name.", about, where), password: _hint("Password.", about, where)}
            return Scheme(credential=BasicCredential(username=username, password=password), hints=hints)
        if kind == "http" and http == "digest":
            username, password = (self._free(secret_key(title, name, each)) for each in ("USERNAME", "PASSWORD"))
            where = "For HTTP Digest authentication; the password itself is not sent."
            hints = {username: _hint("User name.", about, where), password: _hint("Password.", about, where)}
            return Scheme(credential=DigestCredential(username=username, password=password), hints=hints)
        if kind in ("oauth2", "openIdConnect") or (kind == "http" and http == "bearer"):
            key = self._free(secret_key(title, name, "TOKEN"))
            what = "A token." if kind == "http" else "An access token, got from the API's sign-in."
            return Scheme(credential=BearerCredential(secret=key), hints={key: _hint(what, about, "Sent as Authorization: Bearer.")})
        if kind == "http" and http and http not in _NOT_STORED and len(http) <= 64 and _TOKEN.fullmatch(http):
            key, scheme = self._free(secret_key(title, name)), str(node["scheme"])
            hint = _hint("A credential.", about, f"Sent as Authorization: {scheme}, a blank and this value; give what stands behind the word {scheme}.")
            return Scheme(credential=BearerCredential(secret=key, scheme=scheme), hints={key: hint})
        if kind == "mutualTLS":
            certificate, private = (self._free(secret_key(title, name, each)) for each in ("CERTIFICATE", "PRIVATE_KEY"))
            hints = {certificate: _hint("A client certificate.", about, CERTIFICATE_HINT), private: _hint("Its private key.", about, PRIVATE_KEY_HINT)}
            return Scheme(credential=CertificateCredential(certificate=certificate, key=private), hints=hints)
        kind = f"http {http}" if kind == "http" else kind
        why = "which signs or negotiates each request" if http in _NOT_STORED else "which is not supported"
        raise SecurityError(f"the security scheme {name!r} is of the type {kind!r}, {why}", "")

    def _api_key(self, node: dict[str, object], name: str, title: str, about: str) -> Scheme:
        place, sent_as = node.get("in"), node.get("name")
        if place not in ("header", "query", "cookie") or not isinstance(sent_as, str) or not sent_as:
            raise SecurityError(f"the API key {name!r} does not say in which header, query parameter or cookie it is sent", "")
        if place != "query" and not _TOKEN.fullmatch(sent_as):
            raise SecurityError(f"the API key {name!r} is to be sent as {sent_as!r}, which is not a legal name for a {place}", "")
        key = self._free(secret_key(title, name))
        where = {"header": "the header", "query": "the query parameter", "cookie": "the cookie"}[place]
        whole = " Give the whole value, with any word before the key." if sent_as.lower() == "authorization" else ""
        credential = KeyCredential(place=place, name=sent_as, secret=key)
        return Scheme(credential=credential, hints={key: _hint("An API key.", about, f"Sent as {where} {sent_as}.{whole}")})

    def _free(self, key: str) -> str:
        choice, number = key, 2
        while choice in self._used:
            choice, number = f"{key[:60]}_{number}", number + 1
        self._used.add(choice)
        return choice


def _hint(otherwise: str, about: str, where: str) -> str:
    text = about or otherwise
    return f"{text if text.endswith(('.', '!', '?', '…')) else text + '.'} {where}"


def _indispensable(auth: Auth) -> set[str]:
    """The secrets that stand in every alternative; none where one alternative is empty."""
    sets = [{key for credential in alternative for key in keys_of(credential)} for alternative in auth]
    return set.intersection(*sets) if sets else set()


def credential_places(auth: Auth) -> set[tuple[str, str]]:
    """Where a tool's credentials go; a document often lists the same place as a parameter too."""
    return {place_of(credential) for alternative in auth for credential in alternative}


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
