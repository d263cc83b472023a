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
    from bmm.sources.several import Group
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
    **dict.fromkeys(("server", "pin", "pick", "path", "method", "operation", "max_tools", "max_size"), ("openapi", "curl", "har")),
    **dict.fromkeys(("schema", "tables", "writes", "query", "max_tables", "trust", "tls", "known_as"), ("database", _DATABASE_TEMPLATE)),
    "host": ("har",), "set": ("template",), "name": KINDS, "tool_list": KINDS,
}  # fmt: skip
"""For what an option means something."""


class Sourced(Struct, frozen=True, kw_only=True):
    """What a source made: `seen` are values of credentials that stood in it, to be offered as secrets and never to be sent on.

    `shown` says what it was made of, without credentials.
    """

    source: Kind | Literal["several"]
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


def compiled(args: argparse.Namespace, config: Config) -> "Compiled":
    """What `args.source` and `args.documents` become.

    Raises:
        BadInput: they cannot be used; findings that came up on the way have been printed.
    """
    if not args.documents:
        raise BadInput(f"bmm compile {args.source} needs a description: a file, a URL or - for standard input")
    refuse_others(args, args.source, *([_DATABASE_TEMPLATE] if args.source == "template" else ()))
    found = _read(args, config)
    if args.source == "template" and not found.spec.databases:
        refuse_others(args, args.source)
    return msgspec.structs.replace(found, spec=msgspec.structs.replace(found.spec, tool_list=args.tool_list))


def tell(findings: "tuple[Finding, ...]", *, as_json: bool) -> None:
    """Print what is to be said, to standard error."""
    for finding in findings:
        # json.dumps, because a document may hold halves of surrogate pairs, which msgspec refuses to write.
        print(json.dumps(msgspec.to_builtins(finding)) if as_json else finding, file=sys.stderr)


def named(args: argparse.Namespace) -> list[Kind]:
    """The kinds of source that the options name."""
    return [source for source in KINDS if getattr(args, source)]


def sourced(args: argparse.Namespace, config: Config, found: "tuple[Found, ...]" = ()) -> Sourced | None:
    """What the options of `arguments` ask for together with what was `found` in a prompt, as one spec; None where there is neither.

    What was found and cannot be used is told, and left out where something else can.

    Raises:
        BadInput: an option names what cannot be used, nothing can be, or together they are too much.
    """
    from bmm.sources.detect import shown
    from bmm.sources.merge import merged
    from bmm.sources.several import usable

    groups = _groups(args, found)
    if not groups:
        return None
    kinds: list[Kind] = list(dict.fromkeys(group.kind for group in groups))
    refuse_others(args, *kinds, *([_DATABASE_TEMPLATE] if "template" in kinds else ()))

    def read(group: "Group[Kind, str]") -> "Compiled":
        own = _only_for(group.kind, args, alone=len(groups) == 1)
        return _read(argparse.Namespace(**{**vars(own), "source": group.kind, "documents": list(group.given)}), config)

    parts, failed = usable(groups, read)
    if not parts and len(failed) == 1:
        raise failed[0][1]
    unused = [_unused(", ".join(map(shown, group.given)), error) for group, error in failed]
    if not parts:
        raise BadInput("; ".join(each.message for each in unused))
    whole = merged([part for _, part in parts], name=args.name)
    if args.template and not whole.spec.databases:
        refuse_others(args, *kinds)
    used = list(dict.fromkeys(kind for kind, _ in parts))
    return Sourced(
        source=used[0] if len(used) == 1 else "several", spec=msgspec.structs.replace(whole.spec, tool_list=args.tool_list),
        findings=(*unused, *whole.findings), seen=whole.seen, shown=", ".join(shown(each) for group in groups for each in group.given),
    )  # fmt: skip


def _groups(args: argparse.Namespace, found: "tuple[Found, ...]") -> "list[Group[Kind, str]]":
    """What is compiled together: each database and template by itself, of every other kind all that there is."""
    from bmm.sources.several import Group

    groups: list[Group[Kind, str]] = []
    for kind in KINDS:
        asked: list[str] = getattr(args, kind)
        given = tuple(dict.fromkeys([*asked, *(each.given for each in found if each.kind == kind)]))
        if kind in ("database", "template", "har"):
            groups += [Group(kind, (each,), each in asked) for each in given]
        elif given:
            groups.append(Group(kind, given, bool(asked)))
    return groups


def _only_for(kind: Kind, args: argparse.Namespace, *, alone: bool) -> argparse.Namespace:
    """The options without those that mean nothing for this kind, and without a name that is for all of them together."""
    if alone:
        return args
    parser = argparse.ArgumentParser()
    options(parser)
    fitting = {kind, *([_DATABASE_TEMPLATE] if kind == "template" else ())}
    others = {option: parser.get_default(option) for option, fits in _FITS.items() if option == "name" or not fitting & set(fits)}
    return argparse.Namespace(**{**vars(args), **others})


def _unused(shown: str, error: BadInput) -> "Finding":
    from bmm.sources import Finding
    from bmm.sources.detect import without_queries

    message = f"nothing here is made of {shown}: {without_queries(error.user_message).rstrip('.')}"
    return Finding(level="error", pointer="", message=message, fix="correct it and say it all again, or build without it")


def _read(args: argparse.Namespace, config: Config) -> "Compiled":
    from bmm.sources import UnusableDocument

    try:
        return _FROM[args.source](args, config)
    except UnusableDocument as error:
        tell(error.findings, as_json=args.json)
        raise
