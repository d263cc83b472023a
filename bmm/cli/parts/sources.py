"""`--openapi`, `--database`, `--curl`, `--har` and `--template`: what a server is made of without a model."""

import argparse
from typing import TYPE_CHECKING, Literal, get_args

from msgspec import Struct

from bmm.cli import compile as compiling
from bmm.config import Config
from bmm.errors import BadInput
from bmm.sources.credentials import Credentials

if TYPE_CHECKING:
    from bmm.sources import Finding
    from bmm.sources.detect import Found
    from runner.contract import ServerSpec

Source = Literal["openapi", "database", "curl", "har", "template"]


class Sourced(Struct, frozen=True, kw_only=True):
    """What a source made: `seen` are values of credentials that stood in it, to be offered as secrets and never to be sent on.

    `shown` says what it was made of, without credentials.
    """

    source: Source
    spec: "ServerSpec"
    findings: "tuple[Finding, ...]"
    seen: Credentials
    shown: str


def arguments(parser: argparse.ArgumentParser) -> None:
    """The five sources and the options of `bmm compile`."""
    group = parser.add_argument_group("made of, without a model")
    group.add_argument("--openapi", metavar="FILE|URL", action="append", default=[], help="an OpenAPI or Swagger document (repeatable)")
    group.add_argument("--database", metavar="URL|FILE", action="append", default=[], help="PostgreSQL, MySQL, MariaDB or SQLite")
    group.add_argument(
        "--curl", metavar="COMMAND|FILE|-", action="append", default=[], help="curl commands: one in quotes, or a file of them (repeatable)"
    )
    group.add_argument("--har", metavar="FILE", action="append", default=[], help="requests a browser recorded (repeatable)")
    group.add_argument("--template", metavar="NAME", action="append", default=[], help="a built-in one; `bmm compile template` lists them")
    compiling.options(parser)


def sourced(args: argparse.Namespace, config: Config) -> Sourced | None:
    """What the options of `arguments` ask for; None where they name no source.

    Raises:
        BadInput: more than one kind of source, or one that cannot be used.
    """
    asked = [source for source in get_args(Source) if getattr(args, source)]
    if not asked:
        return None
    if len(asked) > 1:
        raise BadInput(f"--{asked[0]} and --{asked[1]} are two servers; make one at a time, or join their specs by hand")
    return _made(args, config, asked[0], getattr(args, asked[0]))


def from_text(args: argparse.Namespace, config: Config, found: "tuple[Found, ...]") -> Sourced | None:
    """What the descriptions found in a prompt become (`bmm.sources.detect.found_in`): those of the first one's kind, together."""
    if not found:
        return None
    alike = [each for each in found if each.kind == found[0].kind]
    return _made(args, config, found[0].kind, [each.given for each in alike[: 1 if found[0].kind == "database" else None]])


def _made(args: argparse.Namespace, config: Config, source: Source, documents: list[str]) -> Sourced:
    from bmm.sources.detect import shown

    asked = argparse.Namespace(**{**vars(args), "source": source, "documents": documents})
    compiled, seen = compiling.compiled(asked, config)
    return Sourced(source=source, spec=compiled.spec, findings=compiled.findings, seen=seen, shown=", ".join(map(shown, documents)))
