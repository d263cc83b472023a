"""What a server's address may be called."""

import re

from bmm.errors import BadInput

SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Names that people or browsers take for the appliance itself, once a slug becomes a host label.
RESERVED = frozenset({
    "admin", "api", "app", "assets", "auth", "authorize", "autoconfig", "autodiscover", "billing", "blog", "cdn", "console",
    "dashboard", "docs", "ftp", "health", "help", "imap", "login", "logout", "mail", "mcp", "mx", "ns1", "ns2", "oauth", "pop",
    "public", "register", "revoke", "root", "s", "security", "signin", "signup", "smtp", "ssl", "static", "status", "support", "sys",
    "system", "token", "webmail", "well-known", "wpad", "www",
})  # fmt: skip


def check_slug(slug: str) -> str:
    """The slug itself.

    Raises:
        BadInput: says which rule it breaks and shows a legal one.
    """
    if not SLUG.fullmatch(slug):
        raise BadInput(
            f"{slug!r} cannot be a slug: use 1 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit, "
            f"such as {_suggestion(slug)!r}"
        )
    if slug in RESERVED or slug.startswith("xn--"):
        raise BadInput(f"The slug {slug!r} is reserved; choose another, such as 'my-{slug.removeprefix('xn--')}'")
    return slug


def _suggestion(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:63].strip("-") or "shop"
