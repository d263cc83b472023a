"""Everything a container is given: who it is, what it may reach, its secrets, keys and policy."""

import contextlib
import logging
import os
from collections.abc import Callable, Collection, Iterable

from msgspec import Struct

from bmm.config import Config
from bmm.core import address
from bmm.core.server import Server
from bmm.core.stand_in import stand_in
from bmm.egress.control import EgressControl
from bmm.egress.rules import EgressEntry, EgressRules, remove_rules, write_rules
from bmm.servers import bundles, control
from bmm.servers.desired import Desired
from bmm.servers.launch import Launch
from bmm.store import secrets, servers, settings
from bmm.store.db import Store
from bmm.vault import Vault
from runner.contract import Confidential, Entry, Manifest, Policy, ServerSpec

log = logging.getLogger("bmm.servers")


class Trust(Struct, frozen=True, kw_only=True):
    """What the authorization server tells every container: its public keys, and which grants of a server are revoked."""

    jwks: Callable[[], bytes]
    revoked: Callable[[str], frozenset[str]]


class Materials:
    """Puts launches together and keeps the control folders of running containers up to date."""

    def __init__(self, config: Config, store: Store, vault: Vault, egress: EgressControl, trust: Trust, surroundings: str) -> None:
        self._config, self._store, self._vault, self._egress, self._trust = config, store, vault, egress, trust
        self.surroundings = surroundings

    def launch_of(self, server: Server, desired: Desired, container_id: str) -> Launch:
        """A version with its secrets and its way out; the way out exists when this returns."""
        spec = bundles.load(self._config.data, desired.version.bundle)
        self._open_egress(server.id, container_id, spec)
        return Launch(
            container_id=container_id,
            server=server,
            bundle=desired.version.bundle,
            revision=desired.revision,
            manifest=self._manifest(server, spec, version=desired.version.number, bundle=desired.version.bundle),
            policy=self._policy(server.id),
            jwks=self._trust.jwks(),
            confidential=Confidential(
                secrets=self.secret_values(server, {need.key for need in spec.secrets}),
                # The same in every version and after every restart: a client may answer in the next what the last one asked.
                state_key=self._vault.derived_key(f"request-state:{server.id}"),
            ),
        )

    def trial_of(self, server: Server, spec: ServerSpec, *, bundle: str, container_id: str) -> Launch:
        """A candidate: nobody's secrets, a key of its own, ways that lead to the recorder, an address nobody knows."""
        return Launch(
            container_id=container_id,
            server=server,
            bundle=bundle,
            revision="trial",
            manifest=self._manifest(server, spec, version=0, bundle=bundle, recorded=True),
            policy=Policy(),
            jwks=self._trust.jwks(),
            confidential=Confidential(secrets={need.key: stand_in(need.key) for need in spec.secrets}, state_key=os.urandom(32)),
            trial=True,
        )

    def secret_values(self, server: Server, keys: Collection[str]) -> dict[str, str]:
        """The opened secrets of a server that are among these keys.

        Raises:
            WrongKey: the master key is not the one they were sealed under.
        """
        sealed = self._store.all(secrets.of_server(server.id))
        wrapped = self._store.one(secrets.data_key(server.organisation_id))
        if not sealed or wrapped is None:
            return {}
        return {
            one.key: self._vault.open_secret(
                one.sealed, organisation_id=server.organisation_id, data_key=wrapped.data_key, server_id=server.id, key=one.key
            )
            for one in sealed
            if one.key in keys
        }

    def refresh_controls(self, running: Iterable[str]) -> None:
        """Bring keys, policy and rules of running containers up to date; what already is, is not touched."""
        jwks, names = self._trust.jwks(), set(running)
        for container in self._store.all(servers.open_containers()):
            path = control.folder(self._config.data, container.id)
            if container.id in names and path.exists():
                with contextlib.suppress(FileNotFoundError):  # it has been buried at this very moment
                    control.refresh(path, jwks=jwks, policy=self._policy(container.server_id))

    def forget(self, container_id: str) -> None:
        """Close a container's way out."""
        remove_rules(self._config.data, container_id)

    def _open_egress(self, server_id: str, container_id: str, spec: ServerSpec) -> None:
        exceptions = self._config.egress_exceptions
        write_rules(
            self._config.data,
            EgressRules(
                server_id=server_id,
                container_id=container_id,
                entries=tuple(
                    EgressEntry(
                        index=one.index,
                        name=one.name,
                        port=one.port,
                        plain=one.plain,
                        protocol=one.protocol,
                        address=exceptions.get(f"{one.name}:{one.port}"),
                    )
                    for one in _entries(spec)
                ),
            ),
        )
        self._egress.reload()

    def _manifest(self, server: Server, spec: ServerSpec, *, version: int, bundle: str, recorded: bool = False) -> Manifest:
        public_url = self._config.public_url
        return Manifest(
            server_id=server.id,
            slug=server.slug,
            title=spec.name,
            version=version,
            bundle=bundle,
            issuer=public_url,
            resource=address.endpoint(public_url, server.slug),
            metadata_url=address.resource_metadata(public_url, server.slug),
            scopes=tuple(scope.name for scope in spec.scopes),
            origins=(public_url,),
            entries=_entries(spec, recorded=recorded),
        )

    def _policy(self, server_id: str) -> Policy:
        chosen = self._store.one(settings.of_server(server_id))
        return Policy(
            revoked_grants=self._trust.revoked(server_id),
            origins=frozenset(chosen.origins if chosen else ()),
            calls_per_minute=(chosen.calls_per_minute if chosen else None) or self._config.calls_per_minute,
        )


def _entries(spec: ServerSpec, *, recorded: bool = False) -> tuple[Entry, ...]:
    return tuple(
        Entry(index=number, name=host.name, port=host.port, plain=host.plain, protocol=host.protocol, recorded=recorded)
        for number, host in enumerate(spec.hosts)
    )
