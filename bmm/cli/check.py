"""`bmm check`: what a build with these settings would say about a spec or about the code of one tool; nothing is run and nobody is asked."""

import argparse
from typing import TYPE_CHECKING

from bmm.cli.parts.output import as_json, count
from bmm.config import Config
from bmm.errors import BadInput

if TYPE_CHECKING:
    from runner.contract import ServerSpec

HELP = "say what the checks find in a spec or in the code of a tool; nothing is run"
EXAMPLE = "bmm check hello"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "spec", metavar="SPEC|FILE.py", help="a folder with spec.json, a spec as JSON, - for standard input, or the code of one tool"
    )


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.builds.check import findings_of, not_allowed, weighed
    from bmm.checks.code import check_code
    from bmm.cli.parts.spec_files import read_document
    from bmm.cli.plan_text import finding_lines
    from bmm.core.finding import blocks

    if args.spec.endswith(".py"):
        try:
            findings = weighed(check_code(read_document(args.spec).decode()), config)
        except UnicodeDecodeError:
            raise BadInput(f"{args.spec} is not text in UTF-8") from None
    else:
        spec = _spec(args.spec)
        findings = [*not_allowed(spec, config), *findings_of(spec, config)]
    if args.json:
        as_json(findings)
    else:
        for line in finding_lines(findings):
            print(line)
        found = len(blocks(findings))
        said = f"{count(len(findings), 'finding')}, {found} of which block{'s' if found == 1 else ''}" if findings else "nothing to say"
        print(f"{args.spec}: {said}{' (code_checks = report)' if config.code_checks == 'report' else ''}")
    return 1 if blocks(findings) else 0


def _spec(name: str) -> "ServerSpec":
    from bmm.builds.check import read_spec
    from bmm.cli.parts.database_files import with_databases
    from bmm.cli.parts.spec_files import read_spec_document, spec_file

    return read_spec(with_databases(read_spec_document(name), spec_file(name), _Nowhere()))


class _Nowhere:
    """Takes what a deploy would upload."""

    def put(self, target: str, body: bytes) -> None:
        pass
