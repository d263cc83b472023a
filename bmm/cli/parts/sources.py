"""What a spec is made of without a model: the words of `bmm compile`, and `--openapi`, `--database`, `--curl`, `--har` and `--template`."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

import msgspec
from msgspec import Struct

from bmm.cli.parts import from_database, from_documents, from_requests
from bmm.config import Config
from bmm.errors import BadInput
from bmm.sources.credentials import Credentials

if TYPE_CHECKING:
    from bmm.sources import Compiled, Finding
    from bmm.sources.detect import Found
    from runner.contract import ServerSpec

Kind = Literal["openapi", "database", "curl", "har", "template"]
_FROM: "dict[Kind, Callable[[argparse.Namespace, Config], Compiled]]" = {
    "openapi": from_documents.compiled, "database": from_database.compiled, "curl": from_requests.of_commands, "har": from_requests.of_recording,
    "template": from_requests.of_template,
}  # fmt: skip
KINDS = tuple(_FROM)
_DATABASE_TEMPLATE = "a template of one"
_FITS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("tag", "server_var", "deprecated", "allow_private"), ("openapi",)),
    **dict.fromkeys(("server", "pin", "path", "method", "operation", "max_tools", "max_size"), ("openapi", "curl", "har")),
    **dict.fromkeys(("schema", "tables", "writes", "query", "max_tables", "trust", "tls", "known_as"), ("database", _DATABASE_TEMPLATE)),
    "host": ("har",), "set": ("template",), "name": KINDS, "tool_list": KINDS,
}  # fmt: skip
"""For what an option means something."""


class Sourced(Struct, frozen=True, kw_only=True):
    """What a source made: `seen` are values of credentials that stood in it, to be offered as secrets and never to be sent on.

    `shown` says what it was made of, without credentials.
    """

    source: Kind
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
    options(parser)


def options(parser: argparse.ArgumentParser) -> None:
    """What a person may decide about a source; shared by `bmm compile` and `bmm new`."""
    from runner.contract import ToolListChoice

    from_documents.arguments(parser)
    parser.add_argument(
        "--tool-list",
        choices=get_args(ToolListChoice),
        default="auto",
        help="clients see all tools, or three that search them; auto: search where the list is long (default: %(default)s)",
    )
    from_database.arguments(parser)
    from_requests.arguments(parser)


def refuse_others(args: argparse.Namespace, *kinds: str) -> None:
    """Refuse an option that would mean nothing: it is for none of these kinds of source, or there is no source.

    Raises:
        BadInput: names it.
    """
    parser = argparse.ArgumentParser()
    options(parser)
    for option, fits in _FITS.items():
        if not set(kinds) & set(fits) and getattr(args, option) != parser.get_default(option):
            instead = f", not with {kinds[0]}" if kinds else "; name a source"
            raise BadInput(f"--{option.replace('_', '-')} goes with {' or '.join(fits)}{instead}")


def compiled(args: argparse.Namespace, config: Config) -> "tuple[Compiled, Credentials]":
    """What `args.source` and `args.documents` become, and the values of credentials that stood in them.

    Raises:
        BadInput: they cannot be used; findings that came up on the way have been printed.
    """
    from bmm.sources import UnusableDocument
    from bmm.sources.recorded import Recorded

    if not args.documents:
        raise BadInput(f"bmm compile {args.source} needs a description: a file, a URL or - for standard input")
    refuse_others(args, args.source, *([_DATABASE_TEMPLATE] if args.source == "template" else ()))
    try:
        found = _FROM[args.source](args, config)
    except UnusableDocument as error:
        tell(error.findings, as_json=args.json)
        raise
    if args.source == "template" and not found.spec.databases:
        refuse_others(args, args.source)
    spec = msgspec.structs.replace(found.spec, tool_list=args.tool_list)
    return msgspec.structs.replace(found, spec=spec), found.seen if isinstance(found, Recorded) else Credentials()


def tell(findings: "tuple[Finding, ...]", *, as_json: bool) -> None:
    """Print what is to be said, to standard error."""
    for finding in findings:
        # json.dumps, because a document may hold halves of surrogate pairs, which msgspec refuses to write.
        print(json.dumps(msgspec.to_builtins(finding)) if as_json else finding, file=sys.stderr)


def named(args: argparse.Namespace) -> list[Kind]:
    """The kinds of source that the options name."""
    return [source for source in KINDS if getattr(args, source)]


def sourced(args: argparse.Namespace, config: Config) -> Sourced | None:
    """What the options of `arguments` ask for; None where they name no source.

    Raises:
        BadInput: more than one kind of source, or one that cannot be used.
    """
    asked = named(args)
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


def _made(args: argparse.Namespace, config: Config, source: Kind, documents: list[str]) -> Sourced:
    from bmm.sources.detect import shown

    asked = argparse.Namespace(**{**vars(args), "source": source, "documents": documents})
    found, seen = compiled(asked, config)
    return Sourced(source=source, spec=found.spec, findings=found.findings, seen=seen, shown=", ".join(map(shown, documents)))
