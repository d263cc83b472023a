"""`bmm diff`: what differs between two versions of a server."""

import argparse

from bmm.config import Config

HELP = "show what differs between two versions of a server: tools, schemas, annotations, hosts, secrets, texts"
EXAMPLE = "bmm diff shop 3 4"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("slug", metavar="SLUG")
    parser.add_argument("before", metavar="OLDER", type=int, help="the number of a version, as `bmm rollback` takes it")
    parser.add_argument("after", metavar="NEWER", type=int)


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.client import Client, server_target
    from bmm.cli.parts.output import as_json
    from bmm.cli.plan_text import difference_lines
    from bmm.http.shapes import Compared

    compared = Client(config).get(f"{server_target(args.slug, 'diff')}?before={args.before}&after={args.after}", Compared)
    if args.json:
        as_json(compared.difference)
    else:
        print("\n".join(difference_lines(compared.difference, compared.plan)))
    return 0
