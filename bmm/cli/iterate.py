"""`bmm iterate`: the next version of a server from a sentence; the difference is confirmed, and the old version serves until then."""

import argparse
import sys

from bmm.config import Config

HELP = "change a server with a sentence; shows what differs and asks before it builds"
EXAMPLE = 'bmm iterate shop "also let it cancel an order, and ask before it does"'


def arguments(parser: argparse.ArgumentParser) -> None:
    from bmm.cli.parts import drafting

    parser.add_argument("slug", metavar="SLUG")
    parser.add_argument("prompt", metavar="PROMPT", help="what should change; - reads standard input")
    drafting.arguments(parser)


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.client import Client
    from bmm.cli.parts.drafting import begin, check_length, finish, own_spec, prompt_of
    from bmm.core.draft import Wish

    client = Client(config)
    prompt = prompt_of(args.prompt)
    check_length(prompt)
    own = own_spec(client, args)
    draft_id = begin(client, Wish(prompt=prompt, slug=args.slug, iterate=True))
    if not args.json:
        print(f"draft {draft_id}", file=sys.stderr)
    return finish(client, args, draft_id, own=own, slug=args.slug)
