"""`bmm compile`: a description becomes a spec on standard output; what is to be said about it goes to standard error."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bmm.config import Config
from bmm.errors import BadInput

if TYPE_CHECKING:
    from bmm.sources import Finding

HELP = "turn a description (an OpenAPI document) into a ServerSpec on standard output"
EXAMPLE = "bmm compile openapi https://shop.example/openapi.yaml --server https://shop.example/v1 > spec.json"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", choices=["openapi"], help="what kind of description it is")
    parser.add_argument("document", metavar="FILE|URL|-", help="where it is; - reads standard input")
    parser.add_argument("--server", metavar="URL", help="the API's base URL, instead of those in the document")
    parser.add_argument("--name", metavar="NAME", help="the server's name, instead of the document's title")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.sources import SOURCES, UnusableDocument

    data, location = _read(args.document)
    try:
        compiled = SOURCES[args.source](data, location=location, server=args.server, name=args.name)
    except UnusableDocument as error:
        _say(error.findings, as_json=args.json)
        raise
    _say(compiled.findings, as_json=args.json)
    if not args.json:
        print(f"{len(compiled.spec.tools)} tools, {len(compiled.findings)} findings", file=sys.stderr)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(compiled.spec), indent=2).decode() + "\n")
    return 0


def _say(findings: tuple["Finding", ...], *, as_json: bool) -> None:
    for finding in findings:
        # json.dumps, because a document may hold halves of surrogate pairs, which msgspec refuses to write.
        print(json.dumps(msgspec.to_builtins(finding)) if as_json else finding, file=sys.stderr)


def _read(document: str) -> tuple[bytes, str | None]:
    """The bytes, and the URL where there is one."""
    from bmm.sources.openapi.load import MAX_BYTES

    if document == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1), None
    if "://" in document:
        from bmm.sources.fetch import fetch

        return fetch(document, limit=MAX_BYTES, say=lambda line: print(line, file=sys.stderr))
    try:
        with Path(document).open("rb") as file:
            return file.read(MAX_BYTES + 1), None
    except OSError as error:
        raise BadInput(f"{document} cannot be read: {error.strerror or error}.") from error
