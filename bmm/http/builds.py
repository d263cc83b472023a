"""The JSON API on the admin socket: a build and its story, which a reader follows live and resumes after a break."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import FromPath, HeaderParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from bmm.core.build import Build
from bmm.errors import NotFound
from bmm.http.parts import OrganisationId, TheStore
from bmm.store import builds
from bmm.store.db import Store

LastSeen = Annotated[str | None, HeaderParameter(name="Last-Event-ID")]
_LOOK_AGAIN = 0.05
_KEEP_ALIVE_ROUNDS = 200


@get("/api/builds/{build_id:str}")
async def show_build(build_id: FromPath[str], store: TheStore, organisation_id: OrganisationId) -> Build:
    return await _find(store, organisation_id, build_id)


@get("/api/builds/{build_id:str}/events")
async def follow_build(
    build_id: FromPath[str], store: TheStore, organisation_id: OrganisationId, last_event_id: LastSeen = None
) -> ServerSentEvent:
    """Server-sent events: `event` lines as JSON with increasing ids, then one `end` with the finished build."""
    await _find(store, organisation_id, build_id)
    after = int(last_event_id) if last_event_id and re.fullmatch("[0-9]{1,18}", last_event_id) else 0
    return ServerSentEvent(_story(store, build_id, after))


async def _story(store: Store, build_id: str, after: int) -> AsyncIterator[ServerSentEventMessage]:
    quiet = 0
    while True:
        # The state is read before the events, so a final state means that no event can follow those read after it.
        build = await store.aone(builds.by_id(build_id))
        told = await store.aall(builds.events_after(build_id, after))
        for event in told:
            after = event.id
            yield ServerSentEventMessage(id=str(event.id), event="event", data=msgspec.json.encode(event).decode())
        if build is None or build.status.is_final:
            yield ServerSentEventMessage(event="end", data=msgspec.json.encode(build).decode())
            return
        quiet = 0 if told else quiet + 1
        if quiet % _KEEP_ALIVE_ROUNDS == _KEEP_ALIVE_ROUNDS - 1:
            yield ServerSentEventMessage(comment="still building")
        await asyncio.sleep(_LOOK_AGAIN)


async def _find(store: Store, organisation_id: str, build_id: str) -> Build:
    build = await store.aone(builds.by_id(build_id))
    if build is None or build.organisation_id != organisation_id:
        raise NotFound(f"There is no build {build_id}")
    return build


ROUTES = [show_build, follow_build]
