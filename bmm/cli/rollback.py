"""`bmm rollback`: run an older version again."""

import argparse

import msgspec

from bmm.config import Config

HELP = "run an older version again, by default the one before"
EXAMPLE = "bmm rollback shop 2"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("slug", metavar="SLUG")
    parser.add_argument("version", metavar="VERSION", type=int, nargs="?")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.client import Client, server_target
    from bmm.cli.parts.output import as_json
    from bmm.http.shapes import RollBack, Shown

    shown = Client(config).post(server_target(args.slug, "rollback"), msgspec.json.encode(RollBack(version=args.version)), Shown)
    if args.json:
        as_json(shown)
    else:
        print(f"{args.slug} runs version {shown.version}")
    return 0
