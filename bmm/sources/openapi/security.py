"""Security schemes and requirements -> credentials of a tool and the secrets the owner must supply."""

import re
from collections.abc import Iterable

from msgspec import Struct

from bmm.sources.finding import Finding
from bmm.sources.openapi.names import secret_key
from bmm.sources.openapi.refs import Document, RefError, under
from bmm.sources.openapi.texts import one_line
from runner.contract import BasicCredential, BearerCredential, Credential, HttpTool, KeyCredential, SecretNeed, secrets_used

_SCHEMES = "/components/securitySchemes"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

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
        self._root = document.root.get("security")
        self._schemes: dict[str, Scheme] = {}
        self._problems: dict[str, str] = {}
        self._used: set[str] = set()
        components = document.root.get("components")
        named = components.get("securitySchemes") if isinstance(components, dict) else None
        for name, node in named.items() if isinstance(named, dict) else ():
            try:
                found, _ = document.follow(node, under(_SCHEMES, name))
                self._schemes[name] = self._scheme(found, name, title)
            except (RefError, SecurityError) as error:
                self._problems[name] = error.message

    def for_operation(self, requirement: object, pointer: str) -> tuple[Auth, list[Finding]]:
        """The alternatives for one operation; `requirement` is its own `security`, None where it has none.

        Raises:
            SecurityError: it asks for a way to sign in, and none of those it names can be used.
        """
        if requirement is None:
            requirement, pointer = self._root, ""
        pointer = under(pointer, "security")
        if not isinstance(requirement, list) or not requirement:
            return (), []
        alternatives: list[tuple[Credential, ...]] = []
        problems: list[Finding] = []
        for number, alternative in enumerate(requirement):
            try:
                alternatives.append(self._alternative(alternative, under(pointer, number)))
            except SecurityError as error:
                problems.append(
                    Finding(level="warning", pointer=error.pointer, message=f"{error.message}; this way to sign in is left out")
                )
        if not alternatives:
            raise SecurityError(problems[0].message.partition(";")[0], problems[0].pointer)
        return tuple(dict.fromkeys(alternatives)), problems

    def secrets(self, tools: Iterable[HttpTool]) -> tuple[SecretNeed, ...]:
        """What the owner is asked for; required is what some tool cannot do without."""
        tools = list(tools)
        used = {key for tool in tools for key in secrets_used(tool)}
        required = {key for tool in tools for key in _indispensable(tool.auth)}
        hints = {key: hint for scheme in self._schemes.values() for key, hint in scheme.hints.items()}
        return tuple(SecretNeed(key=key, hint=hint, required=key in required) for key, hint in hints.items() if key in used)

    def _alternative(self, requirement: object, pointer: str) -> tuple[Credential, ...]:
        if not isinstance(requirement, dict):
            raise SecurityError("a security requirement must be an object", pointer)
        credentials: list[Credential] = []
        for name in requirement:
            if name not in self._schemes:
                raise SecurityError(self._problems.get(name, f"the security scheme {name!r} is not defined"), under(pointer, name))
            credentials.append(self._schemes[name].credential)
        places = [_place(credential) for credential in credentials]
        if len(set(places)) < len(places):
            raise SecurityError("two of its security schemes send their credential in the same place", pointer)
        return tuple(credentials)

    def _scheme(self, node: object, name: str, title: str) -> Scheme:
        if not isinstance(node, dict):
            raise SecurityError(f"the security scheme {name!r} must be an object", "")
        kind, http = node.get("type"), str(node.get("scheme", "")).lower()
        about = one_line(node.get("description"), 300)
        if kind == "apiKey":
            return self._api_key(node, name, title, about)
        if kind == "http" and http == "basic":
            username, password = (self._free(secret_key(title, name, each)) for each in ("USERNAME", "PASSWORD"))
            where = "Sent with HTTP Basic authentication."
            hints = {username: _hint("User name.", about, where), password: _hint("Password.", about, where)}
            return Scheme(credential=BasicCredential(username=username, password=password), hints=hints)
        if kind in ("oauth2", "openIdConnect") or (kind == "http" and http == "bearer"):
            key = self._free(secret_key(title, name, "TOKEN"))
            what = "A token." if kind == "http" else "An access token, got from the API's sign-in."
            return Scheme(credential=BearerCredential(secret=key), hints={key: _hint(what, about, "Sent as Authorization: Bearer.")})
        kind = f"http {http}" if kind == "http" else kind
        raise SecurityError(f"the security scheme {name!r} is of the type {kind!r}, which is not supported", "")

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


def _place(credential: Credential) -> tuple[str, str]:
    if isinstance(credential, KeyCredential):
        return credential.place, credential.name.lower() if credential.place == "header" else credential.name
    return "header", "authorization"


def _indispensable(auth: Auth) -> set[str]:
    """The secrets that stand in every alternative; none where one alternative is empty."""
    sets = [{key for credential in alternative for key in _keys(credential)} for alternative in auth]
    return set.intersection(*sets) if sets else set()


def _keys(credential: Credential) -> tuple[str, ...]:
    return (credential.username, credential.password) if isinstance(credential, BasicCredential) else (credential.secret,)


def credential_places(auth: Auth) -> set[tuple[str, str]]:
    """Where a tool's credentials go; a document often lists the same place as a parameter too."""
    return {_place(credential) for alternative in auth for credential in alternative}
