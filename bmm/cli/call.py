"""`bmm call`: one tool of a spec, called from here with the code that runs in its container."""

import argparse
import codecs
import subprocess
import sys
from pathlib import Path

from bmm.config import Config
from bmm.errors import BadInput, BmmError

HELP = "call one tool of a spec, or show the HTTP request it would send"
EXAMPLE = """SHOP_API_KEY=... bmm call --spec spec.json getProduct '{"productId": "p1"}' --dry-run

Secrets are taken from environment variables of the same name; with --dry-run a missing one is shown as <NAME>."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--spec", required=True, metavar="SPEC", help="the spec: a folder, a file as `bmm compile` prints it, or - for standard input")
    parser.add_argument("tool", metavar="TOOL", help="the tool's name")
    parser.add_argument("arguments", metavar="ARGUMENTS", nargs="?", default="{}", help="its arguments, a JSON object (default: {})")
    parser.add_argument("--dry-run", action="store_true", help="print the request as JSON and send nothing; it shows secrets that are set")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.outside import command, environment
    from bmm.cli.parts.spec_files import spec_file

    spec = spec_file(args.spec)
    document = _document(spec)
    options = ["--spec", spec if document is None else "-"]
    options += ["--dry-run"] if args.dry_run else []
    options += ["--json"] if args.json else []
    words = [*command("call", options, config), "--", args.tool, args.arguments]
    done = subprocess.run(words, env=environment(), input=document, stderr=subprocess.PIPE, check=False)
    said = done.stderr.decode(errors="replace")
    if done.returncode == 2:
        raise BadInput(said.strip().rstrip(".") or "The tool could not be called")
    if args.json and done.returncode:
        failure = BmmError(said.strip().removeprefix("error: ") or "The tool could not be called")
        failure.permanent = False
        raise failure
    sys.stderr.write(said)
    return done.returncode


def _document(name: str) -> bytes | None:
    """The spec with the files it names; None where the runner can read it by itself, or can say why not."""
    from bmm.cli.parts.spec_files import refuse_sources, with_files

    if name == "-":
        return None
    try:
        written = Path(name).read_bytes()
    except OSError:
        return None
    refuse_sources(written.removeprefix(codecs.BOM_UTF8), name)
    document = with_files(written.removeprefix(codecs.BOM_UTF8), name)
    return None if document == written else document
