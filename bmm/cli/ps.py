"""`bmm ps`: the servers."""

import argparse

from bmm.config import Config

HELP = "list the servers with their state, version and calls of the last 24 hours"
EXAMPLE = "bmm ps --json"


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.client import Client
    from bmm.cli.parts.output import ago, as_json, table
    from bmm.core.server import Overview

    servers = Client(config).get("/api/servers", list[Overview])
    if args.json:
        as_json(servers)
        return 0
    rows = [
        (one.slug, one.status, str(one.version or "-"), str(one.calls_24h), str(one.failed_24h), ago(one.updated_at), one.name)
        for one in servers
    ]
    table(
        ("SLUG", "STATUS", "VERSION", "CALLS", "FAILED", "CHANGED", "NAME"),
        rows,
        empty="no servers yet; `bmm deploy SPEC --slug NAME` makes one",
    )
    return 0
