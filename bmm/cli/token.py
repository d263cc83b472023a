"""`bmm token`: an access token for scripts and clients that cannot sign in."""

import argparse

import msgspec

from bmm.config import Config

HELP = "make an access token for one server, for clients that cannot sign in; it is shown once"
EXAMPLE = 'curl -H "Authorization: Bearer $(bmm token shop --days 7)" …'


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("slug", metavar="SLUG")
    parser.add_argument("--days", type=int, default=30, help="how long it is valid (default 30, at most 366)")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.client import Client, server_target
    from bmm.cli.parts.output import as_json
    from bmm.http.shapes import Token, TokenWish

    token = Client(config).post(server_target(args.slug, "tokens"), msgspec.json.encode(TokenWish(days=args.days)), Token)
    if args.json:
        as_json(token)
    else:
        print(token.token)
    return 0
