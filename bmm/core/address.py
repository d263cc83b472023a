"""Where a server is reached: pure functions of the public origin and the slug."""


def endpoint(public_url: str, slug: str) -> str:
    """The canonical URL of a server's MCP endpoint; also its OAuth resource identifier."""
    return f"{public_url}/s/{slug}/mcp"


def resource_metadata(public_url: str, slug: str) -> str:
    """Where its protected-resource metadata is (RFC 9728 §3.1: the path comes after the well-known part)."""
    return f"{public_url}/.well-known/oauth-protected-resource/s/{slug}/mcp"


def card(public_url: str, slug: str) -> str:
    """Where its card is while it is public (the place SEP-2127 reserves)."""
    return f"{endpoint(public_url, slug)}/server-card"
