"""Load: one `wrk` after the other, each with its own Lua script, or one client that asks at a fixed rate, and what they measured."""

import json
import math
import resource
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from benchmarks import official, paced
from benchmarks.document import Ask

MOST_CUT = 0.001

_SCRIPT = """
wrk.method = "POST"
wrk.body = [==[{body}]==]
{headers}
done = function(summary, latency, requests)
  local wrong = summary.errors
  io.write(string.format('\\n{{"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"cut":%d,"refused":%d}}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    wrong.read, wrong.connect + wrong.write + wrong.status + wrong.timeout))
end
"""


class Load(Struct, frozen=True, kw_only=True):
    """One run. Latencies in milliseconds; `cut` counts answers that ended too early; `cpu` is what wrk itself used, in seconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    cut: int
    cpu: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def run(url: str, ask: Ask, token: str, *, connections: int, seconds: int, folder: Path) -> Load:
    """Ask the same thing over and over.

    Raises:
        AssertionError: an answer was not 200 or did not come, or more than one in a thousand was cut off.
    """
    headers = ask.headers | {"Authorization": f"Bearer {token}"}
    script = folder / "ask.lua"
    script.write_text(
        _SCRIPT.format(body=ask.body, headers="\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()))
    )
    script.chmod(0o600)
    before = _children_cpu()
    line = ("wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s", "--timeout=5s", f"--script={script}", url)
    out = subprocess.run(line, capture_output=True, text=True, timeout=seconds + 20, check=True).stdout
    found = json.loads(out.strip().splitlines()[-1])
    assert found["refused"] == 0, f"{found['refused']} of {found['requests']} requests to {url} were not answered with 200"
    assert found["cut"] <= found["requests"] * MOST_CUT + 2, f"{found['cut']} of {found['requests']} answers of {url} were cut off"
    return Load(
        requests=found["requests"],
        seconds=found["seconds"],
        p50=found["p50"],
        p99=found["p99"],
        cut=found["cut"],
        cpu=_children_cpu() - before,
    )


class Paced(Struct, frozen=True, kw_only=True):
    """Asked at a fixed rate. `took` are the latencies of all requests in milliseconds."""

    took: list[float]

    @property
    def p50(self) -> float:
        return self._share(0.5)

    @property
    def p99(self) -> float:
        return self._share(0.99)

    def _share(self, share: float) -> float:
        return sorted(self.took)[max(0, math.ceil(len(self.took) * share) - 1)]


def at_rate(url: str, ask: Ask, token: str, *, rate: float, connections: int, seconds: float) -> Paced:
    """Ask so many times a second, whatever the answers take.

    Raises:
        CalledProcessError: an answer was not 200 or did not come.
    """
    parts = urlsplit(url)
    assert parts.port is not None
    headers = ask.headers | {"Authorization": f"Bearer {token}"}
    task = paced.Task(
        port=parts.port, target=parts.path, headers=headers, body=ask.body, rate=rate, connections=connections, seconds=seconds
    )  # fmt: skip
    return _ran(paced.__file__, task, seconds)


def by_official_client(url: str, ask: Ask, token: str, *, rate: float, connections: int, seconds: float) -> Paced:
    """The same, with the calls of one session of the official client.

    Raises:
        CalledProcessError: an answer did not come, or was an error.
    """
    arguments = json.loads(ask.body)["params"]["arguments"]
    task = official.Task(
        url=url, token=token, tool=ask.headers["Mcp-Name"], arguments=arguments, rate=rate, connections=connections, seconds=seconds
    )  # fmt: skip
    return _ran(official.__file__, task, seconds)


def _ran(script: str, task: paced.Task | official.Task, seconds: float) -> Paced:
    line = (sys.executable, script)
    out = subprocess.run(line, input=msgspec.json.encode(task), stdout=subprocess.PIPE, timeout=seconds + 30, check=True).stdout
    return msgspec.json.decode(out, type=Paced)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
