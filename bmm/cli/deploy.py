"""`bmm deploy`: a spec becomes a live version of a server."""

import argparse
import sys
from typing import get_args

import msgspec

from bmm.config import Config
from bmm.errors import BadInput
from runner.contract import ToolListChoice

HELP = "build and publish a spec; the version before serves until the new one answers"
EXAMPLE = "bmm compile openapi shop.yaml > shop.json && bmm deploy shop.json --slug shop"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="a folder with spec.json, or the spec itself as JSON: a file, or - for standard input")
    parser.add_argument("--slug", required=True, help="the server's name in its address")
    parser.add_argument("--tool-list", choices=get_args(ToolListChoice), help="how clients see the tools, whatever the spec says")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.building import follow, goes_on
    from bmm.cli.parts.client import Client, server_target
    from bmm.cli.parts.database_files import with_databases
    from bmm.cli.parts.spec_files import read_spec_document, spec_file
    from bmm.http.shapes import Accepted

    document = read_spec_document(args.spec)
    if args.tool_list is not None:
        document = _with_tool_list(document, args.tool_list)
    client = Client(config)
    document = with_databases(document, spec_file(args.spec), client)
    accepted = client.post(server_target(args.slug, "builds"), document, Accepted)
    try:
        return follow(client, args.slug, accepted.build_id, json=args.json)
    except KeyboardInterrupt:
        print(f"\n{goes_on(args.slug)}", file=sys.stderr)
        raise


def _with_tool_list(document: bytes, choice: str) -> bytes:
    try:
        fields = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"The spec is not a JSON object: {error}") from error
    return msgspec.json.encode({**fields, "tool_list": choice})
