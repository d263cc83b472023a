"""The JSON API on the admin socket: drafts, their story, and their way into a build; and what differs between two versions."""

import asyncio
from typing import TypeVar

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery
from litestar.response import ServerSentEvent

from bmm import ids
from bmm.builds.request import request_build
from bmm.core.difference import difference
from bmm.core.draft import Draft, DraftStatus, Wish
from bmm.core.finding import Finding
from bmm.core.outline import outline
from bmm.drafts.held import hand_over, held
from bmm.drafts.request import ask_again, ask_for_repair, find_draft, request_draft
from bmm.errors import BadInput, Conflict, NotFound
from bmm.http.parts import OPERATOR, AnyRequest, OrganisationId, TheConfig, TheQueue, TheStore, TheVault
from bmm.http.shapes import MOST_SPEC_BYTES, Accepted, Compared, Confirmed, DraftAccepted, DraftShown
from bmm.http.story import LastSeen, story
from bmm.servers import bundles, lifecycle
from bmm.store import drafts, servers
from runner.contract import ServerSpec, decode_spec

T = TypeVar("T", bound=msgspec.Struct)


@post("/api/drafts", status_code=202)
async def make_draft(
    request: AnyRequest, store: TheStore, config: TheConfig, vault: TheVault, queue: TheQueue, organisation_id: OrganisationId
) -> DraftAccepted:
    wish = await _read(request, Wish)

    def ask() -> DraftAccepted:
        draft = request_draft(store, config, vault, organisation_id=organisation_id, wish=wish, actor=OPERATOR, now=ids.now())
        if not draft.status.is_final:
            queue.draft(draft.id)
        return DraftAccepted(draft_id=draft.id)

    return await asyncio.to_thread(ask)


@get("/api/drafts", sync_to_thread=True)
def list_drafts(store: TheStore, organisation_id: OrganisationId, limit: FromQuery[int] = 50) -> list[Draft]:
    return store.all(drafts.recent(organisation_id, min(max(limit, 1), 1000)))


@get("/api/drafts/{draft_id:str}", sync_to_thread=True)
def show_draft(draft_id: FromPath[str], store: TheStore, vault: TheVault, organisation_id: OrganisationId) -> DraftShown:
    draft = find_draft(store, organisation_id, draft_id)
    rounds = store.all(drafts.rounds(draft.id))
    spec, base = (decode_spec(each) if each else None for each in (draft.suggestion, draft.base))
    return DraftShown(
        draft=draft, rounds=tuple(rounds), findings=msgspec.json.decode(draft.findings, type=tuple[Finding, ...]),
        plan=outline(spec) if spec else None, difference=difference(base, spec) if spec and base else None,
        spec=spec, base=base, cost_micro_usd=sum(each.cost for each in rounds),
        by_model=base != spec and any(each.document for each in rounds), held=tuple(held(store, vault, draft, spec)) if spec else (),
    )  # fmt: skip


@get("/api/drafts/{draft_id:str}/events")
async def follow_draft(
    draft_id: FromPath[str], store: TheStore, organisation_id: OrganisationId, last_event_id: LastSeen = None
) -> ServerSentEvent:
    await asyncio.to_thread(find_draft, store, organisation_id, draft_id)
    return ServerSentEvent(
        story(store, drafts.by_id(draft_id), lambda draft: draft.status.is_final, lambda after: drafts.events_after(draft_id, after), last_event_id)
    )


@post("/api/drafts/{draft_id:str}/again", status_code=202, sync_to_thread=True)
def again(draft_id: FromPath[str], store: TheStore, queue: TheQueue, organisation_id: OrganisationId) -> DraftAccepted:
    ask_again(store, find_draft(store, organisation_id, draft_id))
    queue.draft(draft_id)
    return DraftAccepted(draft_id=draft_id)


@post("/api/drafts/{draft_id:str}/repair", status_code=202, sync_to_thread=True)
def repair(draft_id: FromPath[str], store: TheStore, config: TheConfig, queue: TheQueue, organisation_id: OrganisationId) -> DraftAccepted:
    """The failed build goes back to the model, with what failed."""
    ask_for_repair(store, find_draft(store, organisation_id, draft_id), config)
    queue.draft(draft_id)
    return DraftAccepted(draft_id=draft_id)


@post("/api/drafts/{draft_id:str}/build", status_code=202)
async def build_draft(
    draft_id: FromPath[str], request: AnyRequest, store: TheStore, config: TheConfig, vault: TheVault, queue: TheQueue, organisation_id: OrganisationId
) -> Accepted:
    confirmed = await _read(request, Confirmed)

    def ask() -> Accepted:
        draft = find_draft(store, organisation_id, draft_id)
        if draft.status not in (DraftStatus.READY, DraftStatus.BUILT) or draft.suggestion is None:
            raise Conflict(f"The draft {draft_id} is {draft.status}; only one that is ready can be built")
        slug = draft.slug if draft.base_version is not None else confirmed.slug or draft.slug
        if slug is None:
            raise BadInput("The server needs a name in its address: send `slug`")
        document, now = bytes(confirmed.spec) or draft.suggestion.encode(), ids.now()
        hand_over(store, vault, config, draft, document=document, slug=slug, actor=OPERATOR, now=now)
        build = request_build(
            store, config, organisation_id=organisation_id, slug=slug, actor=OPERATOR, now=now, draft=draft, document=document
        )  # fmt: skip
        queue.build(build.id)
        return Accepted(build_id=build.id)

    return await asyncio.to_thread(ask)


@get("/api/servers/{slug:str}/diff", sync_to_thread=True)
def compare(
    slug: FromPath[str], before: FromQuery[int], after: FromQuery[int], store: TheStore, config: TheConfig, organisation_id: OrganisationId
) -> Compared:
    server = lifecycle.find(store, organisation_id, slug)

    def spec_of(number: int) -> ServerSpec:
        version = store.one(servers.version(server.id, number)) if 0 < number < 2**53 else None
        if version is None:
            known = ", ".join(str(each.number) for each in store.all(servers.versions(server.id))) or "none"
            raise NotFound(f"{slug} has no version {number}; it has {known}")
        return bundles.load(config.data, version.bundle)

    newer = spec_of(after)
    return Compared(before=before, after=after, plan=outline(newer), difference=difference(spec_of(before), newer))


async def _read(request: AnyRequest, kind: type[T]) -> T:
    body = await request.body()
    if len(body) > MOST_SPEC_BYTES:
        raise BadInput(f"The request has {len(body)} bytes; at most {MOST_SPEC_BYTES} are possible")
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"The request cannot be used: {error}") from error


ROUTES = [make_draft, list_drafts, show_draft, follow_draft, again, repair, build_draft, compare]
