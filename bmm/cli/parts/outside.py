"""The code of a container, run here and without one: what `bmm call` and `bmm dev` start."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import bmm
from bmm.config import Config


def command(name: str, options: Sequence[str], config: Config) -> list[str]:
    """The words that start `python -m runner NAME`; names that the operator vouches for lead to their addresses."""
    addresses = [word for pair in config.egress_exceptions.items() for word in ("--resolve", "=".join(pair))]
    # -P: a folder named `runner` where the person happens to be must not be imported instead.
    return [sys.executable, "-P", "-m", "runner", name, *options, *addresses]


def environment() -> dict[str, str]:
    """This process's own, which may hold secrets by their keys, and where the runner's code lies."""
    ours = str(Path(bmm.__file__).resolve().parent.parent)
    given = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{ours}{os.pathsep}{given}" if given else ours}
