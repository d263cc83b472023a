"""The figures as Markdown tables, ready for docs/benchmarks.md."""

import platform
import subprocess
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from statistics import mean, median

from benchmarks import load
from benchmarks.contest import Added, Disturbed, Half, Measured
from benchmarks.drafting import Drafted
from benchmarks.process import Memory
from benchmarks.sites import Deployed
from benchmarks.starts import ContainerStart

_PACKAGES = ("fastmcp", "mcp", "uvicorn", "uvloop", "httptools", "httpx2", "msgspec")


def versions() -> str:
    podman = _said("podman", "--version").removeprefix("podman version ")
    named = [f"Python {platform.python_version()}", f"Caddy {_said('caddy', 'version').split()[0]}", f"Podman {podman}"]
    return ", ".join([*named, *(f"{name} {version(name)}" for name in _PACKAGES)])


def deploys(found: Sequence[Deployed]) -> str:
    rows = [
        ("`bmm deploy` (the command, from start to end)", *_spread(one.command for one in found)),
        ("… and a token made, and its first call answered", *_spread(one.answered for one in found)),
    ]
    return _table(("deploy, 20 tools", "min", "median", "max"), rows)


def starts(ours: Sequence[ContainerStart], theirs: Sequence[float]) -> str:
    rows = [
        ("bmm: `podman run` to ready", *_spread(one.ready for one in ours)),
        ("bmm: `podman run` to the first answer", *_spread(one.answered for one in ours)),
        ("bmm: guard's process to ready", *_spread(one.process_to_ready for one in ours)),
        ("FastMCP: process to the first answer", *_spread(theirs)),
    ]
    return _table(("start", "min", "median", "max"), rows)


def loads(found: Sequence[Measured], references: Sequence[str]) -> str:
    """Requests per second, and how many times those of each reference in the same revision of the protocol."""
    rows = []
    for (scenario, connections, era, site), bursts in _grouped(found).items():
        rate = mean(one.load.rate for one in bursts)
        alike = [one for one in found if _key(one)[:3] == (scenario, connections, era)]
        each = " ".join(f"{one.load.rate:.0f}" for one in bursts)
        rows.append(
            (
                f"`{scenario}`, {connections} at once",
                f"{site}, {era}",
                f"{rate:.0f}",
                each,
                f"{mean(one.load.p50 for one in bursts):.2f}",
                f"{mean(one.load.p99 for one in bursts):.2f}",
                *(_times(rate, [one.load.rate for one in alike if one.contestant.site.name == name]) for name in references),
                f"{sum(one.load.cut for one in bursts)}",
            )
        )
    ratios = (f"to {name}" for name in references)
    return _table(("what", "who", "requests/s", "each round", "p50 ms", "p99 ms", *ratios, "cut off"), rows)


def half_loads(found: Sequence[Half], reference: str) -> str:
    """Latencies below saturation. The last column compares p99 with the reference's at half of its own maximum."""
    rows = []
    for half in found:
        era = half.contestant.era
        theirs = next(one.found.p99 for one in found if one.contestant.site.name == reference and one.contestant.era == era)
        rows.append(
            (
                f"half of {'its own maximum' if half.of == 'its own' else half.of}",
                f"{half.contestant.site.name}, {era}",
                f"{half.rate:.0f}",
                f"{half.found.p50:.2f}",
                f"{half.found.p99:.2f}",
                f"{half.found.p99 / theirs:.2f} x",
            )
        )
    return _table(("load", "who", "requests/s", "p50 ms", "p99 ms", f"p99 to {reference}"), rows)


def added(found: Sequence[Added]) -> str:
    """What a worker adds to the median, round by round."""
    rows = []
    for one in found:
        each = [there - here for here, there in zip(one.guard, one.worker, strict=True)]
        rows.append((one.load, f"{mean(one.guard):.2f}", f"{mean(one.worker):.2f}", f"{mean(each):.2f}", " ".join(f"{ms:.2f}" for ms in each)))
    return _table(("`echo`, p50 ms", "in the guard", "in a worker", "added", "each round"), rows)


def colds(first: Sequence[float], second: Sequence[float]) -> str:
    rows = [("first call of a new server: no worker yet", *_spread(first)), ("second call", *_spread(second))]
    return _table(("`python` tool", "min", "median", "max"), rows)


def drafts(found: Sequence[Drafted]) -> str:
    late = sorted(seconds * 1000 for one in found for seconds in one.late)
    rows = [
        ("from the last token of a tool to its event", f"{late[0]:.0f} ms", f"{median(late):.0f} ms", f"{late[-1]:.0f} ms"),
        ("from the confirmation to live", *_spread(one.live for one in found)),
    ]
    return _table((f"{len(found)} drafts of {len(found[0].late)} tools", "min", "median", "max"), rows)


def checks(found: Sequence[tuple[str, float]]) -> str:
    return _table(("checked", "median ms"), [(what, f"{each:.1f}") for what, each in found])


def disturbed(found: Sequence[Disturbed]) -> str:
    """Latencies of a tool while others hang and crash, beside its own when nothing else happens."""
    rows = []
    for one in found:
        quiet, loud = (load.Paced(took=[ms for burst in bursts for ms in burst.took]) for bursts in (one.alone, one.meanwhile))
        beside = " and ".join(f"{count} x `{name}`" for name, count in one.ended.items())
        for state, together, bursts in (("alone", quiet, one.alone), (f"beside {beside}", loud, one.meanwhile)):
            each = " ".join(f"{burst.p99:.2f}" for burst in bursts)
            calls = f"{len(together.took)} at {one.rate:.0f}/s"
            rows.append((one.what, state, calls, f"{together.p50:.2f}", f"{together.p99:.2f}", each, f"{together.p99 / quiet.p99:.2f} x"))
    return _table(("tool", "when", "calls", "p50 ms", "p99 ms", "p99 of each round", "p99 to alone"), rows)


def _times(rate: float, others: Sequence[float]) -> str:
    return f"{rate / mean(others):.2f} x" if others else "-"

def processor(found: Sequence[Measured]) -> str:
    """Who used the processor: microseconds per request."""
    parts = ("server", "egress", "caddy", "upstream", "bmm serve", "wrk")
    rows = []
    for (scenario, connections, era, site), bursts in _grouped(found).items():
        requests = sum(one.load.requests for one in bursts)
        used = {part: sum(one.cpu.get(part, 0.0) for one in bursts) / requests * 1e6 for part in parts}
        shown = (f"{used[part]:.0f}" if any(part in one.cpu for one in bursts) else "-" for part in parts)
        rows.append((f"`{scenario}`, {connections}", f"{site}, {era}", *shown, f"{sum(used.values()):.0f}"))
    return _table(("processor, µs per request", "who", *parts, "all"), rows)


def memory(idle: dict[str, Memory], loaded: dict[str, Memory], shared: dict[str, Memory]) -> str:
    rows = [(f"{name}, before the load", *_mib(one)) for name, one in idle.items()]
    rows += [(f"{name}, after the load", *_mib(one)) for name, one in loaded.items()]
    rows += [(f"{name} (one for all servers), after", *_mib(one)) for name, one in shared.items()]
    return _table(("memory, MiB", "PSS", "its own"), rows)


def _mib(one: Memory) -> tuple[str, str]:
    return f"{one.pss:.1f}", f"{one.own:.1f}"


def _grouped(found: Sequence[Measured]) -> dict[tuple[str, int, str, str], list[Measured]]:
    groups: dict[tuple[str, int, str, str], list[Measured]] = {}
    for one in found:
        groups.setdefault(_key(one), []).append(one)
    return groups


def _key(one: Measured) -> tuple[str, int, str, str]:
    return one.scenario.name, one.scenario.connections, one.contestant.era, one.contestant.site.name


def _spread(values: Iterable[float]) -> tuple[str, str, str]:
    seconds = list(values)
    return f"{min(seconds):.2f} s", f"{median(seconds):.2f} s", f"{max(seconds):.2f} s"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *("---" if name == "who" else "---:" for name in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _said(*line: str) -> str:
    return subprocess.run(line, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
