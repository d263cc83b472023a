"""`bmm logs`: what a server wrote."""

import argparse
import time

import msgspec

from bmm.config import Config
from bmm.core.call import LogLine

HELP = "show what a server wrote; -f goes on as it writes"
EXAMPLE = "bmm logs shop -f"
_LOOK_AGAIN = 0.5


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("slug", metavar="SLUG")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until interrupted")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.client import Client, server_target
    from bmm.cli.parts.output import as_json

    client, after = Client(config), 0
    while True:
        lines = client.get(f"{server_target(args.slug, 'logs')}?after={after}", list[LogLine])
        if args.json and not args.follow:
            as_json(lines)
            return 0
        for line in lines:
            after = line.id
            _print(line, as_json=args.json)
        if not args.follow:
            if not lines:
                print("no lines yet")
            return 0
        time.sleep(_LOOK_AGAIN)


def _print(line: LogLine, *, as_json: bool) -> None:
    from bmm.cli.parts.output import tame

    if as_json:
        print(msgspec.json.encode(line).decode(), flush=True)
    else:
        about = f" {line.tool}:" if line.tool else ""
        print(f"{line.at:%Y-%m-%d %H:%M:%S}  v{line.version}  {line.level:<7}{about} {tame(line.message)}", flush=True)
