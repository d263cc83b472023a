"""One request, one answer: through the real SDK, to a real server that speaks the Messages protocol."""

import json
import math
import threading
import time
from typing import Any

import pytest

from bmm.core.draft import REPAIRABLE
from bmm.errors import BadInput
from bmm.llm import ask
from bmm.llm.errors import ModelAnswerInvalid, ModelKeyInRequest, ModelKeyMissing, ModelPriceMissing
from bmm.llm.prompt import prompt_for
from runner.contract import decode_spec, encode_spec
from tests.model_server import CACHED_TOKENS, INPUT_TOKENS, KEY, OUTPUT_TOKENS, ModelServer, in_chunks, submitting, submitting_by_tool
from tests.unit.llm.specs import model, spec, tool

WISH = "Read the things of example.com"


@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_the_answer_is_the_spec_with_what_it_took_and_cost(piece: int) -> None:
    with ModelServer(submitting(spec(), piece=piece, prose="I will make two tools.")) as server:
        began = time.monotonic()
        answer = model(server).answer(ask.draft(WISH))
        took = math.ceil((time.monotonic() - began) * 1000)
    assert answer.document == spec()
    assert answer.spec == decode_spec(json.dumps(spec()))
    assert json.loads(answer.text) == spec()
    assert (answer.usage.input, answer.usage.cache_read, answer.usage.output) == (INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS)
    assert not answer.usage.estimated
    assert answer.cost_micro_usd == 2 * INPUT_TOKENS + 10 * OUTPUT_TOKENS + 205  # 2048 cached tokens at 0.1, rounded up
    assert (answer.stop_reason, answer.model) == ("tool_use", "claude-test")
    assert answer.prompt_version.startswith("draft ")
    assert 0 < answer.ms <= took


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_chunks_of_the_network_may_end_anywhere(size: int) -> None:
    odd = spec(tool("a", description="line\u2028separator, next\x85line, \U0001f600, \u00e9 and \\ud83d"), tool("b"))
    seen: list[str] = []
    with ModelServer(in_chunks(submitting(odd), size)) as server:
        assert model(server).answer(ask.draft(WISH), lambda each: seen.append(each["name"])).document == odd
    assert seen == ["a", "b"]


def test_one_round_is_one_request_and_its_shared_parts_are_marked_for_the_cache() -> None:
    with ModelServer(submitting(spec())) as server:
        model(server, model_effort="low", model_max_tokens=9000).answer(ask.draft(WISH))
    [request] = server.requests
    body = request.body
    assert (body["model"], body["max_tokens"], body["stream"], body["output_config"]) == ("drafter", 9000, True, {"effort": "low"})
    assert [block["cache_control"] for block in body["system"]] == [{"type": "ephemeral"}] * 2
    assert [block["text"] for block in body["system"]] == list(prompt_for("draft")[:2])
    assert [(each["name"], each["eager_input_streaming"]) for each in body["tools"]] == [("submit_server", True)]
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert WISH in request.said


def test_the_same_wish_is_the_same_request_with_the_same_digest() -> None:
    with ModelServer(submitting(spec()), submitting(spec())) as server:
        asked = model(server)
        for _ in range(2):
            asked.answer(ask.draft(WISH, [ask.Material("a document", "text")]))
        first, second = server.requests
        assert first.raw == second.raw
        assert asked.digest(ask.draft(WISH)) == asked.digest(ask.draft(WISH)) != asked.digest(ask.draft(f"{WISH}."))


def test_the_key_is_in_its_header_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    with ModelServer(submitting(spec())) as server:
        model(server).answer(ask.draft(WISH))
    [request] = server.requests
    assert KEY.encode() not in request.raw
    assert [name for name, value in request.headers.items() if KEY in value] == ["authorization"]
    assert not any("environment" in value for value in request.headers.values())


@pytest.mark.parametrize("text", [f"use {KEY} please", f"data\n{KEY}"])
def test_a_text_with_the_key_is_not_sent(text: str) -> None:
    with ModelServer() as server:
        with pytest.raises(ModelKeyInRequest, match="Take it out"):
            model(server).answer(ask.draft(WISH, [ask.Material("a page", text)]))
        assert server.requests == []


def test_what_the_inspection_refuses_is_not_sent() -> None:
    def inspect(text: str) -> None:
        if "ghp_" in text:
            raise BadInput("a token stands in line 3")

    with ModelServer(submitting(spec())) as server:
        asked = model(server, inspect=inspect)
        with pytest.raises(BadInput, match="line 3"):
            asked.answer(ask.draft(f"{WISH} with ghp_0123456789"))
        assert server.requests == []
        asked.answer(ask.draft(WISH))


def test_without_a_key_the_public_service_is_not_asked_but_a_local_one_is() -> None:
    with ModelServer(submitting(spec())) as server:
        with pytest.raises(ModelKeyMissing, match="OpenAPI document"):
            model(server, model_key="", model_base_url="https://api.anthropic.com").answer(ask.draft(WISH))
        answer = model(server, model_key="", model_prices={}).answer(ask.draft(WISH))
    assert answer.cost_micro_usd == 0


def test_an_answer_costs_no_more_than_was_foreseen() -> None:
    with ModelServer(submitting(spec())) as server:
        asked, question = model(server, model_max_tokens=1000), ask.draft(WISH)
        cost = asked.answer(question).cost_micro_usd
        [request] = server.requests
    tokens = math.ceil(len(request.raw) / 2)
    assert 0 < cost < asked.most_cost(question)
    assert abs(asked.most_cost(question) - (10 * 1000 + 2.5 * tokens)) < 100
    assert asked.most_cost(ask.draft(f"{WISH} {'word ' * 1000}")) > asked.most_cost(question)


def test_a_model_whose_price_is_unknown_is_not_asked() -> None:
    with ModelServer() as server, pytest.raises(ModelPriceMissing, match="model_prices"):
        model(server, model_base_url="https://models.example.com", model_draft="other").answer(ask.draft(WISH))


def test_each_tool_is_handed_over_before_anything_more_is_said() -> None:
    reply, handed = submitting_by_tool(spec(*(tool(f"t{number}") for number in range(5))))
    with ModelServer(reply) as server:
        answer = model(server).answer(ask.draft(WISH), lambda each: handed[each["name"]].set())
    assert len(answer.document["tools"]) == 5


def test_what_the_caller_does_with_a_tool_fails_as_its_own_error() -> None:
    def fail(each: dict[str, Any]) -> None:
        raise TimeoutError(each["name"])

    with ModelServer(submitting(spec())) as server, pytest.raises(TimeoutError, match="get_thing"):
        model(server).answer(ask.draft(WISH), fail)


def test_a_change_is_merged_with_the_current_spec_and_only_new_tools_are_handed_over() -> None:
    current = decode_spec(json.dumps(spec(instructions="Be brief.")))
    answer = {"name": "Things", "tools": [{"kind": "keep", "name": "get_thing"}, tool("make_thing", method="POST")]}
    seen: list[str] = []
    with ModelServer(submitting(answer)) as server:
        got = model(server).answer(ask.iterate("also let it make things", current), lambda each: seen.append(each["name"]))
        [request] = server.requests
    assert seen == ["make_thing"]
    assert got.spec is not None
    assert got.spec.tools[0] == current.tools[0]
    assert [each.name for each in got.spec.tools] == ["get_thing", "make_thing"]
    assert got.spec.instructions == "Be brief."
    assert encode_spec(current).decode() in request.said
    assert got.prompt_version.startswith("iterate ")


def test_a_repair_goes_to_its_own_model_with_the_findings_and_the_document() -> None:
    bad = spec(tool("get_thing"), tool("get_other", server="https://other.example.net"))
    good = {"name": "Things", "tools": [{"kind": "keep", "name": "get_thing"}, tool("get_other")]}
    with ModelServer(submitting(bad), submitting(good)) as server:
        asked = model(server)
        with pytest.raises(ModelAnswerInvalid) as caught:
            asked.answer(ask.draft(WISH))
        refused = caught.value
        assert (refused.paid, refused.code in REPAIRABLE, refused.pointer) == (True, True, "/tools/1/server")
        assert refused.answer is not None
        assert refused.answer.document == bad
        answer = asked.answer(ask.repair(WISH, refused.answer, [refused.user_message]))
        assert answer.document == spec()
        draft, repair = server.requests
    assert (draft.body["model"], repair.body["model"]) == ("drafter", "mender")
    assert draft.body["system"][0] == repair.body["system"][0]
    assert draft.body["tools"] == repair.body["tools"]
    assert WISH in repair.said
    assert "/tools/1/server" in repair.said
    assert "other.example.net" in repair.said


def test_two_answers_at_once_do_not_meet() -> None:
    specs = [spec(tool(f"t{number}")) for number in range(4)]
    found: list[Any] = [None] * 4
    with ModelServer(answer=lambda request: submitting(specs[int(request.said[-1])], delay=0.002)) as server:

        def run(number: int) -> None:
            found[number] = model(server).answer(ask.draft(f"number {number}")).document

        threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert found == specs
