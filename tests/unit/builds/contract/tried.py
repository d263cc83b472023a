"""A trial of a spec against a real guard, as a container would run it, but without the container."""

from bmm.builds.contract.tries import try_tools
from bmm.core.stand_in import stand_in
from bmm.core.trial import Trial
from runner.contract import Entry, ServerSpec
from tests.unit.runner.guarded import GuardProcess, Home


def tried(spec: ServerSpec) -> Trial:
    entries = tuple(
        Entry(index=number, name=host.name, port=host.port, plain=host.plain, protocol=host.protocol, recorded=True)
        for number, host in enumerate(spec.hosts)
    )
    home = Home(spec, entries=entries)
    guard = GuardProcess(home, secrets={need.key: stand_in(need.key) for need in spec.secrets})
    try:
        return try_tools(spec, private=guard.private, egress=home.folder / "egress", events=home.event_file)
    finally:
        guard.stop()
        home.close()
