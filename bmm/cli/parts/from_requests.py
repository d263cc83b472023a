"""Requests that somebody wrote down or a browser recorded, and built-in servers → a spec."""

import argparse
import re
from typing import TYPE_CHECKING

from bmm.cli.parts import from_database
from bmm.cli.parts.from_documents import options_of, pairs
from bmm.cli.parts.reading import read, read_text
from bmm.config import Config
from bmm.errors import BadInput

if TYPE_CHECKING:
    from bmm.sources import Compiled
    from runner.contract import ServerSpec

_QUOTED = "A curl command stands in quotes: 'curl https://…'"


def arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("for curl commands, recordings and templates")
    group.add_argument("--host", metavar="GLOB", action="append", default=[], help="of a recording only requests to this host (repeatable)")
    group.add_argument("--set", metavar="NAME=VALUE", action="append", default=[], help="a value that a template leaves open (repeatable)")


def of_commands(args: argparse.Namespace, config: Config) -> "Compiled":
    """The spec of all curl commands, with the credentials in them."""
    from bmm.sources import compile_curl

    options = options_of(args)
    return compile_curl([each if _is_command(each) else read_text(each, options.max_bytes, otherwise=_QUOTED) for each in args.documents], options=options)


def of_recording(args: argparse.Namespace, config: Config) -> "Compiled":
    """The spec of one recording, with the credentials in it."""
    from bmm.sources import compile_har

    if len(args.documents) != 1:
        raise BadInput("A server is made of one recording; a browser saves several pages in one")
    options = options_of(args)
    return compile_har(read(args.documents[0], options.max_bytes), options=options, hosts=tuple(args.host))


def of_template(args: argparse.Namespace, config: Config) -> "Compiled":
    """The spec of a built-in server; one that is a database takes the options of a database as well."""
    from bmm.sources import compile_template

    if len(args.documents) != 1:
        raise BadInput("A server is made of one template; give one name")
    settings, options = pairs("--set", args.set), from_database.chosen(args)
    found = compile_template(args.documents[0], settings, database=options)
    if found.spec.databases:
        found = from_database.with_reach(found, settings["url"], options, config)
    return found if args.name is None else _called(found, args.name)


def listed(*, as_json: bool) -> int:
    """The templates there are."""
    from bmm.cli.parts.output import as_json as print_json
    from bmm.cli.parts.output import table
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
