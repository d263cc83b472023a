"""`bmm new`: from a sentence or a source to a plan, and from the confirmed plan to a server."""

import argparse
import sys
from typing import TYPE_CHECKING

from bmm.config import Config
from bmm.errors import BadInput

if TYPE_CHECKING:
    from bmm.cli.parts.client import Client
    from bmm.cli.parts.sources import Sourced
    from bmm.core.draft import Wish

HELP = "make a server from a sentence, or from a document, a database, curl commands, recorded requests or a template"
EXAMPLE = """bmm new "Read-only access to the issues of my GitHub repository"
  bmm new --openapi https://shop.example/openapi.yaml
  bmm new --database postgresql://reader@db.example.com/shop --tables 'order*'
  bmm new --curl 'curl https://api.example.com/users?limit=10 -H "Authorization: Bearer …"'"""


def arguments(parser: argparse.ArgumentParser) -> None:
    from bmm.cli.parts import drafting, sources

    parser.add_argument("prompt", metavar="PROMPT", nargs="?", default="", help="what the server should do; - reads standard input")
    parser.add_argument("--slug", help="the server's name in its address (default: made of its title)")
    parser.add_argument("--without-model", action="store_true", help="ask no model, whatever the settings say: only what the source gives")
    parser.add_argument("--beyond", action="store_true", help="the model may not only curate what a source gives, but also add to it: tools, hosts, code")
    parser.add_argument("--again", metavar="DRAFT", help="take up a draft: a failed one goes on, which may cost; any other is shown again")
    drafting.arguments(parser)
    sources.arguments(parser)


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.parts.client import Client
    from bmm.cli.parts.drafting import begin, finish, own_spec, prompt_of, refuse_taken, take_up
    from bmm.cli.parts.sources import named, refuse_others, sourced
    from bmm.sources.detect import found_in, without

    client = Client(config)
    if args.again:
        refuse_others(args)
        if args.prompt or args.without_model or args.beyond or named(args):
            raise BadInput("--again takes up a draft as it is; leave out the prompt, the source, --beyond and --without-model")
        own = own_spec(client, args)
        return finish(client, args, take_up(client, args.again), own=own, slug=args.slug)
    prompt = prompt_of(args.prompt)
    if args.slug is not None:
        refuse_taken(client, args.slug)
    own = own_spec(client, args)
    found = found_in(prompt)
    made = sourced(args, config, found)
    if made is None:
        refuse_others(args)
    draft_id = begin(client, _wish(args, client, without(prompt, found), made))
    if not args.json:
        print(f"draft {draft_id}", file=sys.stderr)
    return finish(client, args, draft_id, own=own, slug=args.slug, seen=made.seen if made else None)


def _wish(args: argparse.Namespace, client: "Client", prompt: str, made: "Sourced | None") -> "Wish":
    from pathlib import Path

    import msgspec

    from bmm.cli.parts.database_files import with_databases
    from bmm.cli.parts.drafting import check_length
    from bmm.cli.parts.output import tame
    from bmm.core.draft import Wish
    from runner.contract import encode_spec

    check_length(prompt)
    if made is None:
        if args.beyond:
            raise BadInput("--beyond goes with a source; a sentence alone has no bounds")
        return Wish(prompt=prompt, slug=args.slug, model=not args.without_model)
    if (line := made.seen.line_in(prompt)) is not None:
        raise BadInput(f"Line {line} of the prompt holds a credential of a source once more; take it out, no model needs it")
    for finding in made.findings:
        print(tame(str(finding)), file=sys.stderr)
    # A file that a person named may lie anywhere; one that a spec names lies beside it.
    found = [msgspec.structs.replace(each, file=str(Path(each.file).resolve())) if each.file else each for each in made.spec.databases]
    spec = msgspec.Raw(with_databases(encode_spec(msgspec.structs.replace(made.spec, databases=tuple(found))), "/", client))
    return Wish(prompt=prompt, slug=args.slug, source=made.source, spec=spec, model=not args.without_model, beyond=args.beyond, unused=_unused(made))


def _unused(made: "Sourced") -> tuple[str, ...]:
    """What was skipped, a sentence each; a document can have a great many."""
    said = [f"{each.message}{f' ({each.fix})' if each.fix else ''}"[:2000] for each in made.findings if each.level == "error"]
    return (*said[:20], *([f"{len(said) - 20} more parts of the sources were skipped"] if len(said) > 20 else []))
