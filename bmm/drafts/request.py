"""Asking for a draft: what can be refused is refused before anything is stored; the rest is one row, and a job goes on from there."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from bmm import ids
from bmm.builds.check import findings_of, read_spec
from bmm.checks.prompt import scan_text
from bmm.config import MODEL_SERVICE, Config
from bmm.core.draft import REPAIRABLE, Draft, DraftStatus, Round, RoundKind, Wish, repairs_left
from bmm.core.finding import Finding, blocks
from bmm.core.slug import check_slug
from bmm.drafts.errors import UNREPAIRED, NoDraft, SecretInPrompt
from bmm.drafts.sources import keep, sources_of, without_passwords
from bmm.errors import BadInput, Conflict, NotFound
from bmm.llm.errors import ModelKeyMissing
from bmm.servers.lifecycle import find, live_spec
from bmm.sources.detect import suggestions
from bmm.store import audit, builds, drafts
from bmm.store.db import Statement, Store
from bmm.vault import Vault
from runner.contract import ServerSpec, encode_spec


def refuse_credentials(text: str) -> None:
    """Look at a text before it is stored, or sent to a model.

    Raises:
        SecretInPrompt: with the place and without the value.
    """
    if found := blocks(scan_text(text)):
        raise SecretInPrompt(found)


def has_model(config: Config) -> bool:
    """Whether free text can be drafted; a service on this machine may need no key."""
    return bool(config.model_key) or config.model_base_url != MODEL_SERVICE


def request_draft(store: Store, config: Config, vault: Vault, *, organisation_id: str, wish: Wish, actor: str, now: datetime) -> Draft:
    """Store a draft: ready at once where no model has a part in it, else queued; the caller then wakes a worker.

    Raises:
        SecretInPrompt: the prompt holds a credential outside of the sources that it names.
        ModelKeyMissing: only a model could make it; says what works without one.
        BadInput: neither prompt nor spec, an unusable spec or slug, or a source that cannot be read here.
        NotFound, Conflict: `iterate` without a live server.
    """
    named, prompt = sources_of(wish) if _may_name(wish) else (None, wish.prompt)
    refuse_credentials(prompt)
    prompt = without_passwords(prompt).strip()
    if wish.slug is not None:
        check_slug(wish.slug)
    may_ask = wish.model and has_model(config)
    base, version = _base(store, config, organisation_id, wish)
    kind: RoundKind | None = "iterate" if wish.iterate or (base and wish.beyond) else "curate" if base else "draft"
    if named is not None and named.given:
        kind = None  # the job reads the sources first
    elif base is not None and not wish.iterate and not (prompt and may_ask):
        kind = None
    elif not prompt and wish.iterate:
        raise NoDraft("Say what should change")
    elif not prompt:
        raise NoDraft("Say what the server should do, or name a source: --openapi, --database, --curl, --har or --template")
    elif not may_ask:
        raise _no_key(prompt, iterate=wish.iterate, wanted=wish.model)
    ready = base is not None and kind is None
    # A document may show a key just where it cannot be used.
    said = [each if not scan_text(each) else "A part of a source was skipped; `bmm compile` says which." for each in wish.unused]
    unused = [Finding(level="ask", id="source.unused", message=each) for each in said]
    draft = Draft(
        id=ids.new_id("drft"), organisation_id=organisation_id, slug=wish.slug, base_version=version, source=wish.source, ask_model=wish.model,
        prompt=prompt, status=DraftStatus.READY if ready else DraftStatus.QUEUED, base=text_of(base) if base else None,
        suggestion=text_of(base) if base and ready else None, findings=as_json([*unused, *(findings_of(base, config) if base and ready else ())]),
        error_code=None, error=None, build_id=None, attempt=0, created_at=now, finished_at=now if ready else None,
    )  # fmt: skip
    statements = [
        drafts.insert(draft, created_by=actor),
        drafts.tell(draft.id, "queued", prompt.splitlines()[0][:200] if prompt else f"from {'a database' if wish.database else wish.source}", now=now),
        audit.wrote(actor=actor, action="draft.request", target=draft.id, now=now, organisation_id=organisation_id, detail={"source": wish.source}),
    ]
    if named is not None and named.given:
        statements.append(keep(draft.id, named, vault, now))
    if kind is not None:
        statements.append(drafts.plan(Round(draft_id=draft.id, number=1, kind=kind, said=prompt, subject=draft.base)))
    elif base is not None:
        statements.append(drafts.tell(draft.id, "plan", in_short(base), now=now))
    store.apply(*statements)
    return draft


def ask_again(store: Store, draft: Draft) -> None:
    """Let a failed draft go on. A round that may have been paid is asked anew: this is the person's word for it.

    Raises:
        Conflict: it has not failed.
    """
    if draft.status is not DraftStatus.FAILED:
        raise Conflict(f"The draft {draft.id} has not failed; it is {draft.status}")
    rounds = store.all(drafts.rounds(draft.id))
    repeated = None  # what was planned is asked, what was answered is read
    if draft.error_code == UNREPAIRED:
        repeated = next(each for each in rounds if each.kind != "repair")
    elif rounds and _is_spent(rounds[-1]):
        repeated = rounds[-1]
    store.apply(*_go_on(draft, rounds, repeated, "asked for again"))


def ask_for_repair(store: Store, draft: Draft, config: Config) -> None:
    """Let the model correct a draft whose build has failed; what failed goes with it.

    Raises:
        Conflict: no build of it has failed, or the model has been asked as often as it may be.
        ModelKeyMissing: as it says.
    """
    build = store.one(builds.by_id(draft.build_id)) if draft.build_id else None
    if build is None or build.error_code is None:
        raise Conflict(f"No build of the draft {draft.id} has failed")
    if not draft.ask_model:
        raise Conflict(f"The draft {draft.id} was made to ask no model; edit the spec, and build it again")
    if not has_model(config):
        raise _no_key(draft.prompt, iterate=True, wanted=True)
    rounds = store.all(drafts.rounds(draft.id))
    if repairs_left(rounds) <= 0:
        raise Conflict("The model was asked twice to correct this; edit the spec, or say it in other words with `bmm new`")
    found = blocks(msgspec.json.decode(build.findings, type=list[Finding]))
    failed = [str(each) for each in found] or [f"The build failed ({build.error_code}): {' '.join((build.error or '').split())}"]
    repair = Round(draft_id=draft.id, number=0, kind="repair", said="\n".join(failed), subject=build.spec)
    store.apply(*_go_on(draft, rounds, repair, "the failed build goes back to the model"))


def find_draft(store: Store, organisation_id: str, draft_id: str) -> Draft:
    """The organisation's draft.

    Raises:
        NotFound: it has none of this id.
    """
    draft = store.one(drafts.by_id(draft_id))
    if draft is None or draft.organisation_id != organisation_id:
        raise NotFound(f"There is no draft {draft_id}; `bmm new` names each in its first line")
    return draft


def text_of(spec: ServerSpec) -> str:
    return encode_spec(spec).decode()


def as_json(findings: Sequence[Finding]) -> str:
    return msgspec.json.encode(findings).decode()


def in_short(spec: ServerSpec) -> str:
    """`3 tools, 1 host, no secrets`: the last line of a draft's story."""
    counted = (("tool", spec.tools), ("host", spec.hosts), ("secret", spec.secrets), ("database", spec.databases))
    words = [f"{len(each)} {word}{'s' if len(each) != 1 else ''}" for word, each in counted if each or word != "database"]
    return f"{spec.name}: {', '.join(words)}"


def _may_name(wish: Wish) -> bool:
    """Whether the prompt's sources are to be read here: not those of a spec, which were read already, nor beside a server's own.

    Raises:
        BadInput: a database for what takes none.
    """
    if not wish.iterate and not bytes(wish.spec):
        return True
    if wish.database is not None:
        raise BadInput("`database` makes a new server; send it without `spec` and `iterate`")
    return False


def _base(store: Store, config: Config, organisation_id: str, wish: Wish) -> tuple[ServerSpec | None, int | None]:
    """The spec to begin from, and which version it is."""
    if not wish.iterate:
        return (read_spec(bytes(wish.spec)) if bytes(wish.spec) else None), None
    if wish.slug is None or bytes(wish.spec):
        raise BadInput("To iterate names a server and says what to change, without a source")
    server = find(store, organisation_id, wish.slug)
    spec = live_spec(store, config.data, server)
    if spec is None:
        raise Conflict(f"{wish.slug} has no live version to begin from; deploy it first")
    return spec, server.version


def _is_spent(round_: Round) -> bool:
    """Whether it was asked and nothing can come of it any more: nobody saw its answer, or the answer is no use."""
    if round_.asked_at is None:
        return False
    return round_.answered_at is None or round_.error_code not in (None, *REPAIRABLE)


def _go_on(draft: Draft, rounds: list[Round], planned: Round | None, message: str) -> list[Statement]:
    statements = [drafts.wake(draft.id), drafts.tell(draft.id, "queued", message, now=ids.now())]
    if planned is not None:
        fresh = Round(draft_id=draft.id, number=len(rounds) + 1, kind=planned.kind, said=planned.said, subject=planned.subject)
        statements.append(drafts.plan(fresh))
    return statements


def _no_key(prompt: str, *, iterate: bool, wanted: bool) -> ModelKeyMissing:
    key = "set model_key in the settings (or BMM_MODEL_KEY, or ANTHROPIC_API_KEY) and start `bmm serve` again"
    need = f"A free text needs a model: {key if wanted else 'leave out --without-model'}."
    if iterate:
        return ModelKeyMissing(f"{need} Without one: change the spec yourself and `bmm deploy` it")
    fitting = "".join(f"\n  bmm new {each.command}    {each.reason}" for each in suggestions(prompt))
    without = "Without one, a source is enough: --openapi, --database, --curl, --har or --template."
    return ModelKeyMissing(f"{need} {without}{f' What fits your words:{fitting}' if fitting else ''}")
