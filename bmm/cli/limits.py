"""`bmm limits`: how often clients may call a server, while it runs."""

import argparse

import msgspec

from bmm.config import Config

HELP = "show or change how many tool calls a minute one client's grant has; a running server learns of it within two seconds"
EXAMPLE = "bmm limits shop --calls-per-minute 30"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("slug", metavar="SLUG")
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--calls-per-minute", metavar="N", type=int, help="of one grant; all grants of one address together have ten times as many")
    change.add_argument("--default", action="store_true", help="as many as the setting calls_per_minute of the appliance says")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.client import Client, server_target
    from bmm.cli.parts.output import as_json
    from bmm.http.shapes import CallLimit, Settings

    client = Client(config)
    if args.default or args.calls_per_minute is not None:
        body = msgspec.json.encode(CallLimit(calls_per_minute=args.calls_per_minute))
        settings = msgspec.json.decode(client.put(server_target(args.slug, "limits"), body), type=Settings)
    else:
        settings = client.get(server_target(args.slug, "settings"), Settings)
    if args.json:
        as_json(settings)
    else:
        print(f"{args.slug}: {settings.calls_per_minute} calls a minute per grant{'' if settings.own_limit else ' (the default)'}")
    return 0
