"""The documents by which clients find their way: the authorization server's (RFC 8414), each server's (RFC 9728), the challenge."""

from typing import Any

from bmm.config import Config
from bmm.core.access import Protected
from bmm.oauth.clients import AUTH_METHODS, GRANT_TYPES
from bmm.oauth.urls import endpoint_url, metadata_url

Document = dict[str, Any]


def authorization_server(config: Config) -> Document:
    """One document for RFC 8414 and OpenID discovery alike; it claims only what is there.

    The members OpenID Connect requires stand in it because validators of that document insist on them.
    """
    base = config.public_url
    return {
        "issuer": base,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "registration_endpoint": f"{base}/register",
        "revocation_endpoint": f"{base}/revoke",
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "code_challenge_methods_supported": ["S256"],
        # Each server's own scopes stand in its protected-resource metadata.
        "scopes_supported": ["offline_access"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": False,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


def protected_resource(config: Config, server: Protected) -> Document:
    """`resource` is a string equal to the URL people paste: clients compare. `offline_access` does not belong here."""
    return {
        "resource": endpoint_url(config, server.slug),
        "authorization_servers": [config.public_url],
        "scopes_supported": list(server.scope_names),
        "bearer_methods_supported": ["header"],
        "resource_name": server.name,
    }


def appliance(config: Config) -> Document:
    """For clients that only look at the root: the origin as resource, which `urls.only_choice` resolves."""
    return {"resource": config.public_url, "authorization_servers": [config.public_url], "bearer_methods_supported": ["header"]}


def challenge(config: Config, server: Protected) -> str:
    """`WWW-Authenticate` for a request without credentials; RFC 6750 §3.1: then without an `error`."""
    scope = f', scope="{" ".join(server.scope_names)}"' if server.scope_names else ""
    return f'Bearer resource_metadata="{metadata_url(config, server.slug)}"{scope}'
