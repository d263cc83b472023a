"""A story of events as server-sent events: builds and drafts tell theirs alike, as they are written, and resumable after a break."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Protocol, TypeVar

import msgspec
from litestar.params import HeaderParameter
from litestar.response import ServerSentEventMessage

from bmm.store.db import Query, Store

LastSeen = Annotated[str | None, HeaderParameter(name="Last-Event-ID")]
_PAUSE = 0.005
_KEEP_ALIVE_SECONDS = 10.0


class _Event(Protocol):
    @property
    def id(self) -> int: ...


S = TypeVar("S")
E = TypeVar("E", bound=_Event)


async def story(
    store: Store, subject: Query[S], is_final: Callable[[S], bool], events_after: Callable[[int], Query[E]], last_seen: str | None
) -> AsyncIterator[ServerSentEventMessage]:
    """`event` lines as JSON with increasing ids, then one `end` with the finished subject."""
    after = int(last_seen) if last_seen and re.fullmatch("[0-9]{1,18}", last_seen) else 0
    while True:
        writes = store.writes
        # The state is read before the events, so a final state means that no event can follow those read after it.
        found = await store.aone(subject)
        for event in await store.aall(events_after(after)):
            after = event.id
            yield ServerSentEventMessage(id=str(event.id), event="event", data=msgspec.json.encode(event).decode())
        if found is None or is_final(found):
            yield ServerSentEventMessage(event="end", data=msgspec.json.encode(found).decode())
            return
        await store.achanged(writes, seconds=_KEEP_ALIVE_SECONDS)
        if store.writes == writes:
            yield ServerSentEventMessage(comment="still working")
        await asyncio.sleep(_PAUSE)
