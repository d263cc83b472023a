"""A build, followed until it is live: its story, then where the server is and how it is installed."""

from typing import TYPE_CHECKING

import msgspec

from bmm.core.build import Build, BuildEvent, BuildStatus
from bmm.errors import BmmError, EngineFailed, NotFound, NotReachable

if TYPE_CHECKING:
    from bmm.cli.parts.client import Client
    from bmm.core.trial import Trial


def goes_on(slug: str) -> str:
    """For who leaves while it is built."""
    return f"The build goes on without you; `bmm ps` shows what became of {slug}."


def follow(client: "Client", slug: str, build_id: str, *, json: bool) -> int:
    """Tell the story of a build, then where the server is and how it is installed.

    Raises:
        BmmError: with the build's own code, where it failed.
    """
    from bmm.cli.parts.client import server_target
    from bmm.cli.parts.output import as_json
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
    # An appliance that is told to end lets us hear the end of the story first, and is gone then.
    shown = client.get(server_target(slug), Shown, wait=True)
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


def _print_step(event: BuildEvent) -> None:
    from bmm.cli.parts.output import tame_lines

    mark = {"warning": "! ", "error": "✗ "}.get(event.level, "")
    print(f"{event.at:%H:%M:%S}  {event.step:<10}  {mark}{tame_lines(event.message)}", flush=True)
