"""A database → a spec: its options, and what an operator must allow before a server can reach it."""

import argparse
import os
import socket
from typing import TYPE_CHECKING

from bmm.cli.parts.reading import read_text
from bmm.config import Config
from bmm.errors import BadInput

if TYPE_CHECKING:
    from bmm.sources import Compiled
    from bmm.sources.database.options import Options

_MOST_BYTES = 512 * 1024
"""Of a file with certificates or with a query."""


def arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("for a database")
    group.add_argument("--schema", action="append", default=[], help="only this schema (repeatable, as the next three)")
    group.add_argument("--tables", metavar="GLOB", action="append", default=[], help="only these tables, such as 'order*' or 'shop.*'")
    group.add_argument("--writes", metavar="GLOB", action="append", default=[], help="also tools that add, change and delete rows of these tables")
    group.add_argument(
        "--query", metavar="NAME=SQL|NAME=@FILE", action="append", default=[], help="a tool of your own; values are :name in it"
    )
    group.add_argument("--max-tables", metavar="N", type=int, default=20, help="for how many tables at most (default: %(default)s)")
    group.add_argument("--trust", metavar="FILE", help="certificates (PEM) of the authority the database's own certificate is from")
    group.add_argument("--tls", choices=["verify", "off"], default="verify", help="off: without TLS, which an operator must allow")
    group.add_argument("--known-as", metavar="NAME", help="the name servers reach it by, where the URL has an address or another name")


def compiled(args: argparse.Namespace, config: Config) -> "Compiled":
    """The spec of the one database that was named."""
    from bmm.sources import compile_database

    if len(args.documents) != 1:
        raise BadInput("A server is made of one database; give one URL, and further ones to servers of their own")
    options = chosen(args)
    return with_reach(compile_database(args.documents[0], options=options), args.documents[0], options, config)


def chosen(args: argparse.Namespace) -> "Options":
    """What the options say. `PGPASSWORD` or `MYSQL_PWD` stand in for a password that is not in the URL."""
    from bmm.sources.database.options import Options

    if args.max_tables < 1:
        raise BadInput("--max-tables must be at least 1")
    return Options(
        name=args.name, known_as=args.known_as, schemas=tuple(args.schema), tables=tuple(args.tables), writes=tuple(args.writes),
        queries=tuple(_query(each) for each in args.query), max_tables=args.max_tables, tls=args.tls == "verify",
        trust=_text(args.trust) if args.trust else "", password=os.environ.get("PGPASSWORD") or os.environ.get("MYSQL_PWD") or "",
    )  # fmt: skip


def with_reach(found: "Compiled", url: str, options: "Options", config: Config) -> "Compiled":
    """Say what an operator must allow before a server can reach a database that is not public."""
    import msgspec

    from bmm.egress.classify import refusal
    from bmm.egress.dial import own_addresses
    from bmm.sources import Finding
    from bmm.sources.database.options import place_of

    where = place_of(url, options)
    place = f"{where.name}:{where.port}"
    if where.kind == "sqlite" or place in config.egress_exceptions:
        return found
    try:
        addresses = [str(answer[4][0]) for answer in socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)]
    except OSError:
        return found
    own = own_addresses()
    if not any(refusal(address, own) for address in addresses) and where.host == where.name:
        return found
    message = f"{where.name} is not reached by a public name, so servers may not go there"
    fix = f'an operator must allow it: egress_exceptions = {{"{place}" = "{addresses[0]}"}}'
    return msgspec.structs.replace(found, findings=(*found.findings, Finding(level="warning", pointer="", message=message, fix=fix)))


def _query(given: str) -> tuple[str, str]:
    name, equals, text = given.partition("=")
    if not equals or not text.strip():
        raise BadInput(f"--query {given[:60]} must be NAME=SQL or NAME=@FILE")
    return name.strip(), _text(text[1:]) if text.startswith("@") else text


def _text(path: str) -> str:
    text = read_text(path, _MOST_BYTES)
    if len(text.encode()) > _MOST_BYTES:
        raise BadInput(f"{path} is too large: {_MOST_BYTES // 1024} KiB of certificates or of a query is the most")
    return text
