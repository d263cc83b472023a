"""`bmm call`: one tool of a spec, called from here with the code that runs in its container."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import bmm
from bmm.config import Config
from bmm.errors import BadInput

HELP = "call one tool of a spec, or show the HTTP request it would send"
EXAMPLE = """SHOP_API_KEY=... bmm call --spec spec.json getProduct '{"productId": "p1"}' --dry-run

Secrets are taken from environment variables of the same name; with --dry-run a missing one is shown as <NAME>."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--spec", required=True, metavar="FILE", help="the spec, as `bmm compile` prints it; - reads standard input")
    parser.add_argument("tool", metavar="TOOL", help="the tool's name")
    parser.add_argument("arguments", metavar="ARGUMENTS", nargs="?", default="{}", help="its arguments, a JSON object (default: {})")
    parser.add_argument("--dry-run", action="store_true", help="print the request as JSON and send nothing; it shows secrets that are set")


def run(args: argparse.Namespace, config: Config) -> int:
    document = _document(args.spec)
    options = ["--spec", args.spec if document is None else "-"]
    options += ["--dry-run"] if args.dry_run else []
    options += ["--json"] if args.json else []
    for destination, address in config.egress_exceptions.items():
        options += ["--resolve", f"{destination}={address}"]
    command = _runner([*options, "--", args.tool, args.arguments])
    done = subprocess.run(command, env=_environment(), input=document, stderr=subprocess.PIPE, check=False)
    said = done.stderr.decode(errors="replace")
    if done.returncode == 2:
        raise BadInput(said.strip() or "The tool could not be called.")
    sys.stderr.write(said)
    return done.returncode


def _document(name: str) -> bytes | None:
    """The spec with the files it names; None where the runner can read it by itself, or can say why not."""
    from bmm.cli.spec_files import spec_file, with_files

    name = spec_file(name)
    if name == "-":
        return None
    try:
        written = Path(name).read_bytes()
    except OSError:
        return None
    document = with_files(written, name)
    return None if document is written else document


def _runner(arguments: list[str]) -> list[str]:
    """The command that runs the container's code outside of it. In a frozen executable `sys.executable` is bmm itself."""
    # -P: a folder named `runner` where the person happens to be must not be imported instead.
    return [sys.executable, "-P", "-m", "runner", "call", *arguments]


def _environment() -> dict[str, str]:
    ours = str(Path(bmm.__file__).resolve().parent.parent)
    given = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{ours}{os.pathsep}{given}" if given else ours}
