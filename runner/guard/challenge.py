"""The challenges that lead a client to a token, or to a better one (RFC 6750 §3, RFC 9728 §5.1)."""

from collections.abc import Iterable

from runner.contract import Manifest
from runner.protocol.jsonrpc import Header, Reply, encode

# A refresh token is the client's wish and never what a resource needs.
_NOT_ASKED_FOR = frozenset({"offline_access"})


class Challenge:
    """What this server answers when a token is missing, refused or not enough."""

    def __init__(self, manifest: Manifest) -> None:
        self._place = f'resource_metadata="{manifest.metadata_url}"'
        scope = _scope(manifest.scopes)
        text = "Send an access token of this server in the Authorization header."
        self.missing = _reply(401, ", ".join(filter(None, (self._place, scope))), "invalid_request", text)
        self._scope = scope

    def refused(self, reason: str) -> Reply:
        """A token was sent and is not accepted."""
        parts = ('error="invalid_token"', f'error_description="{reason}"', self._place, self._scope)
        return _reply(401, ", ".join(filter(None, parts)), "invalid_token", reason)

    def insufficient(self, needed: Iterable[str]) -> Reply:
        """The token is good; the operation needs all of `needed`, which are named at once."""
        reason = "This tool needs more than the token allows"
        parts = ('error="insufficient_scope"', _scope(needed), self._place, f'error_description="{reason}"')
        return _reply(403, ", ".join(filter(None, parts)), "insufficient_scope", reason)


def _scope(scopes: Iterable[str]) -> str:
    named = " ".join(scope for scope in scopes if scope not in _NOT_ASKED_FOR)
    return f'scope="{named}"' if named else ""


def _reply(status: int, parameters: str, error: str, description: str) -> Reply:
    header: Header = (b"www-authenticate", f"Bearer {parameters}".encode("latin-1"))
    return Reply(status=status, headers=(header,), body=encode({"error": error, "error_description": description}))
