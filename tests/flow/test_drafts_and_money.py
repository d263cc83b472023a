"""What may be spent in a day holds: for drafts at once, for answers that nobody saw, and for questions that were turned away."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from bmm import ids
from bmm.config import Price
from bmm.llm import ask
from bmm.llm.client import Model
from bmm.store import drafts as rows
from tests.flow.drafted import SPEC, drafted
from tests.model_server import ModelServer, Reply, Wait, failing, submitting

DEAR = {"claude-sonnet-5-5": Price(input=1000, output=1000)}


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


def most(**settings: object) -> int:
    """What the first answer could cost at the prices of `DEAR`, in micro-USD."""
    with ModelServer(failing(401, "authentication_error")) as model, drafted(model, model_prices=DEAR, **settings) as box:
        return Model(box.config, inspect=lambda text: None).most_cost(ask.draft("List users"))


def test_when_the_days_money_is_spent_nothing_is_sent(model: ModelServer) -> None:
    with drafted(model, model_daily_usd=most() / 1e6 + 1, model_prices=DEAR) as box:
        model.then(submitting(SPEC))
        assert box.ended(box.ask(prompt="List users"))["draft"]["status"] == "ready"
        assert 1_000_000 < box.spent() < most()
        draft = box.ended(box.ask(prompt="List users"))["draft"]
        assert (draft["status"], draft["error_code"]) == ("failed", "model_spend_limit")
        assert f"$3.02 are spent or set aside for answers under way, and this one could cost ${most() / 1e6:.2f}" in draft["error"]
        assert len(model.requests) == 1


def test_drafts_at_once_do_not_count_on_the_same_money(model: ModelServer) -> None:
    go_on = threading.Event()
    slow = Reply((Wait(60, go_on), *submitting(SPEC).steps))
    with drafted(model, model_daily_usd=most() / 1e6 * 1.5, model_prices=DEAR) as box:
        model.then(slow, slow)
        both = [box.ask(prompt="List users") for _ in range(2)]
        box.until("SELECT count(*) FROM drafts WHERE error_code IS NOT NULL", 1)
        go_on.set()
        ends = sorted((box.ended(each)["draft"]["error_code"] or "", each) for each in both)
        assert [code for code, _ in ends] == ["", "model_spend_limit"]
        assert len(model.requests) == 1
        # The first has cost less than was set aside for it.
        box.post(f"/api/drafts/{ends[1][1]}/again")
        assert box.ended(ends[1][1])["draft"]["status"] == "ready"
        assert box.spent() == sum(box.values("SELECT cost FROM draft_rounds")) < most() / 2


def test_an_answer_that_nobody_saw_counts_with_the_most_it_can_cost_and_a_question_that_was_turned_away_with_nothing(model: ModelServer) -> None:
    with drafted(model, model_prices=DEAR, model_daily_usd=1000) as box:
        model.then(Reply((Wait(),)))
        box.ask(prompt="List users")
        box.until("SELECT count(*) FROM draft_rounds WHERE asked_at IS NOT NULL", 1)
        assert box.spent() == most()
        model.then(failing(401, "authentication_error"))
        refused = box.ended(box.ask(prompt="List users"))
        assert (refused["draft"]["error_code"], refused["cost_micro_usd"]) == ("model_key_refused", 0)
        assert box.spent() == most()


def test_a_draft_is_held_for_as_long_as_its_answer_may_take(model: ModelServer) -> None:
    with drafted(model, model_deadline=7200, model_timeout=3600) as box:
        model.then(Reply((Wait(),)))
        draft_id = box.ask(prompt="List users")
        box.until("SELECT count(*) FROM draft_rounds WHERE asked_at IS NOT NULL", 1)
        assert [each.id for each in box.store.all(rows.waiting(ids.now() + timedelta(seconds=7200 + 3600)))] == []
        assert [each.id for each in box.store.all(rows.waiting(ids.now() + timedelta(hours=4)))] == [draft_id]
