"""run_draft: the whole way of a draft, from its rows to a spec that a person can confirm; it goes on after a kill at any point.

A round is planned, asked and answered, each on disk before the next. What was asked and has no answer was perhaps paid: it is never asked
again unless a person says so. What was answered is read from its row, however often the draft is taken up.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from bmm import ids
from bmm.builds.check import findings_of, read_spec
from bmm.config import Config
from bmm.core.curation import curated
from bmm.core.draft import REPAIRABLE, Draft, Round, RoundKind, repairs_left
from bmm.core.finding import Finding, blocks
from bmm.drafts.bounds import bound_of, left_out
from bmm.drafts.errors import INTERRUPTED, UNREPAIRED, DraftFailed, SecretInPrompt, SecretInSpec
from bmm.drafts.request import as_json, has_model, in_short, text_of
from bmm.drafts.sources import compile_sources, keep_seen, kept
from bmm.errors import BadInput, BmmError
from bmm.llm import ask
from bmm.llm.ask import Answer, Ask
from bmm.llm.client import Model
from bmm.llm.cost import check_limit
from bmm.llm.current import is_kept
from bmm.llm.errors import ModelError
from bmm.store import drafts
from bmm.store.db import Stale, Statement, Store, one, run
from bmm.vault import Vault
from runner.contract import ServerSpec, decode_spec

log = logging.getLogger("bmm.drafts")
LEASE = timedelta(minutes=10)
"""For all that a draft does besides waiting for an answer, which has a time of its own."""
MOST_ATTEMPTS = 6
_LONGEST_WAIT = 3600.0


class Drafting:
    """The handles a draft needs. `later` wakes a worker for a draft after so many seconds."""

    def __init__(self, config: Config, store: Store, vault: Vault, model: Model, later: Callable[[str, float], None]) -> None:
        self._config, self._store, self._vault, self._model, self._later = config, store, vault, model, later

    def run_draft(self, draft_id: str) -> None:
        """Bring a draft to its end, from wherever it stands. Somebody else's draft is left alone."""
        now = ids.now()
        try:
            self._store.apply(drafts.claim(draft_id, now=now, until=now + LEASE))
        except Stale:
            return
        try:
            self._run(self._draft(draft_id))
        except DraftFailed as error:
            self._give_up(draft_id, error.code, error.user_message, then=error.then, findings=error.findings)
        except ModelError as error:
            then = "Then" if error.permanent else "It was tried again several times; later"
            self._give_up(draft_id, error.code, error.user_message, then=f"{then} `bmm new --again {draft_id}` goes on from here")
        except BmmError as error:
            self._give_up(draft_id, error.code, error.user_message, then=f"Where that can pass, `bmm new --again {draft_id}` tries again")
        except Exception:
            log.exception("draft %s", draft_id)
            self._give_up(draft_id, "internal_error", "The draft failed for a reason that is the appliance's own fault; its log has it.")

    def _run(self, draft: Draft) -> None:
        if not self._store.all(drafts.rounds(draft.id)):
            draft = self._read_source(draft) if draft.base is None else draft
            if not self._store.all(drafts.rounds(draft.id)):
                return self._ready(draft, draft.base or "", findings_of(decode_spec(draft.base or ""), self._config))
        while True:
            round_ = self._store.all(drafts.rounds(draft.id))[-1]
            if round_.asked_at is None:
                if not self._ask(draft, round_):
                    return None
            elif round_.answered_at is None:
                raise self._interrupted(draft, round_)
            elif not self._judge(draft, round_):
                return None

    def _read_source(self, draft: Draft) -> Draft:
        """The wish names sources: they come first, and the model may then curate what they gave."""
        sources = kept(self._store, draft, self._vault)
        read = compile_sources(sources, self._config, lambda line: self._tell(draft, "source", line))
        base, told = text_of(read.spec), as_json([each for each in read.findings if each.level != "note"])
        statements = [drafts.based_on(draft.id, base, read.source, told), drafts.drop_kept(draft.id, "given")]
        statements += [self._telling(draft, "source", str(each), level="warning") for each in read.findings if each.level != "note"]
        if read.seen:
            statements.append(keep_seen(draft.id, read.seen, self._vault, ids.now()))
        if self._may_ask(draft) and draft.prompt:
            kind: RoundKind = "iterate" if sources.beyond else "curate"
            statements.append(drafts.plan(Round(draft_id=draft.id, number=1, kind=kind, said=draft.prompt, subject=base)))
        self._store.apply(*statements, self._telling(draft, "source", in_short(read.spec)))
        return msgspec.structs.replace(draft, base=base, source=read.source, findings=told)

    def _may_ask(self, draft: Draft) -> bool:
        return draft.ask_model and has_model(self._config)

    def _ask(self, draft: Draft, round_: Round) -> bool:
        """Ask, and settle the answer; False where the draft rests until the model is ready for it."""
        asked = _ask_of(draft, round_, inspected=self._is_own(draft, round_))
        self._model.load()
        self._begin(draft, round_, asked)
        try:
            answer = self._model.answer(asked, lambda tool: self._show(draft, tool))
        except ModelError as error:
            if error.answer is not None:
                self._settle(round_, error.answer, error)
                return True
            self._store.apply(drafts.not_asked(round_, code=error.code))
            if error.permanent or draft.attempt >= MOST_ATTEMPTS:
                raise
            self._rest(draft, error)
            return False
        except SecretInPrompt as error:
            self._store.apply(drafts.not_asked(round_, code=error.code))
            if round_.subject is None:
                raise
            found = findings_of(decode_spec(round_.subject), self._config)
            raise SecretInSpec([each for each in found if each.id.startswith("secret.in_")]) from None
        self._settle(round_, answer)
        return True

    def _is_own(self, draft: Draft, round_: Round) -> bool:
        """Whether the model is to correct just what it answered; a build that failed may be of a spec that a person has edited."""
        before = [each for each in self._store.all(drafts.rounds(draft.id)) if each.number < round_.number]
        return round_.kind == "repair" and any(round_.subject in (each.document, each.answer) for each in before)

    def _begin(self, draft: Draft, round_: Round, asked: Ask) -> None:
        """Set aside what the answer can cost and note that it is asked: all at once, so that no two drafts count on the same money.

        Raises:
            ModelError: there is not enough of today's money left, or nobody knows what the model costs.
        """
        now, name, most = ids.now(), self._model.name_for(asked.kind), self._model.most_cost(asked)
        about = f"{name} corrects it, round {round_.number}" if round_.kind == "repair" else f"{name} is asked"
        noted = (
            drafts.ask(round_, model=name, digest=self._model.digest(asked), most=most, now=now),
            drafts.hold(draft.id, until=now + timedelta(seconds=self._config.model_deadline + self._config.model_timeout) + LEASE),
            self._telling(draft, "repair" if round_.kind == "repair" else "asking", about),
        )

        def begin(db: sqlite3.Connection) -> None:
            spent = one(db, drafts.spent_since(now.replace(hour=0, minute=0, second=0, microsecond=0)))
            check_limit(spent.micro_usd if spent else 0, most, self._config)
            run(db, *noted)

        self._store.transact(begin)

    def _judge(self, draft: Draft, round_: Round) -> bool:
        """What to do with an answer; False where the draft has come to its end."""
        rounds = self._store.all(drafts.rounds(draft.id))
        suggestion, problems, findings = self._problems(round_, bound_of(draft, rounds))
        if not problems:
            self._ready(draft, suggestion, [*findings, *left_out(rounds)])
            return False
        if round_.error_code is not None and round_.error_code not in REPAIRABLE:
            raise DraftFailed(round_.error or "", code=round_.error_code, then=f"`bmm new --again {draft.id}` asks again, which is paid again")
        if repairs_left(rounds) <= 0:
            first = problems[0].rstrip(".")
            then = f"Say it in other words, or `bmm new --again {draft.id}` begins anew"
            raise DraftFailed(f"The model could not correct its answer: {first}.", code=UNREPAIRED, then=then, findings=findings)
        self._store.apply(
            drafts.plan(
                Round(draft_id=draft.id, number=round_.number + 1, kind="repair", said="\n".join(problems), subject=round_.document or round_.answer or "")
            ),
            *(self._telling(draft, "repair", problem, level="warning") for problem in problems[:10]),
        )
        return True

    def _problems(self, round_: Round, bound: ServerSpec | None) -> tuple[str, list[str], list[Finding]]:
        """What an answer suggests; what keeps it from being confirmed, a line each; and everything the checks say. `bound` is what it may only curate."""
        if round_.error_code is not None:
            return "", [" ".join((round_.error or round_.error_code).split())], []
        kept: tuple[Finding, ...] = ()
        try:
            spec = read_spec(round_.document or "")
            if bound is not None:
                within = curated(bound, spec)
                if within.wrong:
                    return "", [str(each) for each in within.wrong], list(within.wrong)
                spec, kept = read_spec(text_of(within.spec)), within.kept
            findings = findings_of(spec, self._config)
        except BadInput as error:
            return "", [f"{error.pointer or '/'}: {error.user_message}"], []
        return text_of(spec), [str(each) for each in blocks(findings)], [*findings, *kept]

    def _give_up(self, draft_id: str, code: str, sentence: str, *, then: str = "", findings: Sequence[Finding] = ()) -> None:
        """The end without an answer of use. What a source gave is suggested as it is: it is worth something without the model."""
        draft, now = self._draft(draft_id), ids.now()
        with contextlib.suppress(Stale):
            if draft.base is not None and draft.base_version is None:
                self._tell(draft, "curate", f"{sentence} The source's own tools are suggested as they are", level="warning")
                said: list[Finding] = []
                with contextlib.suppress(BmmError):  # the build looks again
                    said = findings_of(decode_spec(draft.base), self._config)
                self._ready(draft, draft.base, said)
            else:
                why = f"{sentence} {then}".strip()
                self._store.apply(
                    drafts.finish_failed(draft.id, code=code, error=why, findings=as_json(findings), now=now),
                    self._telling(draft, "failed", why, level="error"),
                )

    def _ready(self, draft: Draft, suggestion: str, findings: Sequence[Finding]) -> None:
        spec = decode_spec(suggestion)
        # What was said of the sources when they were read holds whatever came of them.
        before = [each for each in msgspec.json.decode(draft.findings, type=list[Finding]) if each.id.startswith("source.")]
        self._store.apply(
            drafts.finish_ready(draft.id, suggestion=text_of(spec), findings=as_json([*before, *findings]), now=ids.now()),
            self._telling(draft, "plan", in_short(spec)),
        )

    def _settle(self, round_: Round, answer: Answer, error: ModelError | None = None) -> None:
        usage, document = answer.usage, msgspec.json.encode(answer.document).decode() if answer.document else None
        self._store.apply(
            drafts.settle(
                msgspec.structs.replace(
                    round_, answered_at=ids.now(), model=answer.model, prompt_version=answer.prompt_version, answer=answer.text, document=document,
                    stop_reason=answer.stop_reason, tokens_in=usage.input + usage.cache_write, tokens_out=usage.output,
                    tokens_cached=usage.cache_read, cost=answer.cost_micro_usd, ms=answer.ms,
                    error_code=error.code if error else None, error=error.user_message if error else None,
                )
            )
        )  # fmt: skip

    def _rest(self, draft: Draft, error: ModelError) -> None:
        seconds = min(error.retry_after if error.retry_after is not None else 2.0 ** (draft.attempt - 1), _LONGEST_WAIT)
        self._store.apply(
            drafts.rest(draft.id, until=ids.now() + timedelta(seconds=seconds)),
            self._telling(draft, "waiting", f"{error.user_message} Nothing was paid; asked again in {seconds:.0f} s", level="warning"),
        )
        self._later(draft.id, seconds)

    def _interrupted(self, draft: Draft, round_: Round) -> DraftFailed:
        sentence = "The appliance ended while the model was answering; that may have been paid."
        if round_.error_code is None:
            self._store.apply(drafts.interrupted(round_, code=INTERRUPTED, error=sentence))
        return DraftFailed(sentence, code=INTERRUPTED, then=f"`bmm new --again {draft.id}` asks again")

    def _show(self, draft: Draft, tool: dict[str, Any]) -> None:
        """A tool as the model closes it: for the eye only, unchecked. One that stays as it is says nothing new."""
        if is_kept(tool):
            return
        hints = tool.get("annotations")
        claimed = hints if isinstance(hints, dict) else {}
        reads = claimed.get("read_only") is True or (tool.get("kind") == "sql" and tool.get("read_only", True) is True)
        effect = "reads" if reads else "changes" if claimed.get("destructive") is False else "destroys"
        seen = {key: str(tool.get(key, ""))[:1000] for key in ("name", "kind", "description")} | {"effect": effect}
        self._store.apply(
            drafts.tell(draft.id, "tool", f"{seen['name']} ({effect})", now=ids.now(), tool=msgspec.json.encode(seen).decode())
        )

    def _tell(self, draft: Draft, step: str, message: str, *, level: str = "info") -> None:
        self._store.apply(self._telling(draft, step, message, level=level))

    def _telling(self, draft: Draft, step: str, message: str, *, level: str = "info") -> Statement:
        return drafts.tell(draft.id, step, message, now=ids.now(), level=level)

    def _draft(self, draft_id: str) -> Draft:
        draft = self._store.one(drafts.by_id(draft_id))
        assert draft is not None
        return draft


def _ask_of(draft: Draft, round_: Round, *, inspected: bool) -> Ask:
    """The request of a round, made of its row alone: the same on every try."""
    subject = round_.subject or ""
    if round_.kind == "repair":
        return ask.repair(draft.prompt or f"A server made from {draft.source}", _submitted(subject), round_.said.splitlines(), inspected=inspected)
    if round_.kind == "iterate":
        return ask.iterate(round_.said, decode_spec(subject))
    return ask.curate(decode_spec(subject), round_.said) if round_.kind == "curate" else ask.draft(round_.said)


def _submitted(text: str) -> Answer:
    """What is to be repaired: the JSON of a spec, or whatever the model said instead."""
    try:
        document = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        document = {}
    return Answer(document=document, spec=None, text=text, usage=ask.Usage(), cost_micro_usd=0, stop_reason="", model="", prompt_version="", ms=0)
