"""A deployed server's container as a test sees it: from inside, from podman and from the kernel."""

import json
import subprocess
import textwrap
from typing import Any, NamedTuple

from bmm.egress.dial import own_addresses
from tests.real.appliance import Box


class Container(NamedTuple):
    """One running server."""

    name: str
    pid: int
    url: str
    token: str

    def inside(self, code: str, **given: object) -> Any:
        """What a piece of code assigns to `answer`, run by a process of the guard's user in the same container."""
        whole = f"import errno, json, os, socket, sys\ngiven = json.loads(sys.argv[1])\n{textwrap.dedent(code)}\nprint(json.dumps(answer))"
        line = ("podman", "exec", self.name, "/usr/bin/python3", "-P", "-s", "-c", whole, json.dumps(given))
        done = subprocess.run(line, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def inspect(self) -> dict[str, Any]:
        done = subprocess.run(("podman", "inspect", "--type=container", self.name), capture_output=True, timeout=60, check=True)
        (one,) = json.loads(done.stdout)
        return dict(one)

    def as_engine(self, code: str) -> Any:
        """The same from outside, by whoever podman itself is to the kernel: the owner of all user ids it gave away."""
        whole = f"import json, os\npid = {self.pid}\n{textwrap.dedent(code)}\nprint(json.dumps(answer))"
        done = subprocess.run(("podman", "unshare", "/usr/bin/python3", "-c", whole), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def deploy(box: Box, slug: str, *hosts: dict[str, Any]) -> Container:
    """A server with one tool of the shop that may also reach `hosts`."""
    spec = box.spec("listProducts")
    spec["hosts"].extend(hosts)
    before = {one["Names"][0] for one in box.containers()}
    url = box.deploy(slug, spec)
    (one,) = [one for one in box.containers() if one["Names"][0] not in before]
    return Container(one["Names"][0], one["Pid"], url, box.token(slug))


def addresses_of_this_host() -> set[str]:
    """But for loopback, and for link-local ones, which mean nothing without naming a device."""
    return {str(one) for one in own_addresses() if not (one.is_loopback or one.is_link_local)}
