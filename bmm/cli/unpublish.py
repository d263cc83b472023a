"""`bmm unpublish`: hide a server's card."""

import argparse

from bmm.cli import publish
from bmm.config import Config

HELP = "show a server's card to nobody, as before `bmm publish`"
EXAMPLE = "bmm unpublish shop"


def arguments(parser: argparse.ArgumentParser) -> None:
    publish.arguments(parser)


def run(args: argparse.Namespace, config: Config) -> int:
    return publish.change(args, config, public=False)
