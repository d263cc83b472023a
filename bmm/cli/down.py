"""`bmm down`: end everything that `bmm serve` started."""

import argparse
import contextlib
import os
import signal
import time
from pathlib import Path

from bmm.config import Config
from bmm.errors import EngineFailed, NotReachable

HELP = "end everything: the appliance, its servers, the front door, the egress gateway and the holder of the sockets"
EXAMPLE = "bmm down"


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.app import companions
    from bmm.cli.parts.output import as_json
    from bmm.servers import detached
    from bmm.servers.podman import Podman

    ended: list[str] = []
    failure: EngineFailed | None = None
    if _end_serve(config.data / "lock"):
        ended.append("serve")
    install = config.data / "install-id"
    if install.exists():
        podman = Podman(config.podman, install.read_text().strip(), os.environ)
        try:
            for one in podman.list():
                podman.remove(one.name)
                ended.append(one.name)
        except EngineFailed as error:
            failure = error
    # The front door first: nobody should be sent to what is about to go.
    ended += [program.name for program in reversed(companions(config)) if detached.end(program, run=config.run)]
    if failure is not None:
        raise failure
    if args.json:
        as_json({"ended": ended})
    else:
        print(f"ended {', '.join(ended)}" if ended else "nothing was running")
    return 0


def _end_serve(lock: Path) -> bool:
    """Stop the `bmm serve` that holds the data folder and wait until it is gone."""
    import fcntl

    with contextlib.suppress(FileNotFoundError), lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _end_process(_holder(lock))
            return True
    return False


def _holder(lock: Path) -> int:
    """The process that has the lock. It writes its number a moment after it took it; the one before may be anybody's by now."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(ValueError, OSError):
            pid = int(lock.read_text())
            if any(one.samefile(lock) for one in Path(f"/proc/{pid}/fd").iterdir() if one.exists()):
                return pid
        time.sleep(0.05)
    raise NotReachable(f"Some process holds {lock}, and it is not known which; end it and run `bmm down` again")


def _end_process(pid: int) -> None:
    from bmm.servers.deaths import ended

    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        if not ended(pid, 20):
            os.kill(pid, signal.SIGKILL)
            ended(pid, 5)
