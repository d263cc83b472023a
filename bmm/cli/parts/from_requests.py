"""`bmm compile curl|har|template`: requests that somebody wrote down or a browser recorded, and built-in servers."""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bmm.cli import compile_database
from bmm.config import Config
from bmm.errors import BadInput

if TYPE_CHECKING:
    from bmm.sources import Compiled
    from bmm.sources.openapi.options import Options
    from bmm.sources.recorded import Recorded
    from runner.contract import ServerSpec


def arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("for curl commands, recordings and templates")
    group.add_argument("--host", metavar="GLOB", action="append", default=[], help="of a recording only requests to this host (repeatable)")
    group.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="a value that a template leaves open (repeatable)")


def of_requests(args: argparse.Namespace, options: "Options") -> "Recorded":
    """The spec of all commands, or of one recording."""
    from bmm.sources import compile_curl, compile_har

    if args.source == "curl":
        return compile_curl([each if _is_command(each) else _text(each, options.max_bytes) for each in args.documents], options=options)
    if len(args.documents) != 1:
        raise BadInput("A server is made of one recording; a browser saves several pages in one")
    return compile_har(_bytes(args.documents[0], options.max_bytes), options=options, hosts=tuple(args.host))


def of_template(args: argparse.Namespace, config: Config) -> "Compiled":
    """The spec of a built-in server; one that is a database takes the options of a database as well."""
    from bmm.cli.compile import pairs
    from bmm.sources import compile_template

    if len(args.documents) != 1:
        raise BadInput("A server is made of one template; give one name")
    settings, options = pairs("--set", args.set), compile_database.chosen(args)
    found = compile_template(args.documents[0], settings, database=options)
    if found.spec.databases:
        found = compile_database.with_reach(found, settings["url"], options, config)
    return found if args.name is None else _called(found, args.name)


def listed(*, as_json: bool) -> int:
    """The templates there are."""
    from bmm.cli.output import as_json as print_json
    from bmm.cli.output import table
    from bmm.sources.template import templates

    if as_json:
        rows = [{"name": each.name, "title": each.title, "about": each.about, "settings": each.settings} for each in templates()]
        print_json({"templates": rows})
    else:
        table(("NAME", "WHAT IT DOES"), [(each.name, each.about) for each in templates()], empty="There are no templates.")
    return 0


def keys_to_set(spec: "ServerSpec") -> list[str]:
    return [need.key for need in spec.secrets if need.required]


def _called(found: "Compiled", name: str) -> "Compiled":
    import msgspec

    return msgspec.structs.replace(found, spec=msgspec.structs.replace(found.spec, name=name[:80]))


def _is_command(given: str) -> bool:
    return re.search(r"(?:^|[\s$;|&])curl(\.exe)?\s", given) is not None or re.match(r"(?i)\s*(Invoke-|iwr |irm |fetch\()", given) is not None


def _text(name: str, limit: int) -> str:
    try:
        return _bytes(name, limit).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{name} is not text in UTF-8") from None


def _bytes(name: str, limit: int) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(limit + 1)
    try:
        with Path(name).open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise BadInput(f"{name[:200]} cannot be read: {error.strerror or error}. A curl command stands in quotes: 'curl https://…'") from error
