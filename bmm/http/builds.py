"""The JSON API on the admin socket: a build and its story, which a reader follows live and resumes after a break."""

from litestar import get
from litestar.params import FromPath
from litestar.response import ServerSentEvent

from bmm.core.build import Build
from bmm.core.trial import Trial
from bmm.errors import NotFound
from bmm.http.parts import OrganisationId, TheStore
from bmm.http.story import LastSeen, story
from bmm.store import builds, trials
from bmm.store.db import Store


@get("/api/builds/{build_id:str}")
async def show_build(build_id: FromPath[str], store: TheStore, organisation_id: OrganisationId) -> Build:
    return await _find(store, organisation_id, build_id)


@get("/api/builds/{build_id:str}/events")
async def follow_build(
    build_id: FromPath[str], store: TheStore, organisation_id: OrganisationId, last_event_id: LastSeen = None
) -> ServerSentEvent:
    await _find(store, organisation_id, build_id)
    return ServerSentEvent(
        story(store, builds.by_id(build_id), lambda build: build.status.is_final, lambda after: builds.events_after(build_id, after), last_event_id)
    )


@get("/api/builds/{build_id:str}/trial")
async def show_trial(build_id: FromPath[str], store: TheStore, organisation_id: OrganisationId) -> Trial:
    """What was tried with the build's candidate."""
    await _find(store, organisation_id, build_id)
    kept = await store.aone(trials.of_build(build_id))
    if kept is None:
        raise NotFound(f"No tools were tried in the build {build_id}")
    return kept.decoded


async def _find(store: Store, organisation_id: str, build_id: str) -> Build:
    build = await store.aone(builds.by_id(build_id))
    if build is None or build.organisation_id != organisation_id:
        raise NotFound(f"There is no build {build_id}")
    return build


ROUTES = [show_build, follow_build, show_trial]
