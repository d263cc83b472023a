"""`bmm server-json`: the file with which a server is published in the MCP registry."""

import argparse
import sys
from typing import Any

from bmm.config import Config

HELP = "print the server.json with which you can publish a server in the MCP registry"
EXAMPLE = "bmm server-json shop > server.json"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("slug", metavar="SLUG")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.client import Client, server_target
    from bmm.cli.parts.output import as_json

    as_json(Client(config).get(server_target(args.slug, "server-json"), dict[str, Any]))
    if config.is_local:
        print("The registry takes only addresses that everybody can reach; public_url is this machine.", file=sys.stderr)
    return 0
