"""`make bench`: one run of deploys, starts, load and memory, beside others with the same tools, the same token and an equal Caddy.

    python packaging/bench.py [--seconds 4] [--rounds 2] [--only PART]

Traffic stays on loopback and everything that is started is ended. docs/benchmarks.md says what is compared with what.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import coded, contest, document, drafting, load, process, report, sites, starts
from benchmarks.contest import Added, Contestant, Disturbed, Measured, Scenario
from benchmarks.sites import Site, Upstream
from msgspec import Struct

from runner.contract import ServerSpec, decode_spec
from tests.real.appliance import Box

DEPLOYS = STARTS = 5
FASTMCP, SDK, CEILING = "FastMCP", "the SDK", "the ceiling"
PACED_SECONDS = 3
ECHO = (Scenario(name="echo", connections=16, ask=document.echo),)
GUARD_ECHO, WORKER_ECHO = "echo", "echo in a worker"
ECHOES = tuple(
    Scenario(name=name, connections=connections, ask=ask)
    for connections in (1, 16)
    for name, ask in ((GUARD_ECHO, document.echo), (WORKER_ECHO, coded.worker_echo))
)
QUERIES = tuple(Scenario(name="sql", connections=connections, ask=coded.find) for connections in (16, 1))
MIXED_RATE, MIXED_ROUNDS = 100.0, 5
SCENARIOS = (
    Scenario(name="tools/call", connections=16, ask=document.call, asks_upstream=True),
    Scenario(name="tools/call", connections=1, ask=document.call, asks_upstream=True),
    Scenario(name="tools/list", connections=16, ask=document.listing),
)


class Stand(Struct, frozen=True, kw_only=True):
    """What stands ready to be measured. `caddy` is the pid of the Caddy of all the others, at `origin`."""

    data: Path
    run: Path
    api: Upstream
    box: Box
    spec: ServerSpec
    caddy: int
    origin: str


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    begun = time.monotonic()
    say(f"machine: {process.machine()}")
    say(f"versions: {report.versions()}")
    with ExitStack() as held:
        data, run = held.enter_context(sites.folders())
        (run / "in").mkdir()
        api = held.enter_context(sites.upstream(run / "in" / "upstream.sock"))
        box = held.enter_context(sites.appliance(api.port))
        caddy, origin = held.enter_context(sites.caddy(data, run))
        written = json.dumps(sites.document_for(box, api)).encode()
        spec = decode_spec(box.bmm("compile", "openapi", "-", stdin=written).stdout.encode())
        stand = Stand(data=data, run=run, api=api, box=box, spec=spec, caddy=caddy, origin=origin)
        for name, measure in PARTS.items():
            if options.only in (None, name):
                with ExitStack() as meanwhile:
                    measure(stand, meanwhile, options)
    say(f"finished in {time.monotonic() - begun:.0f} s")
    return 0


def compete(
    stand: Stand,
    scenarios: Sequence[Scenario],
    between: Sequence[Site],
    token: str,
    options: argparse.Namespace,
    *,
    eras: Sequence[str] = document.ERAS,
    bare: Site | None = None,
) -> list[Measured]:
    """Every scenario on each of the sites, in these revisions of the protocol."""
    contestants = [Contestant(site=site, era=era) for era in eras for site in between]
    return contest.run(
        scenarios, contestants, bare=bare, token=token, api=stand.api, seconds=options.seconds, rounds=options.rounds, folder=stand.data
    )


def measure_deploy(stand: Stand, held: ExitStack, _: argparse.Namespace) -> None:
    """From the command to the first answer, and from the start of a container or process to the first answer."""
    deploys = []
    for number in range(DEPLOYS):
        deploys.append(sites.deploy(stand.box, f"bench{number}", stand.spec, document.call(document.LEGACY)))
        held.callback(stand.box.bmm, "rm", f"bench{number}")
    say(report.deploys(deploys))
    command = _fastmcp(stand, deploys[0].url)
    containers = starts.Containers(sites.elsewhere(stand.data, stand.run), stand.spec)
    ours, theirs = [], []
    for _number in range(STARTS):
        ours.append(containers.start())
        with starts.other(command, stand.run / "in" / "fastmcp.sock", deploys[0].token, stand.data / "fastmcp.log") as (_pid, seconds):
            theirs.append(seconds)
    say(report.starts(ours, theirs))


def measure_http(stand: Stand, held: ExitStack, options: argparse.Namespace) -> None:
    """A tool that asks an API, and the list of tools: load, processor time and memory."""
    deployed = sites.deploy(stand.box, "bench", stand.spec, document.call(document.LEGACY))
    socket, log = stand.run / "in" / "fastmcp.sock", stand.data / "fastmcp.log"
    pid, _ = held.enter_context(starts.other(_fastmcp(stand, deployed.url), socket, deployed.token, log))
    upstream = {"upstream": stand.api.pid}
    bmm = Site(name="bmm", url=deployed.url, pids=sites.appliance_pids(stand.box, "bench") | upstream)
    fastmcp = Site(name=FASTMCP, url=f"{stand.origin}/s/fastmcp/mcp", pids={"server": pid, "caddy": stand.caddy} | upstream)
    bare = Site(name="no MCP at all (Caddy, upstream)", url=f"{stand.origin}/s/upstream/mcp", pids={"caddy": stand.caddy} | upstream)
    for site in (bmm, fastmcp):
        sites.check(site, deployed.token, stand.api)
    idle = {site.name: process.memory(site.pids["server"]) for site in (bmm, fastmcp)}
    sites.lift_limit(stand.box, "bench", deployed.token, document.call(document.LEGACY))
    found = compete(stand, SCENARIOS, (bmm, fastmcp), deployed.token, options, bare=bare)
    say(report.loads(found, (FASTMCP,)))
    say(report.processor(found))
    loaded = {site.name: process.memory(site.pids["server"]) for site in (bmm, fastmcp)}
    shared = {name: process.memory(pid) for name, pid in bmm.pids.items() if name not in ("server", "upstream")}
    say(report.memory(idle, loaded, shared))
    none_failed(stand.box, "bench")


def measure_echo(stand: Stand, held: ExitStack, options: argparse.Namespace) -> None:
    """The tool that asks nobody, on everything that can serve it: what serving it costs, and nothing else."""
    deployed = sites.deploy(stand.box, "echo", document.echo_spec(), document.echo(document.LEGACY))
    sites.lift_limit(stand.box, "echo", deployed.token, document.echo(document.LEGACY))
    contestants = [Site(name="bmm", url=deployed.url, pids=sites.appliance_pids(stand.box, "echo"))]
    for number, (name, program) in enumerate(((FASTMCP, "echo_fastmcp.py"), (SDK, "echo_sdk.py"), (CEILING, "echo_bare.py"))):
        socket = stand.run / "in" / f"echo{number}.sock"
        command = sites.echo_command(program, stand.box, deployed.url, folder=stand.data, socket=socket)
        pid, _ = held.enter_context(starts.other(command, socket, deployed.token, stand.data / f"{program}.log"))
        contestants.append(Site(name=name, url=f"{stand.origin}/s/echo{number}/mcp", pids={"server": pid, "caddy": stand.caddy}))
    for site in contestants:
        sites.check_echo(site, deployed.token, checks_tokens=site.name != CEILING)
    found = compete(stand, ECHO, contestants, deployed.token, options)
    say(report.loads(found, (FASTMCP, SDK, CEILING)))
    say(report.processor(found))
    halves = contest.half_loads(found, reference=FASTMCP, token=deployed.token, seconds=PACED_SECONDS, connections=16)
    say(report.half_loads(halves, FASTMCP))
    none_failed(stand.box, "echo")


def measure_worker(stand: Stand, held: ExitStack, options: argparse.Namespace) -> None:
    """What a worker adds to a call, and what the first call of a server waits for."""
    firsts, seconds = [], []
    for number in range(STARTS):
        cold = sites.deploy(stand.box, f"cold{number}", coded.echoes(), coded.worker_echo(document.MODERN))
        held.callback(stand.box.bmm, "rm", f"cold{number}")
        begun = time.monotonic()
        sites.post(cold.url, coded.worker_echo(document.MODERN), cold.token).raise_for_status()
        firsts.append(cold.first)
        seconds.append(time.monotonic() - begun)
    say(report.colds(firsts, seconds))
    deployed = sites.deploy(stand.box, "echoes", coded.echoes(), coded.worker_echo(document.MODERN))
    sites.lift_limit(stand.box, "echoes", deployed.token, document.echo(document.MODERN))
    site = Site(name="bmm", url=deployed.url, pids=sites.appliance_pids(stand.box, "echoes"))
    found = compete(stand, ECHOES, [site], deployed.token, options, eras=(document.MODERN,))
    say(report.loads(found, ()))
    rate = min(one.load.rate for one in found if one.scenario.connections == 16) / 2
    same_rate = {
        scenario.name: [
            load.at_rate(site.url, scenario.ask(document.MODERN), deployed.token, rate=rate, connections=16, seconds=PACED_SECONDS).p50
            for _ in range(options.rounds)
        ]
        for scenario in ECHOES[:2]
    }
    paced = Added(load=f"16, {rate:.0f} requests/s", guard=same_rate[GUARD_ECHO], worker=same_rate[WORKER_ECHO])
    say(report.added([*contest.added(found, guard=GUARD_ECHO, worker=WORKER_ECHO), paced]))
    none_failed(stand.box, "echoes")


def measure_sql(stand: Stand, held: ExitStack, options: argparse.Namespace) -> None:
    """A query on PostgreSQL, beside asyncpg on FastMCP."""
    database = held.enter_context(coded.database(stand.box, stand.data / "sql"))
    deployed = coded.deploy_with_password(stand.box, "sql", database.spec(), coded.find(document.LEGACY))
    sites.lift_limit(stand.box, "sql", deployed.token, coded.find(document.LEGACY))
    socket = stand.run / "in" / "sql.sock"
    command = coded.fastmcp_command(stand.box, deployed.url, database, folder=stand.data, socket=socket)
    pid, _ = held.enter_context(starts.other(command, socket, deployed.token, stand.data / "sql.log"))
    bmm = Site(name="bmm", url=deployed.url, pids=sites.appliance_pids(stand.box, "sql"))
    fastmcp = Site(name=FASTMCP, url=f"{stand.origin}/s/sql/mcp", pids={"server": pid, "caddy": stand.caddy})
    coded.check((bmm, fastmcp), deployed.token)
    found = compete(stand, QUERIES, (bmm, fastmcp), deployed.token, options)
    say(report.loads(found, (FASTMCP,)))
    say(report.processor(found))
    none_failed(stand.box, "sql")


def measure_mixed(stand: Stand, held: ExitStack, options: argparse.Namespace) -> None:
    """One server of all three kinds: each of its tools alone and while one hangs and another crashes."""
    database = held.enter_context(coded.database(stand.box, stand.data / "mixed"))
    deployed = coded.deploy_with_password(stand.box, "mixed", coded.mixed(stand.spec, database.spec()), document.call(document.MODERN))
    sites.lift_limit(stand.box, "mixed", deployed.token, document.call(document.MODERN))
    clients: dict[str, Callable[..., load.Paced]] = {"the official client": load.by_official_client, "a bare client": load.at_rate}
    found = []
    for client, asked in clients.items():
        for ask in (document.call, coded.find, coded.worker_echo):
            one = ask(document.MODERN)
            call = partial(asked, deployed.url, one, deployed.token, rate=MIXED_RATE, connections=8, seconds=2 * options.seconds)
            alone, meanwhile, ended = [], [], Counter[str]()
            # In turns: what else happens on this machine must not fall to one of them.
            for _ in range(MIXED_ROUNDS):
                alone.append(call())
                with coded.trouble(deployed.url, deployed.token, ("hang", "crash")) as seen:
                    meanwhile.append(call())
                ended.update(seen)
            named = f"`{one.headers['Mcp-Name']}`, {client}"
            found.append(Disturbed(what=named, rate=MIXED_RATE, alone=alone, meanwhile=meanwhile, ended=dict(ended)))
    say(report.disturbed(found))
    wrong = {call["tool"] for call in stand.box.calls("mixed") if not call["ok"]} - {"hang", "crash"}
    assert not wrong, f"calls failed: {wrong}"


def measure_draft(stand: Stand, held: ExitStack, _: argparse.Namespace) -> None:
    """From a sentence to a live server."""
    service = held.enter_context(drafting.model(stand.box))
    found = []
    for number in range(DEPLOYS):
        found.append(drafting.draft(stand.box, service, f"draft{number}", stand.spec))
        held.callback(stand.box.bmm, "rm", f"draft{number}")
    say(report.drafts(found))
    say(report.checks(drafting.checks()))


def _fastmcp(stand: Stand, resource: str) -> tuple[str, ...]:
    return sites.fastmcp_command(stand.box, resource, stand.api, folder=stand.data, socket=stand.run / "in" / "fastmcp.sock")


PARTS = {
    "deploy": measure_deploy,
    "http": measure_http,
    "echo": measure_echo,
    "worker": measure_worker,
    "sql": measure_sql,
    "mixed": measure_mixed,
    "draft": measure_draft,
}


def none_failed(box: Box, slug: str) -> None:
    # wrk hangs up at its end, whatever is under way.
    failed = [call for call in box.calls(slug) if not call["ok"] and call["error"] != "cancelled"]
    assert not failed, f"calls failed: {failed[:3]}"


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.py", description="Measure this machine's figures beside FastMCP's.")
    parser.add_argument("--seconds", type=int, default=4, help="length of each burst of load (default 4)")
    parser.add_argument("--rounds", type=int, default=2, help="how often everything is measured, in turns (default 2)")
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    return parser.parse_args(arguments)


def say(text: str) -> None:
    print(f"{text}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
