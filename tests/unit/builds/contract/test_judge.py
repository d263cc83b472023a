"""Calls that a correct guard never lets happen, as they would be judged."""

from bmm.builds.contract.asking import Said
from bmm.builds.contract.judge import judge_refused, judge_valid
from bmm.builds.contract.recorder import Received
from runner.contract import PythonTool, SecretNeed
from tests.unit.runner.guarded import http_tool, spec

TOOL = http_tool()
SERVED = spec(TOOL, secrets=(SecretNeed(key="KEY"),))
WENT_WELL, REFUSED = Said(code=None, text="{}"), Said(code="invalid_arguments", text="`id` is missing")
GOOD = Received(host="shop.test", port=8081, method="GET", target="/items/1", headers=(("host", "shop.test:8081"),), body=b"")
OTHER = Received(host="shop.test", port=8081, method="GET", target="/other/1?key=trial-KEY", headers=(("host", "shop.test:8081"),), body=b"")


def test_wrong_arguments_that_are_not_refused_or_send_something_are_broken() -> None:
    assert judge_refused(TOOL, 0, "missing", REFUSED, ()).outcome == "promised"
    taken = judge_refused(TOOL, 0, "missing", WENT_WELL, ())
    assert taken.finding is not None
    assert (taken.finding.level, taken.finding.id, taken.finding.place) == ("block", "contract.refusal", "/tools/0/input_schema")
    assert "did not refuse" in taken.finding.message
    sent = judge_refused(TOOL, 0, "wrong_type", REFUSED, (GOOD,))
    assert sent.finding is not None
    assert "sent a request although" in sent.finding.message


def test_a_request_that_is_not_the_declared_one_is_broken_and_told_without_secrets() -> None:
    assert judge_valid(SERVED, TOOL, 0, {"id": 1}, WENT_WELL, (GOOD,), "").outcome == "promised"
    found = judge_valid(SERVED, TOOL, 0, {"id": 1}, WENT_WELL, (OTHER,), "").finding
    assert found is not None
    assert (found.level, found.id) == ("block", "contract.request")
    assert "its path is /other/1, the tool declares /items/{id}" in found.message
    assert "it holds the secret KEY" in found.message
    assert "trial-" not in found.message


def test_two_requests_or_an_answer_that_cannot_be_told_are_broken() -> None:
    twice = judge_valid(SERVED, TOOL, 0, {"id": 1}, WENT_WELL, (GOOD, GOOD), "").finding
    garbled = judge_valid(SERVED, TOOL, 0, {"id": 1}, Said(code="internal_error", text="it failed"), (GOOD,), "").finding
    assert twice is not None
    assert garbled is not None
    assert (twice.id, garbled.id) == ("contract.request", "contract.answer")


def test_a_tool_that_keeps_asking_is_slow_and_one_that_asks_nothing_hangs() -> None:
    tool = PythonTool(name="think", description="Thinks", input_schema={"type": "object"}, code="run = 1")
    over = Said(code="no_answer", text="it did not answer")
    assert judge_valid(SERVED, tool, 0, {}, over, (GOOD, GOOD), "").outcome == "note"
    assert judge_valid(SERVED, tool, 0, {}, over, (), "").outcome == "broken"
    # A declared request and a refusal wait for nobody but the machine.
    assert judge_valid(SERVED, TOOL, 0, {"id": 1}, over, (GOOD,), "").outcome == "note"
    assert judge_refused(TOOL, 0, "missing", over, ()).outcome == "note"
