"""`bmm compile`: descriptions become one spec on standard output; what is to be said about them goes to standard error."""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import msgspec

from bmm.cli import compile_database, compile_requests
from bmm.config import Config
from bmm.errors import BadInput

if TYPE_CHECKING:
    from bmm.sources import Compiled, Finding
    from bmm.sources.credentials import Credentials
    from bmm.sources.openapi.options import Options

HELP = "turn descriptions (OpenAPI documents, databases, curl commands, recordings, templates) into a ServerSpec on standard output"
EXAMPLE = """bmm compile openapi https://shop.example/openapi.yaml --server https://shop.example/v1 > spec.json
  bmm compile openapi github.json --tag issues --tag pulls --max-tools 60 --pin per_page=50 > spec.json
  bmm compile openapi orders.yaml customers.yaml --name Shop > spec.json
  bmm compile database postgresql://reader@db.example.com/shop --tables 'order*' > spec.json
  bmm compile curl 'curl https://shop.example/v1/orders/42 -H "Authorization: Bearer $SHOP_TOKEN"' > spec.json
  bmm compile har shop.har --host shop.example > spec.json
  bmm compile template wikipedia --set language=de > spec.json"""
KINDS = ("openapi", "database", "curl", "har", "template")
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", choices=KINDS, help="what kind of description it is")
    what = "where it is, or several; - reads standard input; also a curl command in quotes, or a template's name (none: lists them)"
    parser.add_argument("documents", metavar="FILE|URL|-", nargs="*", help=what)
    options(parser)


def options(parser: argparse.ArgumentParser) -> None:
    """What a person may decide about a source; shared with `bmm new`."""
    from bmm.sources.openapi.options import SENSIBLE_TOOLS
    from runner.contract import ToolListChoice

    parser.add_argument("--server", metavar="URL", help="the API's base URL, instead of those in the document")
    parser.add_argument("--server-var", metavar="NAME=VALUE", action="append", default=[], help="the value of a variable in a server's URL")
    parser.add_argument("--name", metavar="NAME", help="the server's name, instead of the document's title")
    parser.add_argument(
        "--pin", metavar="NAME=VALUE", action="append", default=[], help="fix a parameter for all tools; models do not see it"
    )
    parser.add_argument("--tag", action="append", default=[], help="only operations with this tag (repeatable, as the next three)")
    parser.add_argument(
        "--path", metavar="GLOB", action="append", default=[], help="only operations whose path matches, such as '/repos/*'"
    )
    parser.add_argument("--method", action="append", default=[], help="only operations with this method, such as get")
    parser.add_argument(
        "--operation", metavar="NAME", action="append", default=[], help="only operations with this id or tool name; a glob"
    )
    parser.add_argument(
        "--max-tools",
        metavar="N",
        type=int,
        default=SENSIBLE_TOOLS,
        help="how many tools at most, the most useful first (default: %(default)s)",
    )
    parser.add_argument(
        "--tool-list",
        choices=get_args(ToolListChoice),
        default="auto",
        help="clients see all tools, or three that search them; auto: search where the list is long (default: %(default)s)",
    )
    parser.add_argument("--deprecated", action="store_true", help="also make tools of deprecated operations")
    parser.add_argument("--max-size", metavar="SIZE", default="50M", help="how large a document may be (default: %(default)s)")
    parser.add_argument("--allow-private", action="store_true", help="fetch also from private addresses of this network")
    compile_database.arguments(parser)
    compile_requests.arguments(parser)


def run(args: argparse.Namespace, config: Config) -> int:
    if args.source == "template" and not args.documents:
        return compile_requests.listed(as_json=args.json)
    found, _ = compiled(args, config)
    spec = found.spec
    _say(found.findings, as_json=args.json)
    if not args.json:
        print(f"{len(spec.tools)} tools, {len(found.findings)} findings", file=sys.stderr)
        for key in compile_requests.keys_to_set(spec):
            print(f"next: bmm secret set SLUG {key}", file=sys.stderr)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(spec), indent=2).decode() + "\n")
    return 0


def compiled(args: argparse.Namespace, config: Config) -> "tuple[Compiled, Credentials]":
    """What `args.source` and `args.documents` become, and the values of credentials that stood in them.

    Raises:
        BadInput: they cannot be used; findings that came up on the way have been printed.
    """
    from bmm.sources import UnusableDocument
    from bmm.sources.credentials import Credentials

    if not args.documents:
        raise BadInput(f"bmm compile {args.source} needs a description: a file, a URL or - for standard input")
    seen = Credentials()
    try:
        if args.source == "database":
            found = compile_database.compiled(args, config)
        elif args.source == "openapi":
            found = _of_documents(args, config)
        elif args.source == "template":
            found = compile_requests.of_template(args, config)
        else:
            recorded = compile_requests.of_requests(args, _options(args))
            found, seen = recorded, recorded.seen
    except UnusableDocument as error:
        _say(error.findings, as_json=args.json)
        raise
    spec = msgspec.structs.replace(found.spec, tool_list=args.tool_list)
    return msgspec.structs.replace(found, spec=spec), seen


def _of_documents(args: argparse.Namespace, config: Config) -> "Compiled":
    from bmm.sources.merge import merged

    options = _options(args)
    texts = [_read(document, options.max_bytes, config, allow_private=args.allow_private) for document in args.documents]
    parts = [_compiled(args, data, location, options) for data, location in texts]
    if len(parts) > 1 and sum(len(part.spec.tools) for part in parts) > options.max_tools:
        # Each document keeps its share, so that the first does not take all there is.
        shares = _shares([len(part.spec.tools) for part in parts], options.max_tools)
        each = zip(texts, shares, strict=True)
        parts = [_compiled(args, data, at, msgspec.structs.replace(options, max_tools=share)) for (data, at), share in each]
    return merged(parts, name=args.name)


def _compiled(args: argparse.Namespace, data: bytes, location: str | None, options: "Options") -> "Compiled":
    from bmm.sources import compile_openapi

    # Of several documents each keeps its own title: secrets and clashing tools are named after it.
    one = options if len(args.documents) == 1 else msgspec.structs.replace(options, name=None)
    return compile_openapi(data, location=location, options=one)


def _options(args: argparse.Namespace) -> "Options":
    from bmm.sources.openapi.options import Options
    from runner.contract import MAX_TOOLS

    if not 1 <= args.max_tools <= MAX_TOOLS:
        raise BadInput(f"--max-tools must be from 1 to {MAX_TOOLS:,}.")
    return Options(
        server=args.server, server_vars=pairs("--server-var", args.server_var), name=args.name, pins=pairs("--pin", args.pin),
        tags=tuple(args.tag), paths=tuple(args.path), methods=tuple(args.method), operations=tuple(args.operation),
        max_tools=args.max_tools, deprecated=args.deprecated, max_bytes=_size(args.max_size),
    )  # fmt: skip


def pairs(option: str, given: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise BadInput(f"{option} {each} must be NAME=VALUE.")
        pairs[name] = value
    return pairs


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d{1,6})\s*([kmg]?)(i?b)?", text.strip().lower())
    if match is None or int(match.group(1)) == 0:
        raise BadInput(f"--max-size {text} must be a number of bytes, or one with K, M or G.")
    return int(match.group(1)) * _UNITS[match.group(2)]


def _shares(counts: list[int], limit: int) -> list[int]:
    """At least one tool each; what a small document does not need goes to the others."""
    shares = [0] * len(counts)
    left = max(limit, len(counts))
    while left and any(share < count for share, count in zip(shares, counts, strict=True)):
        for number, count in enumerate(counts):
            if left and shares[number] < count:
                shares[number] += 1
                left -= 1
    return shares


def _say(findings: tuple["Finding", ...], *, as_json: bool) -> None:
    for finding in findings:
        # json.dumps, because a document may hold halves of surrogate pairs, which msgspec refuses to write.
        print(json.dumps(msgspec.to_builtins(finding)) if as_json else finding, file=sys.stderr)


def _read(document: str, limit: int, config: Config, *, allow_private: bool) -> tuple[bytes, str | None]:
    """The bytes, and the URL where there is one."""
    if document == "-":
        return sys.stdin.buffer.read(limit + 1), None
    if "://" in document:
        from bmm.cli.output import tame
        from bmm.cli.reach import reach
        from bmm.sources.fetch import fetch

        allowed = reach(config, allow_private=allow_private)
        return fetch(document, limit=limit, say=lambda line: print(tame(line), file=sys.stderr), reach=allowed)
    try:
        with Path(document).open("rb") as file:
            return file.read(limit + 1), None
    except OSError as error:
        raise BadInput(f"{document} cannot be read: {error.strerror or error}.") from error
