"""`bmm egress`: run the gateway through which servers reach the hosts they were allowed."""

import argparse
from pathlib import Path

from bmm.config import Config

HELP = "run the egress gateway (`bmm serve` starts this by itself)"
EXAMPLE = "bmm egress --run /run/bmm --data /var/lib/bmm"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, help="the folder of the sockets (default: run_dir of the settings)")
    parser.add_argument("--data", type=Path, help="the folder that holds egress/<server>.json (default: data_dir of the settings)")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.egress import gateway

    return gateway.serve(run=args.run or config.run, data=args.data or config.data)
