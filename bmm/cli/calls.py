"""`bmm calls`: what was called, by whom, how long it took."""

import argparse

from bmm.config import Config
from bmm.errors import BadInput

HELP = "show a server's latest tool calls"
EXAMPLE = "bmm calls shop --limit 20"
_MOST = 1000


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("slug", metavar="SLUG")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help=f"how many, newest first (default 50, at most {_MOST})")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.client import Client, server_target
    from bmm.cli.parts.output import as_json, table
    from bmm.core.call import Call

    if not 1 <= args.limit <= _MOST:
        raise BadInput(f"--limit is from 1 to {_MOST}, not {args.limit}")
    calls = Client(config).get(f"{server_target(args.slug, 'calls')}?limit={args.limit}", list[Call])
    if args.json:
        as_json(calls)
        return 0
    rows = [
        (
            f"{one.at:%Y-%m-%d %H:%M:%S}",
            one.tool,
            "ok" if one.ok else one.error or "failed",
            f"{one.ms:.1f} ms",
            f"v{one.version}",
            one.client or "-",
        )
        for one in calls
    ]
    table(("AT", "TOOL", "OUTCOME", "TOOK", "VERSION", "CLIENT"), rows, empty="no calls yet")
    return 0
