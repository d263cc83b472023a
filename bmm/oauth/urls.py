"""The URLs of a server and which server a client's `resource` means (RFC 8707)."""

import re
from urllib.parse import SplitResult, urlsplit

from bmm.config import Config
from bmm.core import address
from bmm.core.access import Protected
from bmm.oauth.errors import RedirectableError

_SLUG = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ORIGIN_ONLY = ""


def endpoint_url(config: Config, slug: str) -> str:
    """The canonical URL of a server's endpoint: what people paste, and a token's audience."""
    return address.endpoint(config.public_url, slug)


def metadata_url(config: Config, slug: str) -> str:
    """Where the protected-resource metadata of a server is (RFC 9728 §3.1: inserted before the path)."""
    return address.resource_metadata(config.public_url, slug)


def named_slug(config: Config, resources: list[str]) -> str | None:
    """The slug the request names; None where it names none (no `resource`, or only the origin).

    Clients write the same resource in several ways: with a trailing slash, with scheme and host in capitals, or as the bare
    origin, which is what Claude Code sends for resources with a path.

    Raises:
        RedirectableError: `invalid_target` — not a resource of this appliance, or two different ones.
    """
    slugs = {_slug_of(config, resource) for resource in resources} - {_ORIGIN_ONLY}
    if len(slugs) > 1:
        raise _invalid_target("Ask for one server at a time: a token is for exactly one.")
    return slugs.pop() if slugs else None


def only_choice(config: Config, choices: list[Protected]) -> Protected:
    """The server meant by a request that names none.

    Such a request says "the appliance". A token for all servers of the appliance would let one of them replay it at another, so a
    token is always for one server (attack 57). Which one may be guessed only where there is nothing to guess: when the
    organisations of the person who is signed in have exactly one deployed server. The consent page then shows it by
    name and URL. With several, the person could be tricked or mistaken, so the client must say which. The sentence does not list
    them: it goes to a client that nobody has consented to yet.

    Raises:
        RedirectableError: `invalid_target`, with a sentence that says what to choose between.
    """
    if len(choices) == 1:
        return choices[0]
    example = endpoint_url(config, "name")
    if not choices:
        raise _invalid_target(f"There is no deployed server yet that this could be for. Deploy one and connect its URL, such as {example}.")
    raise _invalid_target(f"There are several servers here. Send `resource` with the URL of the one you want, such as {example}.")


def _slug_of(config: Config, resource: str) -> str:
    try:
        asked = urlsplit(resource)
        at_home = _origin(asked) == _origin(urlsplit(config.public_url))
    except ValueError:
        raise _invalid_target("`resource` is not a URL.") from None
    if not at_home:
        raise _invalid_target(f"`resource` is not at {config.public_url}.")
    if asked.query or asked.username is not None or "#" in resource:
        raise _invalid_target("`resource` must not carry a user name, a query or a fragment.")
    if asked.path in ("", "/"):
        return _ORIGIN_ONLY
    found = re.fullmatch(rf"/s/({_SLUG})/mcp/?", asked.path)
    if found is None:
        raise _invalid_target(f"`resource` is not the URL of a server; those look like {endpoint_url(config, 'name')}.")
    return found[1]


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or {"https": 443, "http": 80}.get(url.scheme)


def _invalid_target(message: str) -> RedirectableError:
    return RedirectableError("invalid_target", message)
