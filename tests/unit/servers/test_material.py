"""The key that seals what clients carry: one per server, whatever its versions and restarts; a trial's is nobody's."""

from pathlib import Path

import msgspec

from bmm.config import Config
from bmm.core.server import Server, Version
from bmm.egress.control import EgressControl
from bmm.servers import bundles
from bmm.servers.desired import Desired
from bmm.servers.material import Materials, Trust
from bmm.store.db import Store
from bmm.vault import Vault
from runner.contract import AllowedHost, HttpTool, SecretNeed, ServerSpec
from tests.unit.egress.gateways import Gateway
from tests.unit.store import rows

TOOL = HttpTool(name="ping", description="Ping", input_schema={"type": "object"}, method="GET", server="https://shop.test", path="/")


def materials(store: Store, egress: Gateway, *, master: bytes = b"m" * 32) -> Materials:
    """As after a start of `bmm serve`: nothing of an earlier one is left but the master key and the database."""
    config = Config(data_dir=str(egress.data), run_dir=str(egress.run))
    trust = Trust(jwks=lambda: b'{"keys":[]}', revoked=lambda _: frozenset())
    return Materials(config, store, Vault(master), EgressControl(egress.run), trust, "here")


def spec(name: str) -> ServerSpec:
    return ServerSpec(name=name, tools=(TOOL,), hosts=(AllowedHost(name="shop.test", port=443),))


def key(of: Materials, server: Server, data: Path, number: int) -> bytes:
    """The key that a version's container is given."""
    bundle = bundles.store(data, spec(f"Version {number}"))
    version = Version(server_id=server.id, number=number, bundle=bundle, build_id="bld_1", created_at=rows.T0)
    container = f"ctr{number}"
    try:
        return of.launch_of(server, Desired(version=version, revision="r"), container).confidential.state_key
    finally:
        of.forget(container)


def test_all_containers_of_a_server_share_a_key_and_no_two_servers_do(store: Store, gateway: Gateway) -> None:
    shop, bank = rows.server(store), rows.server(store, "bank", uid_block=1)
    first = key(materials(store, gateway), shop, gateway.data, 1)
    assert len(first) == 32
    assert key(materials(store, gateway), shop, gateway.data, 1) == first
    assert key(materials(store, gateway), shop, gateway.data, 2) == first
    assert key(materials(store, gateway), bank, gateway.data, 1) != first
    assert key(materials(store, gateway, master=b"n" * 32), shop, gateway.data, 1) != first


def test_a_trial_has_a_key_that_no_other_container_has(store: Store, gateway: Gateway) -> None:
    shop, one = rows.server(store), materials(store, gateway)
    keys = {one.trial_of(shop, spec("Shop"), bundle="b" * 64, container_id="ctr").confidential.state_key for _ in range(2)}
    assert len(keys | {key(one, shop, gateway.data, 1)}) == 3


def test_a_trial_has_nobodys_secrets_and_only_its_ways_lead_to_a_recorder(store: Store, gateway: Gateway) -> None:
    shop, one = rows.server(store), materials(store, gateway)
    served = msgspec.structs.replace(spec("Shop"), secrets=(SecretNeed(key="TOKEN"),))
    trial = one.trial_of(shop, served, bundle="b" * 64, container_id="ctr")
    assert trial.confidential.secrets == {"TOKEN": "trial-TOKEN"}
    assert [each.recorded for each in trial.manifest.entries] == [True]
    version = Version(server_id=shop.id, number=1, bundle=bundles.store(gateway.data, served), build_id="bld_1", created_at=rows.T0)
    try:
        live = one.launch_of(shop, Desired(version=version, revision="r"), "ctr1")
    finally:
        one.forget("ctr1")
    assert live.confidential.secrets == {}
    assert [each.recorded for each in live.manifest.entries] == [False]
