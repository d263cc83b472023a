"""`bmm deploy`: a spec becomes a live version of a server."""

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import msgspec

from bmm.config import Config
from bmm.core.build import Build, BuildEvent, BuildStatus
from bmm.errors import BadInput, BmmError, EngineFailed, NotFound, NotReachable
from bmm.http.shapes import MOST_SPEC_BYTES
from runner.contract import ToolListChoice

if TYPE_CHECKING:
    from bmm.cli.client import Client
    from bmm.core.trial import Trial

HELP = "build and publish a spec; the version before serves until the new one answers"
EXAMPLE = "bmm compile openapi shop.yaml > shop.json && bmm deploy shop.json --slug shop"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="a folder with spec.json, or the spec itself as JSON: a file, or - for standard input")
    parser.add_argument("--slug", required=True, help="the server's name in its address")
    parser.add_argument("--tool-list", choices=get_args(ToolListChoice), help="how clients see the tools, whatever the spec says")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.client import Client, server_target
    from bmm.cli.database_files import with_databases
    from bmm.cli.spec_files import spec_file
    from bmm.http.shapes import Accepted

    document = read_spec_document(args.spec)
    if args.tool_list is not None:
        document = _with_tool_list(document, args.tool_list)
    client = Client(config)
    document = with_databases(document, spec_file(args.spec), client)
    accepted = client.post(server_target(args.slug, "builds"), document, Accepted)
    return follow(client, args.slug, accepted.build_id, json=args.json)


def follow(client: "Client", slug: str, build_id: str, *, json: bool) -> int:
    """Tell the story of a build, then where the server is and how it is installed.

    Raises:
        BmmError: with the build's own code, where it failed.
    """
    from bmm.cli.client import server_target
    from bmm.cli.output import as_json
    from bmm.http.shapes import Shown

    build: Build | None = None
    for event, data in client.events(f"/api/builds/{build_id}/events"):
        if event == "end":
            build = msgspec.json.decode(data, type=Build)
        elif not json:
            _print_step(msgspec.json.decode(data, type=BuildEvent))
    assert build is not None
    if build.status is not BuildStatus.LIVE:
        raise _failure(slug, build)
    shown = client.get(server_target(slug), Shown)
    if json:
        told = {"build": build.id, "version": build.version, "url": shown.url, "snippets": shown.snippets, "tool_list": shown.tool_list}
        as_json({**told, "trial": _trial(client, build.id)})
    else:
        print(f"\n{shown.url}\n")
        for snippet in shown.snippets:
            print(f"{snippet.client}{'' if snippet.works else f' — {snippet.note}'}\n  {snippet.text.replace(chr(10), chr(10) + '  ')}")
    return 0


def _trial(client: "Client", build_id: str) -> "Trial | None":
    """What was tried; None of a server without tools."""
    from bmm.core.trial import Trial

    try:
        return client.get(f"/api/builds/{build_id}/trial", Trial)
    except BmmError as error:
        if error.code != NotFound.code:
            raise
        return None


def _failure(slug: str, build: Build) -> BmmError:
    error = BmmError(f"{slug} was not deployed: {build.error}")
    error.code = build.error_code or error.code
    error.permanent = error.code not in (EngineFailed.code, NotReachable.code, BmmError.code)
    return error


def read_spec_document(name: str) -> bytes:
    """A spec with the files it names in it; `name` may be a folder.

    Raises:
        BadInput: as `read_document`, or one of the files cannot be taken.
    """
    from bmm.cli.spec_files import spec_file, with_files

    name = spec_file(name)
    return with_files(read_document(name), name)


def read_document(name: str) -> bytes:
    """A file's content, or standard input for `-`.

    Raises:
        BadInput: it cannot be read, is empty or too large.
    """
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
            content = file.read(MOST_SPEC_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror}") from error
    if len(content) > MOST_SPEC_BYTES:
        raise BadInput(f"{name} is too large; a spec has at most {MOST_SPEC_BYTES} bytes")
    if not content.strip():
        raise BadInput(f"{'Standard input' if name == '-' else name} is empty")
    return content


def _with_tool_list(document: bytes, choice: str) -> bytes:
    try:
        fields = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"The spec is not a JSON object: {error}") from error
    return msgspec.json.encode({**fields, "tool_list": choice})


def _print_step(event: BuildEvent) -> None:
    from bmm.cli.output import tame_lines

    mark = {"warning": "! ", "error": "✗ "}.get(event.level, "")
    print(f"{event.at:%H:%M:%S}  {event.step:<10}  {mark}{tame_lines(event.message)}", flush=True)
