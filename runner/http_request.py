"""The request of an `http` tool, as OpenAPI describes it; part of `runner.contract`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace


class Parameter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One parameter of an HTTP request, as OpenAPI describes it; `argument` is the tool argument it takes its value from.

    Without `argument` the parameter always has the fixed `value`. `content` names a media type to serialise the value with
    instead of a style.
    """

    name: str
    place: Literal["path", "query", "header", "cookie"]
    argument: str | None = None
    value: Any = None
    style: Literal["simple", "label", "matrix", "form", "spaceDelimited", "pipeDelimited", "tabDelimited", "deepObject"] | None = None
    explode: bool | None = None
    allow_reserved: bool = False  # in a query, reserved characters stay; in a path, the slashes do
    content: str | None = None


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How one property of a form or multipart body is sent (OpenAPI Encoding Object).

    A `file` is given as base64 text, or as an http(s) URL on one of the spec's hosts, which is fetched first.
    """

    content_type: str | None = None
    style: Literal["form", "spaceDelimited", "pipeDelimited", "tabDelimited", "deepObject"] | None = None
    explode: bool | None = None
    allow_reserved: bool = False
    file: bool = False


class XmlNode(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a value becomes XML (OpenAPI XML Object): `children` by property name, `item` for the members of an array."""

    name: str
    namespace: str | None = None
    prefix: str | None = None
    attribute: bool = False
    wrapped: bool = False
    children: dict[str, "XmlNode"] = {}
    item: "XmlNode | None" = None


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The body of an HTTP request: one argument holds it whole, or `fields` maps arguments to properties of an object.

    `fixed` are properties that always have the same value. `parts` belongs to forms and multipart bodies, `xml` to XML. `binary` says
    that the argument is base64 text, or a URL as for a file.
    """

    media_type: str
    argument: str | None = None
    fields: dict[str, str] = {}
    fixed: dict[str, Any] = {}
    required: bool = False
    parts: dict[str, Part] = {}
    xml: XmlNode | None = None
    binary: bool = False


class Paging(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an API gives its results in pages. `argument` is the tool argument that asks for another page.

    `page` and `offset` count; `cursor` repeats the value at `next` (a JSON pointer into the answer); `link` follows the answer's
    `Link: …; rel="next"` header, whose URL must stay on the same host. `items` is the JSON pointer of the list in the answer.
    """

    kind: Literal["page", "offset", "cursor", "link"]
    argument: str
    next: str | None = None
    items: str | None = None


class Answer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What of an upstream answer a model gets: the values at `pick` (JSON pointers; empty: all), at most `max_bytes` of text."""

    pick: tuple[str, ...] = ()
    max_bytes: Annotated[int, Meta(ge=1000, le=1_000_000)] = 100_000
    paging: Paging | None = None


class KeyCredential(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="key", tag_field="type"):
    """A secret sent under a name in a header, the query or a cookie (OpenAPI `apiKey`)."""

    place: Literal["header", "query", "cookie"]
    name: str
    secret: str


class BearerCredential(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="bearer", tag_field="type"):
    """`Authorization: Bearer <secret>` (OpenAPI `http`/`bearer`, `oauth2`, `openIdConnect`), or with another word before the secret."""

    secret: str
    scheme: Annotated[str, Meta(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$")] = "Bearer"


class BasicCredential(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="basic", tag_field="type"):
    """`Authorization: Basic` from two secrets (RFC 7617)."""

    username: str
    password: str


class DigestCredential(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="digest", tag_field="type"):
    """`Authorization: Digest` from two secrets (RFC 7616): what is sent answers the host's challenge, the password never leaves."""

    username: str
    password: str


class CertificateCredential(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="certificate", tag_field="type"):
    """A client certificate for TLS from PEM text in secrets: the certificate with its chain behind it, and its private key.

    Without `key` both are in the one secret. It is shown to the tool's own host only, which has to be reached by https.
    """

    certificate: str
    key: str | None = None


Credential = KeyCredential | BearerCredential | BasicCredential | DigestCredential | CertificateCredential


# Asked for in every call, and `A | B` makes a new object each time.
_OF_ONE_SECRET = (KeyCredential, BearerCredential)


def keys_of(credential: Credential) -> tuple[str, ...]:
    """The keys of the secrets one credential is made of."""
    if isinstance(credential, _OF_ONE_SECRET):
        return (credential.secret,)
    if isinstance(credential, CertificateCredential):
        return (credential.certificate,) if credential.key is None else (credential.certificate, credential.key)
    return credential.username, credential.password


def place_of(credential: Credential) -> tuple[str, str]:
    """Where a credential goes: the place and the name there, a header's in lower case. No two can go to the same."""
    if isinstance(credential, KeyCredential):
        return credential.place, credential.name.lower() if credential.place == "header" else credential.name
    return ("connection", "certificate") if isinstance(credential, CertificateCredential) else ("header", "authorization")


def problem_of_alternative(alternative: tuple[Credential, ...], *, plain: bool) -> str | None:
    """Why these credentials cannot be sent together; `plain`: without TLS."""
    places = [place_of(credential) for credential in alternative]
    for credential in alternative:
        alone = places.count(place_of(credential)) == 1
        if isinstance(credential, DigestCredential) and not alone:
            return "HTTP Digest and another credential both need the header Authorization"
        if isinstance(credential, CertificateCredential) and (plain or not alone):
            return "only https can show a client certificate" if plain else "a connection shows one client certificate, not several"
    return None


def with_keys(credential: Credential, keys: Mapping[str, str]) -> Credential:
    """The same credential made of other secrets: those named in `keys` go by their new names."""
    if isinstance(credential, KeyCredential | BearerCredential):
        return replace(credential, secret=keys.get(credential.secret, credential.secret))
    if isinstance(credential, CertificateCredential):
        key = None if credential.key is None else keys.get(credential.key, credential.key)
        return replace(credential, certificate=keys.get(credential.certificate, credential.certificate), key=key)
    username, password = (keys.get(each, each) for each in keys_of(credential))
    return replace(credential, username=username, password=password)
