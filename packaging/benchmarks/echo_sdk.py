"""The tool `echo` on the official SDK's low-level server: stateless, JSON instead of streams, uvicorn with uvloop.

    python echo_sdk.py UNIX_SOCKET PUBLIC_KEY ISSUER AUDIENCE

The SDK's own bearer middleware takes the token; PyJWT, which the SDK depends on, checks it with the key given to it.
"""

import logging
import sys
from pathlib import Path

import jwt
import mcp_types as t
import uvicorn
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl

SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"], "additionalProperties": False}


class Verifier:
    """Checks signature, issuer, audience and time of every token, every time."""

    def __init__(self, key: RSAPublicKey, issuer: str, audience: str) -> None:
        self._key, self._issuer, self._audience = key, issuer, audience

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            claims = jwt.decode(token, self._key, algorithms=["RS256"], audience=self._audience, issuer=self._issuer)
        except jwt.InvalidTokenError:
            return None
        scopes = str(claims.get("scope", "")).split()
        return AccessToken(
            token=token, client_id=claims["client_id"], scopes=scopes, expires_at=claims["exp"],
            resource=self._audience, subject=claims["sub"], claims=claims,
        )  # fmt: skip


async def list_tools(_: ServerRequestContext[object], __: t.PaginatedRequestParams | None) -> t.ListToolsResult:
    return t.ListToolsResult(tools=[t.Tool(name="echo", description="Give the text back.", input_schema=SCHEMA)])


async def call_tool(_: ServerRequestContext[object], params: t.CallToolRequestParams) -> t.CallToolResult:
    return t.CallToolResult(content=[t.TextContent(type="text", text=(params.arguments or {})["text"])])


def main(socket: str, public_key: str, issuer: str, audience: str) -> None:
    key = load_pem_public_key(Path(public_key).read_bytes())
    assert isinstance(key, RSAPublicKey)
    server = Server("Echo", version="1", on_list_tools=list_tools, on_call_tool=call_tool, get_tool_input_schema=lambda _: SCHEMA)
    app = server.streamable_http_app(
        json_response=True,
        stateless_http=True,
        auth=AuthSettings(issuer_url=AnyHttpUrl(issuer), resource_server_url=AnyHttpUrl(audience), validate_token_resource=True),
        token_verifier=Verifier(key, issuer, audience),
        transport_security=TransportSecuritySettings(allowed_hosts=["localhost", "localhost:*"]),
    )
    logging.disable(logging.INFO)
    uvicorn.run(app, uds=socket, loop="uvloop", http="httptools", access_log=False, log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
