"""The official MCP client with its own OAuth provider, whose browser is a Person."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio.to_thread
import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from tests.person import Person

CALLBACK = "http://127.0.0.1:33333/callback"


class Memory:
    """The client's token storage."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def provider(url: str, person: Person, memory: Memory, tell: Callable[[str], None] = lambda _: None) -> OAuthClientProvider:
    """Registers, sends the person to the authorization page and takes the code from the redirect, as a desktop client does."""
    answer: dict[str, str] = {}

    async def redirect(authorize_url: str) -> None:
        tell(f"opens {authorize_url.split('?')[0]}?… in the browser")
        answer.update(await anyio.to_thread.run_sync(person.decide, authorize_url))

    async def callback() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))

    metadata = OAuthClientMetadata(client_name="Demo client", redirect_uris=[AnyUrl(CALLBACK)], token_endpoint_auth_method="none")
    return OAuthClientProvider(url, metadata, memory, redirect, callback)


@asynccontextmanager
async def connected(url: str, person: Person, memory: Memory, tell: Callable[[str], None] = lambda _: None) -> AsyncIterator[Client]:
    """A connected official client that has been through sign-in and consent."""
    async with (
        httpx2.AsyncClient(auth=provider(url, person, memory, tell), timeout=90) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client
