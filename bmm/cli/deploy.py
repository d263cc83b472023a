"""`bmm deploy`: a spec becomes a live version of a server."""

import argparse
import contextlib
import sys
from pathlib import Path

import msgspec

from bmm.config import Config
from bmm.core.build import Build, BuildEvent, BuildStatus
from bmm.errors import BadInput, BmmError, EngineFailed, NotReachable
from bmm.http.shapes import MOST_SPEC_BYTES

HELP = "build and publish a spec; the version before serves until the new one answers"
EXAMPLE = "bmm compile openapi shop.yaml > shop.json && bmm deploy shop.json --slug shop"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="the spec as JSON: a file, or - for standard input")
    parser.add_argument("--slug", required=True, help="the server's name in its address")


def run(args: argparse.Namespace, config: Config) -> int:
    from bmm.cli.client import Client, server_target
    from bmm.cli.output import as_json
    from bmm.http.shapes import Accepted, Shown

    document = read_document(args.spec)
    client = Client(config)
    accepted = client.post(server_target(args.slug, "builds"), document, Accepted)
    build: Build | None = None
    for event, data in client.events(f"/api/builds/{accepted.build_id}/events"):
        if event == "end":
            build = msgspec.json.decode(data, type=Build)
        elif not args.json:
            _print_step(msgspec.json.decode(data, type=BuildEvent))
    assert build is not None
    if build.status is not BuildStatus.LIVE:
        raise _failure(args.slug, build)
    shown = client.get(server_target(args.slug), Shown)
    if args.json:
        as_json({"build": build.id, "version": build.version, "url": shown.url, "snippets": shown.snippets})
    else:
        print(f"\n{shown.url}\n")
        for snippet in shown.snippets:
            print(f"{snippet.client}{'' if snippet.works else f' — {snippet.note}'}\n  {snippet.text.replace(chr(10), chr(10) + '  ')}")
    return 0


def _failure(slug: str, build: Build) -> BmmError:
    error = BmmError(f"{slug} was not deployed: {build.error}")
    error.code = build.error_code or error.code
    error.permanent = error.code not in (EngineFailed.code, NotReachable.code, BmmError.code)
    return error


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


def _print_step(event: BuildEvent) -> None:
    mark = {"warning": "! ", "error": "✗ "}.get(event.level, "")
    print(f"{event.at:%H:%M:%S}  {event.step:<10}  {mark}{event.message}", flush=True)
