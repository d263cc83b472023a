"""`bmm hold`: run the process that keeps every server's listening socket open."""

import argparse
from pathlib import Path

from bmm.config import Config

HELP = "keep the servers' listening sockets open (`bmm serve` starts this by itself)"
EXAMPLE = "bmm hold --run /run/bmm"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, help="the folder of the sockets (default: run_dir of the settings)")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.servers import holder

    return holder.serve(args.run or config.run)
