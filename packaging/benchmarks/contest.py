"""The contest: every contestant in turn, scenario by scenario, round by round, so that what disturbs the machine disturbs all."""

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from benchmarks import document, load, process
from benchmarks.document import Ask
from benchmarks.load import Load
from benchmarks.sites import Site, Upstream


class Scenario(Struct, frozen=True, kw_only=True):
    """`ask` makes the request for a revision of the protocol."""

    name: str
    connections: int
    ask: Callable[[str], Ask]
    asks_upstream: bool = False


class Contestant(Struct, frozen=True, kw_only=True):
    site: Site
    era: str


class Measured(Struct, frozen=True, kw_only=True):
    """One burst of load; `cpu` is the processor time in seconds that each process used meanwhile."""

    scenario: Scenario
    contestant: Contestant
    load: Load
    cpu: dict[str, float]


def run(
    scenarios: Sequence[Scenario],
    contestants: Sequence[Contestant],
    *,
    bare: Site | None,
    token: str,
    api: Upstream,
    seconds: int,
    rounds: int,
    folder: Path,
) -> list[Measured]:
    """Every burst, in the order it was measured. `bare` takes part in the first scenario only.

    Raises:
        AssertionError: a request failed, or a tool answered without having asked the upstream.
    """
    found = []
    for _ in range(rounds):
        for scenario in scenarios:
            also = [Contestant(site=bare, era=document.LEGACY)] if bare is not None and scenario is scenarios[0] else []
            for contestant in (*contestants, *also):
                _burst(scenario, contestant, token, api, 1, folder)
                found.append(_burst(scenario, contestant, token, api, seconds, folder))
    return found


class Half(Struct, frozen=True, kw_only=True):
    """Latencies at a rate below what the contestant can do. `of` says half of whose maximum the rate is; in requests a second."""

    contestant: Contestant
    of: str
    rate: float
    found: load.Paced


def half_loads(found: Sequence[Measured], *, reference: str, token: str, seconds: float, connections: int) -> list[Half]:
    """Everyone at half of what the reference reached in the same revision of the protocol, and then at half of what it reached itself."""
    most = {(one.contestant.era, one.contestant.site.name): 0.0 for one in found}
    for one in found:
        key = one.contestant.era, one.contestant.site.name
        most[key] = max(most[key], one.load.rate)
    contestants = {(one.contestant.era, one.contestant.site.name): one for one in found}
    halves = []
    for of in (reference, "its own"):
        for (era, name), one in contestants.items():
            if of == "its own" and name == reference:
                continue
            rate = most[era, reference if of == reference else name] / 2
            ask = one.scenario.ask(era)
            paced = load.at_rate(one.contestant.site.url, ask, token, rate=rate, connections=connections, seconds=seconds)
            halves.append(Half(contestant=one.contestant, of=of, rate=rate, found=paced))
    return halves


class Added(Struct, frozen=True, kw_only=True):
    """Median latencies in milliseconds of the same tool, answered by the guard and in a worker; one pair a round."""

    load: str
    guard: list[float]
    worker: list[float]


def added(found: Sequence[Measured], *, guard: str, worker: str) -> list[Added]:
    """What a scenario takes longer than another, by the number of connections."""
    pairs = []
    for connections in dict.fromkeys(one.scenario.connections for one in found):
        p50 = {
            name: [one.load.p50 for one in found if (one.scenario.name, one.scenario.connections) == (name, connections)]
            for name in (guard, worker)
        }
        pairs.append(Added(load=f"{connections} at once", guard=p50[guard], worker=p50[worker]))
    return pairs


class Disturbed(Struct, frozen=True, kw_only=True):
    """A tool and its client at a fixed rate, round by round: alone, and while calls of other tools ended with errors (`ended`, by their names)."""

    what: str
    rate: float
    alone: list[load.Paced]
    meanwhile: list[load.Paced]
    ended: dict[str, int]


def _burst(scenario: Scenario, contestant: Contestant, token: str, api: Upstream, seconds: int, folder: Path) -> Measured:
    site = contestant.site
    asked, before = api.asked(), {name: process.cpu_seconds(pid) for name, pid in site.pids.items()}
    got = load.run(
        site.url, scenario.ask(contestant.era), token, connections=scenario.connections, seconds=seconds, folder=folder
    )  # fmt: skip
    cpu = {name: process.cpu_seconds(pid) - before[name] for name, pid in site.pids.items()}
    # An error of a tool is a 200 too; that the upstream was asked as often tells them apart without work for the load generator.
    reached = api.asked() - asked
    assert not scenario.asks_upstream or reached >= got.requests, (
        f"{site.name}: {got.requests} answers, but only {reached} from the upstream"
    )
    return Measured(scenario=scenario, contestant=contestant, load=got, cpu=cpu | {"wrk": got.cpu})
