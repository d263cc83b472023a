"""Parameters that are credentials: a model is not asked for one. It becomes a secret, or gives way to what the operation signs in with."""

import re

from bmm.sources.openapi.parameters import Declared
from bmm.sources.openapi.refs import Document
from bmm.sources.openapi.security import Auth, Security, credential_places
from runner.contract import BearerCredential, Credential, KeyCredential

_AUTHORIZATION = ("header", "authorization")
_NAMES = frozenset({"apikey", "xapikey", "accesstoken", "oauthtoken"})
# Where an operation signs in already, these are as often what it is about: the key of an app to be removed, the password of a cluster.
_NAMES_WITHOUT_AUTH = _NAMES | {"xaccesstoken", "authtoken", "xauthtoken", "apitoken", "xapitoken", "appkey", "apisecret"}
# These name a cursor, a lock or an entry of a cache just as well; what they are for has to be said.
_DESCRIBED = frozenset({"token", "xtoken", "key"})
_SAYS_SO = re.compile(r"(?i)\b(api|access|auth|authentication|authorization|oauth|bearer)[ _-]*(key|token)\b")


def without_credentials(found: list[Declared], auth: Auth, security: Security, document: Document) -> tuple[list[Declared], Auth]:
    """The parameters that remain for a model, and the alternatives to sign in with those added that were credentials.

    Beside `auth` a required one is sent too, a token from the same secret as the scheme's own; an optional one is left out.
    """
    taken = credential_places(auth)
    kept: list[Declared] = []
    needed: list[Credential] = []
    possible: list[Credential] = []
    for each in found:
        place = each.place, each.name.lower() if each.place == "header" else each.name
        required = each.node.get("required") in (True, "true")
        if place in taken:
            # Sent there already, but where alternatives have different keys, only in some of them.
            declared = security.at(each.place, each.name) if required else None
            needed += [declared] if declared is not None else []
            continue
        if not _is_credential(each, security, signed_in=bool(auth)):
            kept.append(each)
            continue
        taken.add(place)
        if auth and not required:
            message = f"{each.name!r} is not an argument: it is a credential, and the operation signs in with its security scheme's"
            document.remarks.note(each.pointer, message)
            continue
        (needed if required else possible).append(_credential(each, auth, security))
        document.remarks.note(
            each.pointer, f"{each.name!r} is not an argument: the server sends it from a secret", "declare a security scheme"
        )
    if auth:
        return kept, tuple(dict.fromkeys(_with(alternative, needed) for alternative in auth))
    if not needed and not possible:
        return kept, ()
    some = [(*needed, *possible)] if len(possible) > 1 else []
    return kept, (*some, *((*needed, each) for each in possible), tuple(needed))


def _with(alternative: tuple[Credential, ...], needed: list[Credential]) -> tuple[Credential, ...]:
    there = credential_places((alternative,))
    return (*alternative, *(each for each in needed if not credential_places(((each,),)) & there))


def _is_credential(each: Declared, security: Security, *, signed_in: bool) -> bool:
    if each.place == "path":
        return False
    if (each.place, each.name.lower()) == _AUTHORIZATION or security.at(each.place, each.name) is not None:
        return True
    plain = re.sub(r"[^a-z]", "", each.name.lower())
    if plain in _DESCRIBED and each.place != "cookie":
        about = each.node.get("description")
        return isinstance(about, str) and _SAYS_SO.search(about[:300]) is not None
    return plain in (_NAMES if signed_in else _NAMES_WITHOUT_AUTH)


def _credential(each: Declared, auth: Auth, security: Security) -> Credential:
    assert each.place != "path"
    if (declared := security.at(each.place, each.name)) is not None:
        return declared
    bearer = next((one for alternative in auth for one in alternative if isinstance(one, BearerCredential)), None)
    if bearer is not None and "token" in each.name.lower():
        return KeyCredential(place=each.place, name=each.name, secret=bearer.secret)
    return security.by_hand(each.place, each.name, each.node.get("description")).credential
