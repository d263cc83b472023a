"""Every way in which a model's service fails is an error of its own: with its code, whether it may have been paid, and the next step."""

import json
import socket
import time
from email.utils import formatdate

import pytest

from bmm.core.draft import REPAIRABLE
from bmm.llm import ask
from bmm.llm.errors import (
    ModelAnswerInvalid,
    ModelCut,
    ModelError,
    ModelKeyRefused,
    ModelNotFound,
    ModelOutOfCredit,
    ModelOverloaded,
    ModelProse,
    ModelRateLimited,
    ModelRefused,
    ModelRequestRefused,
    ModelTimedOut,
    ModelTooLong,
    ModelTruncated,
    ModelUnreachable,
)
from tests.model_server import (
    INPUT_TOKENS,
    KEY,
    OUTPUT_TOKENS,
    Cut,
    ModelServer,
    Reply,
    Wait,
    broken,
    event,
    failing,
    refusing,
    saying,
    stream_error,
    submitting,
    submitting_pieces,
)
from tests.unit.llm.specs import model, spec, tool

GOOD = submitting(spec())
HALF = len(GOOD.steps) // 2


def failure(reply: Reply, **settings: float) -> ModelError:
    with ModelServer(reply) as server:
        with pytest.raises(ModelError) as caught:
            model(server, inspect=lambda text: None, **settings).answer(ask.draft("things"))
        assert len(server.requests) == 1, "exactly one request per round"
        assert caught.value.user_message.endswith(".")
        assert KEY not in caught.value.user_message
        assert caught.value.user_message.isprintable()
        assert (caught.value.answer is not None) == caught.value.paid
        return caught.value


@pytest.mark.parametrize(
    ("reply", "kind", "permanent"),
    [
        (failing(400, "invalid_request_error", "output_config: not supported"), ModelRequestRefused, True),
        (failing(400, "invalid_request_error", f"not with {KEY}\x1b[2J"), ModelRequestRefused, True),
        (broken(GOOD, 1, stream_error("invalid_request_error", f"not with {KEY}")), ModelRequestRefused, True),
        (failing(400, "invalid_request_error", "prompt is too long: 1 > 0"), ModelTooLong, True),
        (failing(400, "invalid_request_error", "Your credit balance is too low"), ModelOutOfCredit, True),
        (failing(401, "authentication_error", f"bad key {KEY}"), ModelKeyRefused, True),
        (failing(402, "billing_error"), ModelOutOfCredit, True),
        (failing(403, "permission_error"), ModelKeyRefused, True),
        (failing(404, "not_found_error", "model: drafter"), ModelNotFound, True),
        (failing(413, "request_too_large"), ModelTooLong, True),
        (failing(429, "rate_limit_error"), ModelRateLimited, False),
        (failing(429, "rate_limit_error", code="enforced_spend_limit_reached"), ModelOutOfCredit, True),
        (failing(500, "api_error"), ModelOverloaded, False),
        (failing(503, "api_error"), ModelOverloaded, False),
        (failing(529, "overloaded_error"), ModelOverloaded, False),
        (Reply((b"<html>busy</html>",), 502, {"content-type": "text/html"}), ModelOverloaded, False),
        (Reply((b"",), 307, {"location": "http://127.0.0.1:9/"}), ModelNotFound, True),
        (Reply((b"<html>hello</html>",), 200, {"content-type": "text/html"}), ModelNotFound, True),
        (broken(GOOD, 1, stream_error("overloaded_error")), ModelOverloaded, False),
        (broken(GOOD, 0, stream_error("rate_limit_error")), ModelRateLimited, False),
        (broken(GOOD, 2, stream_error("something_new")), ModelOverloaded, False),
    ],
)  # fmt: skip
def test_what_is_refused_before_a_token_is_not_paid(reply: Reply, kind: type[ModelError], permanent: bool) -> None:
    error = failure(reply)
    assert (type(error), error.permanent, error.paid, error.code in REPAIRABLE) == (kind, permanent, False, False)


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7), ("0.5", 0.5), ("-5", 0), ("99999999", 86400)]
)
def test_how_long_to_wait_is_told(value: str, seconds: float) -> None:
    assert failure(failing(429, "rate_limit_error", retry_after=value)).retry_after == seconds


def test_a_moment_to_come_back_at_is_told_in_seconds() -> None:
    before = time.time()
    moment = int(before) + 3600
    wait = failure(failing(429, "rate_limit_error", retry_after=formatdate(moment, usegmt=True))).retry_after
    assert wait is not None
    assert moment - time.time() <= wait <= moment - before


@pytest.mark.parametrize("value", ["soon", "nan", "", "Mon, 01 Jan 99999 00:00:00 GMT", "Mon, 01 Jan 999999999999 00:00:00 GMT"])
def test_a_wait_that_is_no_time_is_none(value: str) -> None:
    assert failure(failing(529, "overloaded_error", retry_after=value)).retry_after is None


@pytest.mark.parametrize(
    "reply",
    [
        broken(GOOD, HALF, Cut()),
        broken(GOOD, HALF),  # the body ends in order, the message does not
        broken(GOOD, len(GOOD.steps) - 1),  # only message_stop is missing
        broken(GOOD, HALF, stream_error("overloaded_error", f"not with {KEY}")),
        broken(GOOD, HALF, b"event: content_block_delta\ndata: {broken\n\n"),
        broken(GOOD, HALF, b"event: content_block_delta\ndata: \xff\xfe\n\n"),
        broken(GOOD, HALF, event("content_block_delta", index="two", delta=[])),
        broken(GOOD, 0),
        broken(GOOD, 0, Cut()),
    ],
)
def test_an_answer_that_breaks_off_may_have_been_paid(reply: Reply) -> None:
    error = failure(reply)
    assert type(error) is ModelCut
    assert error.answer is not None
    assert error.answer.spec is None
    assert error.answer.cost_micro_usd > 0


def test_what_had_come_of_a_cut_answer_is_kept_and_its_cost_is_guessed() -> None:
    error = failure(broken(GOOD, HALF, Cut()))
    assert error.answer is not None
    assert json.dumps(spec(), ensure_ascii=False).startswith(error.answer.text)
    assert len(error.answer.text) > 100
    assert error.answer.usage.estimated
    assert error.answer.usage.input == INPUT_TOKENS
    assert error.answer.usage.output >= len(error.answer.text) // 3


@pytest.mark.parametrize(
    ("reply", "setting"),
    [
        (submitting(spec(), first_delay=60), "model_timeout"),
        (broken(GOOD, HALF, Wait()), "model_timeout"),
        (Reply((event("ping"), *(Wait(0.1), event("ping")) * 100)), "model_deadline"),
        (Reply((b"data:", *(Wait(0.1), b" ") * 100)), "model_deadline"),
        (Reply((b"no", Wait()), 500, {"content-type": "text/plain"}), "model_timeout"),
    ],
)
def test_a_service_that_hangs_is_given_up(reply: Reply, setting: str) -> None:
    # What it must not run into is so far away that no busy machine gets there.
    error = failure(reply, **{"model_timeout": 30, "model_deadline": 30, setting: 0.4})
    assert type(error) is ModelTimedOut
    assert setting in error.user_message


def test_a_slow_first_token_is_waited_for() -> None:
    with ModelServer(submitting(spec(), first_delay=0.5)) as server:
        assert model(server, model_timeout=30).answer(ask.draft("things")).ms >= 500


def test_a_service_that_is_not_there_is_unreachable() -> None:
    with socket.socket() as unused, ModelServer() as server:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ModelUnreachable, match="cannot be reached") as caught:
            model(server, model_base_url=f"http://127.0.0.1:{unused.getsockname()[1]}").answer(ask.draft("things"))
    assert (caught.value.paid, caught.value.permanent) == (False, False)


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (submitting(spec(), upto=0.6, stop="max_tokens"), ModelTruncated, "model_max_tokens"),
        (submitting(spec(), upto=0.6, stop="model_context_window_exceeded"), ModelTooLong, "smaller document"),
        (Reply((GOOD.steps[0], *submitting({}, stop="model_context_window_exceeded").steps[-2:])), ModelTooLong, "smaller document"),
        (refusing("cyber"), ModelRefused, "category: cyber"),
        (submitting(spec(), upto=0.3, stop="refusal"), ModelRefused, "declined"),
        (saying("Which of the two\nAPIs do you mean?"), ModelProse, 'text instead of a server: "Which of the two APIs do you mean\\?"'),
        (saying(""), ModelProse, "text instead of a server. Say"),
    ],
)  # fmt: skip
def test_a_whole_answer_without_a_spec_says_what_to_do(reply: Reply, kind: type[ModelError], said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        raise failure(reply)
    assert caught.value.paid
    assert caught.value.answer is not None
    assert caught.value.answer.usage.output == OUTPUT_TOKENS
    assert not caught.value.answer.usage.estimated


@pytest.mark.parametrize(
    ("reply", "said", "pointer"),
    [
        (submitting(spec(), upto=0.6), "not JSON", ""),
        (submitting(spec(tool("a"), tool("a"))), "'a' occurs twice", "/tools/1/name"),
        (submitting(json.dumps(spec()).replace('["id"]', "NaN", 1)), "finite", "/tools/0/input_schema/required"),
        (submitting(json.dumps(spec()).replace('"kind"', '"kind": 1, "kind"', 1)), "'kind' occurs twice", "/tools/0"),
        (submitting('{"x": ' + "[" * 5000, piece=1000), "deeper than 32", ""),
        (submitting(spec(tool("a", description="x" * 3_000_000)), piece=10_000), "larger than 512 KB", ""),
        (submitting_pieces(["{}"], name="run_shell"), "one call of submit_server and no other", ""),
        (submitting_pieces([]), "not JSON", ""),
    ],
)  # fmt: skip
def test_a_bad_spec_is_an_error_for_a_repair(reply: Reply, said: str, pointer: str) -> None:
    error = failure(reply)
    assert type(error) is ModelAnswerInvalid
    assert said in error.user_message
    assert (error.pointer, error.code in REPAIRABLE) == (pointer, True)


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    reply = broken(submitting(spec(tool("a", description="x" * 3_000_000)), piece=10_000), 60, Wait())
    assert "larger than 512 KB" in failure(reply).user_message


def test_a_service_that_sends_the_whole_input_at_once_works() -> None:
    start = event("content_block_start", index=0, content_block={"type": "tool_use", "id": "t", "name": "submit_server", "input": spec()})
    seen: list[str] = []
    with ModelServer(Reply((GOOD.steps[0], start, *GOOD.steps[-3:]))) as server:
        answer = model(server).answer(ask.draft("things"), lambda each: seen.append(each["name"]))
    assert answer.document == spec()
    assert seen == ["get_thing", "get_other"]
