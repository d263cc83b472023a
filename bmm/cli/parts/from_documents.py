"""OpenAPI documents → a spec: the options of a document, and several of them as one."""

import argparse
import re
import sys
from typing import TYPE_CHECKING

from bmm.cli.parts.reading import read
from bmm.config import Config
from bmm.errors import BadInput

if TYPE_CHECKING:
    from bmm.sources import Compiled
    from bmm.sources.openapi.options import Options

_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def arguments(parser: argparse.ArgumentParser) -> None:
    """What a person may decide about a document; most of it counts for recorded requests as well."""
    from bmm.sources.openapi.options import SENSIBLE_TOOLS

    parser.add_argument("--server", metavar="URL", help="the API's base URL, instead of those in the document")
    parser.add_argument("--server-var", metavar="NAME=VALUE", action="append", default=[], help="the value of a variable in a server's URL")
    parser.add_argument("--name", metavar="NAME", help="the server's name, instead of the document's title")
    parser.add_argument(
        "--pin", metavar="NAME=VALUE", action="append", default=[], help="fix a parameter for all tools; models do not see it"
    )
    parser.add_argument(
        "--pick", metavar="NAME=FIELD,…", action="append", default=[],
        help="only these fields of the answers of an operation or tool, as paths: listOrders=items/*/id,total",
    )  # fmt: skip
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
    parser.add_argument("--deprecated", action="store_true", help="also make tools of deprecated operations")
    parser.add_argument("--max-size", metavar="SIZE", default="50M", help="how large a document may be (default: %(default)s)")
    parser.add_argument("--allow-private", action="store_true", help="fetch also from private addresses of this network")


def compiled(args: argparse.Namespace, config: Config) -> "Compiled":
    """The spec of all documents that were named."""
    from bmm.sources.documents import compile_documents

    options = options_of(args)
    documents = [_read(each, options.max_bytes, config, allow_private=args.allow_private) for each in args.documents]
    return compile_documents(documents, options=options)


def options_of(args: argparse.Namespace) -> "Options":
    """What the options say.

    Raises:
        BadInput: one of them cannot be.
    """
    from bmm.sources.openapi.options import Options
    from runner.contract import MAX_TOOLS

    if not 1 <= args.max_tools <= MAX_TOOLS:
        raise BadInput(f"--max-tools must be from 1 to {MAX_TOOLS:,}.")
    return Options(
        server=args.server, server_vars=pairs("--server-var", args.server_var), name=args.name, pins=pairs("--pin", args.pin),
        picks={name: fields(name, text) for name, text in pairs("--pick", args.pick).items()},
        tags=tuple(args.tag), paths=tuple(args.path), methods=tuple(args.method), operations=tuple(args.operation),
        max_tools=args.max_tools, deprecated=args.deprecated, max_bytes=_size(args.max_size),
    )  # fmt: skip


def fields(name: str, text: str) -> tuple[str, ...]:
    """`items/*/id,total` as JSON pointers.

    Raises:
        BadInput: a field has no name.
    """
    found = tuple(f"/{each.strip().removeprefix('/')}" for each in text.split(","))
    if any(not part for each in found for part in each.split("/")[1:]):
        raise BadInput(f"--pick {name}={text} must name fields, such as {name}=items/*/id,total")
    return tuple(dict.fromkeys(found))


def pairs(option: str, given: list[str]) -> dict[str, str]:
    """`NAME=VALUE` words as names and values.

    Raises:
        BadInput: one has no name or no `=`, or a name is given twice.
    """
    pairs: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise BadInput(f"{option} {each} must be NAME=VALUE.")
        if name in pairs:
            raise BadInput(f"{option} {name} is given twice; give one value")
        pairs[name] = value
    return pairs


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d{1,6})\s*([kmg]?)(i?b)?", text.strip().lower())
    size = int(match.group(1)) * _UNITS[match.group(2)] if match else 0
    if not 0 < size <= _UNITS["g"]:
        raise BadInput(f"--max-size {text} must be a number of bytes, or one with K, M or G; at most 1G.")
    return size


def _read(document: str, limit: int, config: Config, *, allow_private: bool) -> tuple[bytes, str | None]:
    """The bytes, and the URL where there is one."""
    if "://" in document:
        from bmm.cli.parts.output import tame
        from bmm.cli.parts.reach import reach
        from bmm.sources.fetch import fetch

        allowed = reach(config, allow_private=allow_private)
        return fetch(document, limit=limit, say=lambda line: print(tame(line), file=sys.stderr), reach=allowed)
    return read(document, limit), None
