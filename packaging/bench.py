"""`make bench`: one run of deploys, starts, load and memory, beside others with the same tools, the same token and an equal Caddy.

    python packaging/bench.py [--seconds 4] [--rounds 2]

Traffic stays on loopback and everything that is started is ended. docs/benchmarks.md says what is compared with what.
"""

import argparse
import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import contest, document, process, report, sites, starts
from benchmarks.contest import Contestant, Scenario
from benchmarks.sites import Site, Upstream
from msgspec import Struct

from runner.contract import ServerSpec, decode_spec
from tests.real.appliance import Box

DEPLOYS = STARTS = 5
FASTMCP, SDK, CEILING = "FastMCP", "the SDK", "the ceiling"
PACED_SECONDS = 3
ECHO = (Scenario(name="echo", connections=16, ask=document.echo),)
SCENARIOS = (
    Scenario(name="tools/call", connections=16, ask=document.call, asks_upstream=True),
    Scenario(name="tools/call", connections=1, ask=document.call, asks_upstream=True),
    Scenario(name="tools/list", connections=16, ask=document.listing),
)


class Stand(Struct, frozen=True, kw_only=True):
    """What stands ready to be measured. `slug` is the server that load is put on, `token` lets into it and into FastMCP."""

    data: Path
    run: Path
    api: Upstream
    box: Box
    slug: str
    token: str
    spec: ServerSpec


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
        written = json.dumps(sites.document_for(box, api)).encode()
        spec = decode_spec(box.bmm("compile", "openapi", "-", stdin=written).stdout.encode())
        deploys = [sites.deploy(box, f"bench{number}", spec, document.call(document.LEGACY)) for number in range(DEPLOYS)]
        say(report.deploys(deploys))
        for number in range(DEPLOYS - 1):
            box.bmm("rm", f"bench{number}")
        stand = Stand(data=data, run=run, api=api, box=box, slug=f"bench{DEPLOYS - 1}", token=deploys[-1].token, spec=spec)
        measure(stand, deploys[-1].url, held, options)
    say(f"finished in {time.monotonic() - begun:.0f} s")
    return 0


def measure(stand: Stand, url: str, held: ExitStack, options: argparse.Namespace) -> None:
    caddy, origin = held.enter_context(sites.caddy(stand.data, stand.run))
    command = sites.fastmcp_command(stand.box, url, stand.api, folder=stand.data, socket=stand.run / "in" / "fastmcp.sock")
    containers = starts.Containers(sites.elsewhere(stand.data, stand.run), stand.spec)
    ours, theirs = [], []
    for number in range(STARTS):
        ours.append(containers.start())
        with ExitStack() as trial:
            # The last one stays for the load.
            kept = held if number == STARTS - 1 else trial
            socket, log = stand.run / "in" / "fastmcp.sock", stand.data / "fastmcp.log"
            pid, seconds = kept.enter_context(starts.other(command, socket, stand.token, log))
            theirs.append(seconds)
    say(report.starts(ours, theirs))
    upstream = {"upstream": stand.api.pid}
    bmm = Site(name="bmm", url=url, pids=sites.appliance_pids(stand.box, stand.slug) | upstream)
    fastmcp = Site(name=FASTMCP, url=f"{origin}/s/fastmcp/mcp", pids={"server": pid, "caddy": caddy} | upstream)
    bare = Site(name="no MCP at all (Caddy, upstream)", url=f"{origin}/s/upstream/mcp", pids={"caddy": caddy} | upstream)
    for site in (bmm, fastmcp):
        sites.check(site, stand.token, stand.api)
    idle = {site.name: process.memory(site.pids["server"]) for site in (bmm, fastmcp)}
    sites.lift_limit(stand.box, stand.slug, stand.token, document.call(document.LEGACY))
    found = contest.run(
        SCENARIOS,
        [Contestant(site=site, era=era) for era in document.ERAS for site in (bmm, fastmcp)],
        bare=bare,
        token=stand.token,
        api=stand.api,
        seconds=options.seconds,
        rounds=options.rounds,
        folder=stand.data,
    )
    say(report.loads(found, (FASTMCP,)))
    say(report.processor(found))
    loaded = {site.name: process.memory(site.pids["server"]) for site in (bmm, fastmcp)}
    shared = {name: process.memory(pid) for name, pid in bmm.pids.items() if name not in ("server", "upstream")}
    say(report.memory(idle, loaded, shared))
    none_failed(stand.box, stand.slug)
    with ExitStack() as echoes:
        measure_echo(stand, caddy, origin, echoes, options)


def measure_echo(stand: Stand, caddy: int, origin: str, held: ExitStack, options: argparse.Namespace) -> None:
    """The tool that asks nobody, on everything that can serve it: what serving it costs, and nothing else."""
    deployed = sites.deploy(stand.box, "echo", document.echo_spec(), document.echo(document.LEGACY))
    sites.lift_limit(stand.box, "echo", deployed.token, document.echo(document.LEGACY))
    contestants = [Site(name="bmm", url=deployed.url, pids=sites.appliance_pids(stand.box, "echo"))]
    for number, (name, program) in enumerate(((FASTMCP, "echo_fastmcp.py"), (SDK, "echo_sdk.py"), (CEILING, "echo_bare.py"))):
        socket = stand.run / "in" / f"echo{number}.sock"
        command = sites.echo_command(program, stand.box, deployed.url, folder=stand.data, socket=socket)
        pid, _ = held.enter_context(starts.other(command, socket, deployed.token, stand.data / f"{program}.log"))
        contestants.append(Site(name=name, url=f"{origin}/s/echo{number}/mcp", pids={"server": pid, "caddy": caddy}))
    for site in contestants:
        sites.check_echo(site, deployed.token, checks_tokens=site.name != CEILING)
    found = contest.run(
        ECHO,
        [Contestant(site=site, era=era) for era in document.ERAS for site in contestants],
        bare=None,
        token=deployed.token,
        api=stand.api,
        seconds=options.seconds,
        rounds=options.rounds,
        folder=stand.data,
    )
    say(report.loads(found, (FASTMCP, SDK, CEILING)))
    say(report.processor(found))
    halves = contest.half_loads(found, reference=FASTMCP, token=deployed.token, seconds=PACED_SECONDS, connections=16)
    say(report.half_loads(halves, FASTMCP))
    none_failed(stand.box, "echo")


def none_failed(box: Box, slug: str) -> None:
    failed = [call for call in box.calls(slug) if not call["ok"]]
    assert not failed, f"calls failed: {failed[:3]}"


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.py", description="Measure this machine's figures beside FastMCP's.")
    parser.add_argument("--seconds", type=int, default=4, help="length of each burst of load (default 4)")
    parser.add_argument("--rounds", type=int, default=2, help="how often everything is measured, in turns (default 2)")
    return parser.parse_args(arguments)


def say(text: str) -> None:
    print(f"{text}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
