"""`bmm rm`: delete a server."""

import argparse

from bmm.config import Config

HELP = "delete a server: its container, its secrets and every token for it; the slug stays yours"
EXAMPLE = "bmm rm shop"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("slug", metavar="SLUG")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.client import Client, server_target
    from bmm.cli.parts.output import as_json

    Client(config).delete(server_target(args.slug))
    if args.json:
        as_json({"deleted": args.slug})
    else:
        print(f"{args.slug} is deleted")
    return 0
