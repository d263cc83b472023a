"""What should run, and the pure decision what to do about what does."""

import hashlib
from collections.abc import Collection

from msgspec import Struct

from bmm.core.server import Server, Version
from bmm.servers.launch import REVISION_LABEL
from bmm.servers.podman import Running
from bmm.store.secrets import SealedSecret


class Desired(Struct, frozen=True, kw_only=True):
    """The version a server should run. Two containers of the same revision are interchangeable."""

    version: Version
    revision: str


class Decision(Struct, frozen=True, kw_only=True):
    """`keep` serves; `start` says that one must be started first; `retire` may finish what they accepted and go."""

    keep: str | None
    start: bool
    retire: tuple[str, ...]


def revision(server: Server, version: Version, secrets: list[SealedSecret], *, surroundings: str, socket: str) -> str:
    """Changes with everything that needs a new container: version, secrets, listening socket, and what the host gives."""
    parts = [
        server.id,
        str(version.number),
        version.bundle,
        surroundings,
        socket,
        *(f"{secret.key}@{secret.updated_at}" for secret in secrets),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def decide(desired: Desired | None, containers: list[Running], *, worn: Collection[str] = ()) -> Decision:
    """Exactly one container of the desired revision should run, and no other; one that is worn is handed over to a fresh one."""
    running = [one for one in containers if one.state == "running" and one.name not in worn]
    fitting = sorted(one.name for one in running if desired and one.labels.get(REVISION_LABEL) == desired.revision)
    keep = fitting[0] if fitting else None
    return Decision(
        keep=keep,
        start=desired is not None and keep is None,
        retire=tuple(one.name for one in containers if one.name != keep),
    )
