"""What a container's policy says: the owner's choice, else the appliance's."""

import msgspec
import pytest

from bmm.config import MOST_CALLS_PER_MINUTE, Config
from bmm.core.server import Server
from bmm.egress.control import EgressControl
from bmm.errors import BadInput
from bmm.servers import control, settings
from bmm.servers.material import Materials, Trust
from bmm.store.db import Store
from bmm.vault import Vault
from runner.contract import Manifest, Policy
from tests.unit.egress.gateways import Gateway
from tests.unit.store import rows

MANIFEST = Manifest(server_id="s", slug="shop", title="S", version=1, bundle="b", issuer="i", resource="r", metadata_url="m")


def policy_of(store: Store, server: Server, egress: Gateway) -> Policy:
    """What a running container of the server reads after the next round."""
    config = Config(data_dir=str(egress.data), run_dir=str(egress.run), calls_per_minute=250)
    trust = Trust(jwks=lambda: b"{}", revoked=lambda _: frozenset({"grt_1"}))
    running = rows.container(store, server, egress.data / "events")
    control.write(control.folder(egress.data, running.id), manifest=MANIFEST, jwks=b"{}", policy=Policy())
    Materials(config, store, Vault(b"m" * 32), EgressControl(egress.run), trust, "here").refresh_controls([running.id])
    return msgspec.json.decode((control.folder(egress.data, running.id) / "policy.json").read_bytes(), type=Policy)


def test_without_a_choice_the_appliances_limit_holds_and_no_page_is_allowed(store: Store, gateway: Gateway) -> None:
    assert policy_of(store, rows.server(store), gateway) == Policy(revoked_grants=frozenset({"grt_1"}), calls_per_minute=250)


def test_what_the_owner_chose_is_in_the_policy_of_a_running_container(store: Store, gateway: Gateway) -> None:
    shop = rows.server(store)
    settings.limit_calls(store, shop, 5, actor="operator", now=rows.T0)
    settings.allow_origin(store, shop, "https://app.example", actor="operator", now=rows.T0)
    chosen = policy_of(store, shop, gateway)
    assert (chosen.calls_per_minute, chosen.origins) == (5, frozenset({"https://app.example"}))
    settings.limit_calls(store, shop, None, actor="operator", now=rows.T0)
    assert policy_of(store, shop, gateway).calls_per_minute == 250


@pytest.mark.parametrize("number", [0, -1, MOST_CALLS_PER_MINUTE + 1])
def test_a_limit_that_makes_no_sense_is_refused(store: Store, number: int) -> None:
    with pytest.raises(BadInput, match="calls per minute"):
        settings.limit_calls(store, rows.server(store), number, actor="operator", now=rows.T0)
