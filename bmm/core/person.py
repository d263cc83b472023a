"""A person who is signed in, and what they belong to."""

from datetime import datetime

from msgspec import Struct


class Person(Struct, frozen=True, kw_only=True):
    """Somebody behind a browser. `organisations` holds the ids of those they are a member of."""

    id: str
    name: str
    email: str | None
    organisations: frozenset[str]

    @property
    def label(self) -> str:
        return self.email or self.name

    def belongs_to(self, organisation_id: str) -> bool:
        return organisation_id in self.organisations


class Link(Struct, frozen=True, kw_only=True):
    """A one-time sign-in link as it is stored; without `user_id` it is for the owner, who may not exist yet."""

    user_id: str | None
    expires_at: datetime
    used_at: datetime | None
