"""`bmm compile`: descriptions become one spec on standard output; what is to be said about them goes to standard error."""

import argparse
import sys

import msgspec

from bmm.config import Config

HELP = "turn descriptions (OpenAPI documents, databases, curl commands, recordings, templates) into a ServerSpec on standard output"
EXAMPLE = """bmm compile openapi https://shop.example/openapi.yaml --server https://shop.example/v1 > spec.json
  bmm compile openapi github.json --tag issues --tag pulls --max-tools 60 --pin per_page=50 > spec.json
  bmm compile openapi orders.yaml customers.yaml --name Shop > spec.json
  bmm compile database postgresql://reader@db.example.com/shop --tables 'order*' > spec.json
  bmm compile curl 'curl https://shop.example/v1/orders/42 -H "Authorization: Bearer $SHOP_TOKEN"' > spec.json
  bmm compile har shop.har --host shop.example > spec.json
  bmm compile template wikipedia --set language=de > spec.json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    from bmm.cli.parts import sources

    parser.add_argument("source", metavar="KIND", choices=sources.KINDS, help=f"what kind of description it is: {', '.join(sources.KINDS)}")
    what = "where it is, or several; - reads standard input; also a curl command in quotes, or a template's name (none: lists them)"
    parser.add_argument("documents", metavar="FILE|URL|-", nargs="*", help=what)
    sources.options(parser)


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts import from_requests, sources
    from bmm.cli.parts.output import count

    if args.source == "template" and not args.documents:
        return from_requests.listed(as_json=args.json)
    found = sources.compiled(args, config)
    sources.tell(found.findings, as_json=args.json)
    if not args.json:
        print(f"{count(len(found.spec.tools), 'tool')}, {count(len(found.findings), 'finding')}", file=sys.stderr)
        for key in from_requests.keys_to_set(found.spec):
            print(f"next: bmm secret set SLUG {key}", file=sys.stderr)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(found.spec), indent=2).decode() + "\n")
    return 0
