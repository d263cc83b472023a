"""The nouns of authorization: the protected server, the client, the grant, the code and the refresh token."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from runner.contract import Scope

ACCESS_LIFE = timedelta(minutes=15)
CODE_LIFE = timedelta(seconds=60)
REFRESH_LIFE = timedelta(days=60)
REUSE_GRACE = timedelta(seconds=30)
"""Several processes of one client refresh at once, and a response can be lost: for this long a rotated token still works."""

AuthMethod = Literal["none", "client_secret_basic", "client_secret_post"]


class Protected(Struct, frozen=True, kw_only=True):
    """A server as the thing tokens are for; `scopes_json` comes from the spec of its live version, `origins_json` from its owner."""

    id: str
    organisation_id: str
    slug: str
    name: str
    status: str
    version: int | None
    scopes_json: str
    origins_json: str

    @property
    def origins(self) -> tuple[str, ...]:
        return msgspec.json.decode(self.origins_json, type=tuple[str, ...])

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return msgspec.json.decode(self.scopes_json, type=tuple[Scope, ...])

    @property
    def scope_names(self) -> tuple[str, ...]:
        return tuple(scope.name for scope in self.scopes)


class ClientMetadata(Struct, frozen=True, kw_only=True):
    """What a client registered (RFC 7591 §2); what it did not say is left out of every answer, never `null`."""

    redirect_uris: tuple[str, ...]
    token_endpoint_auth_method: AuthMethod
    grant_types: tuple[str, ...]
    response_types: tuple[str, ...]
    client_name: str | UnsetType = UNSET
    application_type: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    client_uri: str | UnsetType = UNSET
    logo_uri: str | UnsetType = UNSET
    tos_uri: str | UnsetType = UNSET
    policy_uri: str | UnsetType = UNSET
    software_id: str | UnsetType = UNSET
    software_version: str | UnsetType = UNSET


class Client(Struct, frozen=True, kw_only=True):
    """A registered client. `name` is the client's own claim, cleaned for display."""

    id: str
    name: str
    metadata: str
    secret_hash: str | None
    created_at: datetime

    @property
    def registered(self) -> ClientMetadata:
        return msgspec.json.decode(self.metadata, type=ClientMetadata)


class CodeRow(Struct, frozen=True, kw_only=True):
    """An authorization code with the grant it would open."""

    grant_id: str
    client_id: str
    redirect_uri: str
    challenge: str
    resource: str
    expires_at: datetime
    redeemed_at: datetime | None


class RefreshRow(Struct, frozen=True, kw_only=True):
    """A refresh token and the client it belongs to."""

    grant_id: str
    client_id: str | None
    expires_at: datetime
    rotated_at: datetime | None


class GrantRow(Struct, frozen=True, kw_only=True):
    """A grant that still stands: not revoked, its server exists and its person is still a member."""

    id: str
    organisation_id: str
    user_id: str
    client_id: str
    server_id: str
    slug: str
    scope: str


class Name(Struct, frozen=True, kw_only=True):
    """One text value of a row."""

    value: str


class Count(Struct, frozen=True, kw_only=True):
    value: int
