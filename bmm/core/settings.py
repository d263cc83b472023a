"""What an owner may change of a server while it runs."""

import msgspec
from msgspec import Struct


class ServerSettings(Struct, frozen=True, kw_only=True):
    """`calls_per_minute` is None where the appliance's own default holds; `public` means that the server's card is visible."""

    calls_per_minute: int | None
    public: bool
    origins_json: str

    @property
    def origins(self) -> tuple[str, ...]:
        """Values of `Origin` that browsers may send, beside the appliance's own."""
        return msgspec.json.decode(self.origins_json, type=tuple[str, ...])


class Listed(Struct, frozen=True, kw_only=True):
    """A server as it presents itself to strangers."""

    slug: str
    name: str
    version: int
    description: str
