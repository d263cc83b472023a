"""`bmm origins`: which web pages may use a server, while it runs."""

import argparse
from urllib.parse import quote

import msgspec

from bmm.config import Config
from bmm.errors import BadInput

HELP = "list, add or remove the origins whose pages may use a server from a browser; a running server learns of it within two seconds"
EXAMPLE = "bmm origins shop add https://app.example.com"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("slug", metavar="SLUG")
    parser.add_argument("action", metavar="add|remove", choices=("add", "remove"), nargs="?")
    parser.add_argument("origin", metavar="ORIGIN", nargs="?", help="scheme, host and port of a page, such as http://localhost:6274")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.client import Client, server_target
    from bmm.cli.parts.output import as_json
    from bmm.http.shapes import Origin, Settings

    client, target = Client(config), server_target(args.slug, "origins")
    if args.action is not None and args.origin is None:
        raise BadInput(f"Name the origin: `bmm origins {args.slug} {args.action} https://app.example.com`")
    if args.action == "add":
        client.post(target, msgspec.json.encode(Origin(origin=args.origin)), Settings)
    elif args.action == "remove":
        client.delete(f"{target}?origin={quote(args.origin, safe='')}")
    settings = client.get(server_target(args.slug, "settings"), Settings)
    if args.json:
        as_json(settings)
    else:
        print("\n".join(settings.origins) or f"no pages but the appliance's own may use {args.slug}")
    return 0
