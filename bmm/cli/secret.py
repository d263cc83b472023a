"""`bmm secret`: values go in from the terminal or standard input, never as an argument, and never come out."""

import argparse
import getpass
import sys

import msgspec

from bmm.config import Config
from bmm.errors import BadInput
from bmm.http.shapes import MOST_SECRET_BYTES, SecretShown, SecretValue, Shown

HELP = "set, list or remove a server's secrets; a value comes from the terminal or standard input"
EXAMPLE = "bmm secret set shop SHOP_API_KEY < key.txt"

PEM = "-----BEGIN "
"""How a value begins that a terminal gives only the first line of."""


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="set|ls|rm")
    for name, about in (("set", "set or replace a secret"), ("ls", "list the secrets a server needs or has"), ("rm", "remove a secret")):
        action = actions.add_parser(name, help=about, description=about)
        action.add_argument("slug", metavar="SLUG")
        action.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs instead of text for people"
        )
        if name != "ls":
            action.add_argument("key", metavar="KEY")
        if name == "set":
            action.add_argument("--next", action="store_true", help="for a version about to be deployed: the running one need not use it")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.client import Client, server_target
    from bmm.cli.parts.output import as_json

    client = Client(config)
    if args.action == "ls":
        return _list(client.get(server_target(args.slug, "secrets"), list[SecretShown]), as_json=args.json)
    target = server_target(args.slug, "secrets", args.key)
    if args.action == "set":
        client.put(target, msgspec.json.encode(SecretValue(value=_read_value(args.key), ahead=args.next)))
    else:
        client.delete(target)
    if args.json:
        as_json({"slug": args.slug, "key": args.key, "done": args.action})
    else:
        # A slug that is new may be a slip of the finger.
        ahead = args.action == "set" and client.get(server_target(args.slug), Shown).version is None
        later = f" for {args.slug}, which is not deployed yet; `bmm deploy SPEC --slug {args.slug}` does that" if ahead else ""
        print(f"{args.key} {'set' if args.action == 'set' else 'removed'}{later}")
    return 0


def _read_value(key: str) -> str:
    if sys.stdin.isatty():
        try:
            value = getpass.getpass(f"{key}: ")
        except EOFError as error:
            raise BadInput(f"No value was given for {key}") from error
        if value.startswith(PEM):
            raise BadInput(f"The value of {key} has several lines; give it from its file: `bmm secret set SLUG {key} < FILE`")
        return value
    try:
        value = sys.stdin.buffer.read(MOST_SECRET_BYTES + 3).decode()
    except UnicodeDecodeError:
        # Without the cause: it holds the bytes.
        raise BadInput(f"The value of {key} is not UTF-8; secrets are text") from None
    if "\0" in value:
        raise BadInput(f"The value of {key} holds a NUL byte; secrets are text")
    return value.removesuffix("\n").removesuffix("\r")


def _list(secrets: list[SecretShown], *, as_json: bool) -> int:
    from bmm.cli.parts import output

    if as_json:
        output.as_json(secrets)
        return 0
    rows = [
        (one.key, f"set {output.ago(one.updated_at)} ago" if one.updated_at else "MISSING" if one.required else "not set", one.hint)
        for one in secrets
    ]
    output.table(("KEY", "STATE", "HINT"), rows, empty="this server needs no secrets")
    return 0
