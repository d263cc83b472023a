"""`bmm compile database URL`: a database's catalogue becomes a spec on standard output."""

import argparse
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from bmm.config import Config
from bmm.errors import BadInput

if TYPE_CHECKING:
    from bmm.sources import Compiled

MOST_TRUST_BYTES = 512 * 1024


def arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("for a database")
    group.add_argument("--schema", action="append", default=[], help="only this schema (repeatable, as the next four)")
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
    """The spec of the one database that was named. `PGPASSWORD` or `MYSQL_PWD` stand in for a password that is not in the URL."""
    from bmm.sources import SOURCES
    from bmm.sources.database.options import Options, place_of

    if len(args.documents) != 1:
        raise BadInput("bmm compile database takes one URL")
    if args.max_tables < 1:
        raise BadInput("--max-tables must be at least 1")
    (url,) = args.documents
    options = Options(
        name=args.name, known_as=args.known_as, schemas=tuple(args.schema), tables=tuple(args.tables), writes=tuple(args.writes),
        queries=tuple(_query(each) for each in args.query), max_tables=args.max_tables, tls=args.tls == "verify",
        trust=_text(args.trust) if args.trust else "", password=os.environ.get("PGPASSWORD") or os.environ.get("MYSQL_PWD") or "",
    )  # fmt: skip
    found: Compiled = SOURCES["database"](url, options=options)
    where = place_of(url, options)
    return found if where.kind == "sqlite" else _with_reach(found, where.host, where.name, where.port, config)


def _with_reach(found: "Compiled", host: str, name: str, port: int, config: Config) -> "Compiled":
    """Say what an operator must allow before a server can reach a database that is not public."""
    import msgspec

    from bmm.egress.classify import refusal
    from bmm.egress.dial import own_addresses
    from bmm.sources import Finding

    if f"{name}:{port}" in config.egress_exceptions:
        return found
    try:
        addresses = [str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except OSError:
        return found
    own = own_addresses()
    if not any(refusal(address, own) for address in addresses) and host == name:
        return found
    message = f"{name} is not reached by a public name, so servers may not go there"
    fix = f'an operator must allow it: egress_exceptions = {{"{name}:{port}" = "{addresses[0]}"}}'
    return msgspec.structs.replace(found, findings=(*found.findings, Finding(level="warning", pointer="", message=message, fix=fix)))


def _query(given: str) -> tuple[str, str]:
    name, equals, text = given.partition("=")
    if not equals or not text.strip():
        raise BadInput(f"--query {given[:60]} must be NAME=SQL or NAME=@FILE")
    return name.strip(), _text(text[1:]) if text.startswith("@") else text


def _text(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(MOST_TRUST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error.strerror if isinstance(error, OSError) else 'it is not UTF-8 text'}") from error
