"""Drafts, their rounds with a model and their events."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from bmm.core.draft import Draft, DraftEvent, Round
from bmm.ids import text
from bmm.store.db import Query, Statement

_DRAFT = """id, organisation_id, slug, base_version, source, ask_model, prompt, status, base, suggestion, findings, error_code, error, attempt, created_at,
    finished_at, (SELECT b.id FROM builds b WHERE b.draft_id = drafts.id ORDER BY b.created_at DESC LIMIT 1) AS build_id"""
_ROUND = """draft_id, number, kind, said, subject, asked_at, answered_at, model, prompt_version, digest, answer, document, stop_reason, tokens_in, tokens_out,
    tokens_cached, cost, ms, error_code, error"""


class Spent(Struct, frozen=True, kw_only=True):
    micro_usd: int


class Kept(Struct, frozen=True, kw_only=True):
    sealed: bytes


def insert(draft: Draft, *, created_by: str) -> Statement:
    return Statement(
        """
        INSERT INTO drafts (id, organisation_id, slug, base_version, source, ask_model, prompt, status, base, suggestion, findings, created_by,
            created_at, finished_at)
        VALUES (:id, :organisation_id, :slug, :base_version, :source, :ask_model, :prompt, :status, :base, :suggestion, :findings, :created_by,
            :created_at, :finished_at)
        """,
        {
            "id": draft.id,
            "organisation_id": draft.organisation_id,
            "slug": draft.slug,
            "base_version": draft.base_version,
            "source": draft.source,
            "ask_model": draft.ask_model,
            "prompt": draft.prompt,
            "status": draft.status,
            "base": draft.base,
            "suggestion": draft.suggestion,
            "findings": draft.findings,
            "created_by": created_by,
            "created_at": text(draft.created_at),
            "finished_at": text(draft.finished_at) if draft.finished_at else None,
        },
    )


def by_id(draft_id: str) -> Query[Draft]:
    return Query(f"SELECT {_DRAFT} FROM drafts WHERE id = :id", {"id": draft_id}, Draft)


def recent(organisation_id: str, limit: int) -> Query[Draft]:
    return Query(
        f"SELECT {_DRAFT} FROM drafts WHERE organisation_id = :organisation_id ORDER BY created_at DESC LIMIT :limit",
        {"organisation_id": organisation_id, "limit": limit},
        Draft,
    )


def unfinished() -> Query[Draft]:
    return Query(f"SELECT {_DRAFT} FROM drafts WHERE finished_at IS NULL ORDER BY created_at", {}, Draft)


def waiting(now: datetime) -> Query[Draft]:
    """Drafts that nobody works on: their message was lost, or their time to be tried again has come."""
    return Query(
        f"SELECT {_DRAFT} FROM drafts WHERE finished_at IS NULL AND (lease_until IS NULL OR lease_until < :now) ORDER BY created_at",
        {"now": text(now)},
        Draft,
    )


def claim(draft_id: str, *, now: datetime, until: datetime) -> Statement:
    """Take the draft for one worker; another that holds it keeps it until its lease ends."""
    return Statement(
        """
        UPDATE drafts SET status = 'drafting', lease_until = :until, attempt = attempt + 1
        WHERE id = :id AND finished_at IS NULL AND (lease_until IS NULL OR lease_until < :now)
        """,
        {"id": draft_id, "now": text(now), "until": text(until)},
        expect=1,
    )


def hold(draft_id: str, *, until: datetime) -> Statement:
    """Whoever has the draft needs it until then."""
    return Statement(
        "UPDATE drafts SET lease_until = :until WHERE id = :id AND status = 'drafting'", {"id": draft_id, "until": text(until)}, expect=1
    )


def release_all() -> Statement:
    """At start: whoever held a lease is gone, since only one `bmm serve` has the data folder."""
    return Statement("UPDATE drafts SET lease_until = NULL WHERE finished_at IS NULL", {})


def rest(draft_id: str, *, until: datetime) -> Statement:
    """Nobody works on it until then."""
    return Statement(
        "UPDATE drafts SET status = 'queued', lease_until = :until WHERE id = :id AND finished_at IS NULL",
        {"id": draft_id, "until": text(until)},
        expect=1,
    )


def wake(draft_id: str) -> Statement:
    """Work goes on at a draft that had come to its end: to ask again, or to repair."""
    return Statement(
        """
        UPDATE drafts SET status = 'queued', lease_until = NULL, finished_at = NULL, attempt = 0, error_code = NULL, error = NULL
        WHERE id = :id AND finished_at IS NOT NULL
        """,
        {"id": draft_id},
        expect=1,
    )


def based_on(draft_id: str, base: str, source: str, findings: str) -> Statement:
    """What the sources that were named gave, and what is to be said about them."""
    return Statement(
        "UPDATE drafts SET base = :base, source = :source, findings = :findings WHERE id = :id AND finished_at IS NULL",
        {"id": draft_id, "base": base, "source": source, "findings": findings},
        expect=1,
    )


def keep(draft_id: str, what: Literal["given", "seen"], sealed: bytes, *, now: datetime) -> Statement:
    """What may hold credentials: `given`, the sources as they were named; `seen`, values for the server's secrets."""
    return Statement(
        "INSERT INTO draft_kept (draft_id, what, sealed, created_at) VALUES (:id, :what, :sealed, :now)",
        {"id": draft_id, "what": what, "sealed": sealed, "now": text(now)},
    )


def kept(draft_id: str, what: Literal["given", "seen"]) -> Query[Kept]:
    return Query("SELECT sealed FROM draft_kept WHERE draft_id = :id AND what = :what", {"id": draft_id, "what": what}, Kept)


def drop_kept(draft_id: str, what: Literal["given", "seen"]) -> Statement:
    return Statement("DELETE FROM draft_kept WHERE draft_id = :id AND what = :what", {"id": draft_id, "what": what})


def forget_kept(before: datetime) -> Statement:
    """What nobody has used in time."""
    return Statement("DELETE FROM draft_kept WHERE created_at < :before", {"before": text(before)})


def finish_ready(draft_id: str, *, suggestion: str, findings: str, now: datetime) -> Statement:
    return Statement(
        """
        UPDATE drafts SET status = 'ready', suggestion = :suggestion, findings = :findings, finished_at = :now, lease_until = NULL
        WHERE id = :id AND finished_at IS NULL
        """,
        {"id": draft_id, "suggestion": suggestion, "findings": findings, "now": text(now)},
        expect=1,
    )


def finish_failed(draft_id: str, *, code: str, error: str, findings: str, now: datetime) -> Statement:
    return Statement(
        """
        UPDATE drafts SET status = 'failed', error_code = :code, error = :error, findings = :findings, finished_at = :now, lease_until = NULL
        WHERE id = :id AND finished_at IS NULL
        """,
        {"id": draft_id, "code": code, "error": error, "findings": findings, "now": text(now)},
        expect=1,
    )


def built(draft_id: str, *, slug: str) -> Statement:
    """A person has confirmed it; a build that fails can be asked for again."""
    return Statement(
        "UPDATE drafts SET status = 'built', slug = :slug WHERE id = :id AND status IN ('ready', 'built')",
        {"id": draft_id, "slug": slug},
        expect=1,
    )


def rounds(draft_id: str) -> Query[Round]:
    return Query(f"SELECT {_ROUND} FROM draft_rounds WHERE draft_id = :id ORDER BY number", {"id": draft_id}, Round)


def plan(round_: Round) -> Statement:
    return Statement(
        "INSERT INTO draft_rounds (draft_id, number, kind, said, subject) VALUES (:draft_id, :number, :kind, :said, :subject)",
        {"draft_id": round_.draft_id, "number": round_.number, "kind": round_.kind, "said": round_.said, "subject": round_.subject},
    )


def ask(round_: Round, *, model: str, digest: str, most: int, now: datetime) -> Statement:
    """Written before the request leaves: from here on it may have been paid, up to `most` micro-USD."""
    return Statement(
        """
        UPDATE draft_rounds SET asked_at = :now, model = :model, digest = :digest, cost = :most, error_code = NULL, error = NULL
        WHERE draft_id = :draft_id AND number = :number AND asked_at IS NULL
        """,
        {"draft_id": round_.draft_id, "number": round_.number, "model": model, "digest": digest, "most": most, "now": text(now)},
        expect=1,
    )


def not_asked(round_: Round, *, code: str) -> Statement:
    """The request was turned away before a token: nothing was paid, it may be asked again."""
    return Statement(
        "UPDATE draft_rounds SET asked_at = NULL, cost = 0, error_code = :code WHERE draft_id = :draft_id AND number = :number AND answered_at IS NULL",
        {"draft_id": round_.draft_id, "number": round_.number, "code": code},
        expect=1,
    )


def interrupted(round_: Round, *, code: str, error: str) -> Statement:
    """Asked, and whoever waited for the answer has ended: it may have been paid."""
    return Statement(
        """
        UPDATE draft_rounds SET error_code = :code, error = :error
        WHERE draft_id = :draft_id AND number = :number AND asked_at IS NOT NULL AND answered_at IS NULL
        """,
        {"draft_id": round_.draft_id, "number": round_.number, "code": code, "error": error},
        expect=1,
    )


def settle(round_: Round) -> Statement:
    """The end of a round, with what it cost; `answered_at` is set, an `error_code` where the answer cannot be used."""
    assert round_.answered_at is not None
    return Statement(
        """
        UPDATE draft_rounds
        SET answered_at = :answered_at, model = :model, prompt_version = :prompt_version, answer = :answer, document = :document,
            stop_reason = :stop_reason, tokens_in = :tokens_in, tokens_out = :tokens_out, tokens_cached = :tokens_cached, cost = :cost,
            ms = :ms, error_code = :error_code, error = :error
        WHERE draft_id = :draft_id AND number = :number AND answered_at IS NULL
        """,
        {
            "draft_id": round_.draft_id,
            "number": round_.number,
            "answered_at": text(round_.answered_at),
            "model": round_.model,
            "prompt_version": round_.prompt_version,
            "answer": round_.answer,
            "document": round_.document,
            "stop_reason": round_.stop_reason,
            "tokens_in": round_.tokens_in,
            "tokens_out": round_.tokens_out,
            "tokens_cached": round_.tokens_cached,
            "cost": round_.cost,
            "ms": round_.ms,
            "error_code": round_.error_code,
            "error": round_.error,
        },
        expect=1,
    )


def spent_since(moment: datetime) -> Query[Spent]:
    """What all rounds asked since then have cost, with the most of those whose answer nobody has seen to its end."""
    return Query("SELECT coalesce(sum(cost), 0) AS micro_usd FROM draft_rounds WHERE asked_at >= :moment", {"moment": text(moment)}, Spent)


def tell(draft_id: str, step: str, message: str, *, now: datetime, level: str = "info", tool: str | None = None) -> Statement:
    return Statement(
        "INSERT INTO draft_events (draft_id, at, step, level, message, tool) VALUES (:draft_id, :at, :step, :level, :message, :tool)",
        {"draft_id": draft_id, "at": text(now), "step": step, "level": level, "message": message, "tool": tool},
    )


def events_after(draft_id: str, after: int) -> Query[DraftEvent]:
    return Query(
        "SELECT id, draft_id, at, step, level, message, tool FROM draft_events WHERE draft_id = :draft_id AND id > :after ORDER BY id",
        {"draft_id": draft_id, "after": after},
        DraftEvent,
    )
