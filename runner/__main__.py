"""`python -m runner guard` serves a container and starts `… worker`, which forks workers, for tools that are code; `… call` and `… dev` run tools by hand,
`… schema` prints a spec's JSON Schema."""

import os
import signal
import sys
from collections.abc import Callable


def main(argv: list[str]) -> int:
    match argv:
        case ["guard", *rest]:
            # Until there is something to finish, stopping is exiting; for process 1 the kernel would drop the signal.
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            from runner.guard.main import main as guard

            return guard(rest)
        case ["worker", *rest]:
            from runner.worker.fork_server import serve

            return serve(rest)
        case ["dev", *rest]:
            from runner.dev import main as dev

            return _until_nobody_reads(dev, rest)
        case ["call", *rest]:
            from runner.call import main as call

            return _until_nobody_reads(call, rest)
        case ["schema"]:
            import msgspec

            from runner.contract import spec_schema

            sys.stdout.write(msgspec.json.format(msgspec.json.encode(spec_schema()), indent=2).decode() + "\n")
            return 0
    sys.stderr.write("usage: python -m runner guard|worker|call|dev|schema …\n")
    return 2


def _until_nobody_reads(command: Callable[[list[str]], int], words: list[str]) -> int:
    try:
        code = command(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader of our output (`| head`) has seen enough; nor is there anything to flush at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
