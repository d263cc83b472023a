"""`bmm publish`: make a server's card visible."""

import argparse

import msgspec

from bmm.config import Config

HELP = "show a server's card (name, description, address) to everybody; who may call it does not change"
EXAMPLE = "bmm publish shop"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("slug", metavar="SLUG")


def run(args: argparse.Namespace, config: Config) -> int:
    return change(args, config, public=True)


def change(args: argparse.Namespace, config: Config, *, public: bool) -> int:
    """Publish or take back."""
    from bmm.cli.parts.client import Client, server_target
    from bmm.cli.parts.output import as_json
    from bmm.core import address
    from bmm.http.shapes import Publicity, Settings

    body = Client(config).put(server_target(args.slug, "public"), msgspec.json.encode(Publicity(public=public)))
    if args.json:
        as_json(msgspec.json.decode(body, type=Settings))
    elif public:
        print(f"everybody can see {address.card(config.public_url, args.slug)}")
    else:
        print(f"{args.slug} shows its card to nobody")
    return 0
