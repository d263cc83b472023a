"""Tools and prompts that ask back, in both eras."""

import json
from typing import Any

import pytest

from tests.unit.runner.guarded import LEGACY, Client, ask, token
from tests.unit.runner.streams import FORMS, Stream, called, initialize, legacy_stream, modern, said

GREET = "test_input_required_result_elicitation"
TWO_ROUNDS = "test_input_required_result_multi_round"
ALICE = {"action": "accept", "content": {"name": "Alice"}}


def first(client: Client, name: str = GREET) -> dict[str, Any]:
    result: dict[str, Any] = called(client, name, capabilities=FORMS)
    assert result["resultType"] == "input_required"
    return result


def again(client: Client, state: str, responses: dict[str, Any], name: str = GREET, **params: Any) -> Any:
    sent = {"name": name, "arguments": {}, "inputResponses": responses, "requestState": state, **params}
    return modern(client, "tools/call", sent, capabilities=FORMS)


def test_a_question_is_a_result_and_the_answer_comes_with_the_request_sent_again(person: Client) -> None:
    asked = first(person)
    assert asked["inputRequests"]["user_name"]["method"] == "elicitation/create"
    assert asked["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "shop"
    assert said(again(person, asked["requestState"], {"user_name": ALICE})["result"]) == "Hello, Alice!"


def test_answers_of_earlier_rounds_are_kept_in_the_state(person: Client) -> None:
    one = first(person, TWO_ROUNDS)
    two = again(person, one["requestState"], {"step1": ALICE}, TWO_ROUNDS)["result"]
    assert list(two["inputRequests"]) == ["step2"]
    blue = {"action": "accept", "content": {"color": "blue"}}
    assert said(again(person, two["requestState"], {"step2": blue}, TWO_ROUNDS)["result"]) == "Alice likes blue."


UNFIT = {"action": "accept", "content": {"name": 5}}


@pytest.mark.parametrize("responses", [{}, {"wrong": ALICE}, {"user_name": {"action": "nod"}}, {"user_name": UNFIT}])
def test_what_is_missing_is_asked_again(person: Client, responses: dict[str, Any]) -> None:
    result = again(person, first(person)["requestState"], responses)["result"]
    assert list(result["inputRequests"]) == ["user_name"]


@pytest.mark.parametrize("responses", [{"user_name": 5}, [], "x"])
def test_responses_of_another_form_are_refused(person: Client, responses: Any) -> None:
    assert again(person, first(person)["requestState"], responses)["error"]["code"] == -32602


@pytest.mark.parametrize("spoiled", ["altered", "nonsense", "other arguments", "other tool", "other person", "a tool that asks nothing"])
def test_a_state_that_is_not_of_this_person_and_request_is_refused(person: Client, spoiled: str) -> None:
    state, name, params, client = first(person)["requestState"], GREET, dict[str, Any](), person
    match spoiled:
        case "altered":
            state = state[:-2] + ("AA" if state[-2:] != "AA" else "BB")
        case "nonsense":
            state = "x"
        case "other arguments":
            params = {"arguments": {"a": 1}}
        case "other tool":
            name = TWO_ROUNDS
        case "other person":
            client = Client(person.path, bearer=token(sub="usr_2"))
        case _:
            name = "echo"
    error = again(client, state, {"user_name": ALICE}, name, **params)["error"]
    assert error["code"] == -32602
    assert error["message"].startswith("The requestState ")


def test_a_state_is_refused_where_nothing_is_ever_asked(person: Client) -> None:
    state = first(person)["requestState"]
    assert modern(person, "resources/read", {"uri": "test://one", "requestState": state})["error"]["code"] == -32602
    assert modern(person, "prompts/get", {"name": "plain", "requestState": state})["error"]["code"] == -32602


@pytest.mark.parametrize("capabilities", [{}, {"sampling": {}}, {"elicitation": {"url": {}}}, {"elicitation": None}])
def test_nothing_is_asked_that_the_client_has_not_declared(person: Client, capabilities: dict[str, Any]) -> None:
    error = modern(person, "tools/call", {"name": GREET, "arguments": {}}, capabilities=capabilities)["error"]
    assert (error["code"], error["data"]) == (-32021, {"requiredCapabilities": {"elicitation": {}}})


def test_a_prompt_asks_for_what_was_left_out(person: Client) -> None:
    result = modern(person, "prompts/get", {"name": "asking"}, capabilities=FORMS)["result"]
    ((key, request),) = result["inputRequests"].items()
    assert request["params"]["requestedSchema"]["properties"]["topic"]["enum"] == ["art", "music"]
    answer = {key: {"action": "accept", "content": {"topic": "art"}}}
    sent = {"name": "asking", "inputResponses": answer, "requestState": result["requestState"]}
    assert modern(person, "prompts/get", sent, capabilities=FORMS)["result"]["messages"][0]["content"]["text"] == "About art"
    sent["inputResponses"] = {key: {"action": "decline"}}
    assert modern(person, "prompts/get", sent, capabilities=FORMS)["error"]["code"] == -32602


def test_a_prompt_with_a_missing_argument_is_invalid_where_nobody_can_be_asked(person: Client) -> None:
    assert modern(person, "prompts/get", {"name": "asking"})["error"]["code"] == -32602
    assert person.legacy("prompts/get", {"name": "asking"}).json["error"]["code"] == -32602


# Before 2026-07-28.


def reply(client: Client, request_id: Any, **member: Any) -> int:
    body = {"jsonrpc": "2.0", "id": request_id, **member}
    return ask(client.path, body, headers=[*client.headers, ("MCP-Protocol-Version", LEGACY)]).status


def asking(client: Client, name: str = GREET) -> Any:
    return legacy_stream(client, "tools/call", {"name": name, "arguments": {}}, request_id=7)


def test_a_legacy_client_is_asked_on_the_stream_and_answers_with_a_request(person: Client) -> None:
    initialize(person, FORMS)
    with asking(person, TWO_ROUNDS) as stream:
        one = stream.next()
        assert (one["method"], len(one["id"]) > 20) == ("elicitation/create", True)
        assert reply(person, one["id"], result=ALICE) == 202
        two = stream.next()
        assert reply(person, two["id"], result={"action": "accept", "content": {"color": "red"}}) == 202
        (last,) = stream.rest()
    assert (last["id"], said(last["result"])) == (7, "Alice likes red.")


def test_an_answer_of_another_grant_counts_for_nothing(person: Client) -> None:
    initialize(person, FORMS)
    stranger = Client(person.path, bearer=token(gid="grt_stranger"))
    with asking(person) as stream:
        question = stream.next()
        assert reply(stranger, question["id"], result={"action": "accept", "content": {"name": "Mallory"}}) == 202
        assert reply(person, question["id"], result=ALICE) == 202
        (last,) = stream.rest()
    assert said(last["result"]) == "Hello, Alice!"


@pytest.mark.parametrize(
    ("member", "sentence"),
    [
        ({"error": {"code": -1, "message": "no"}}, "answered with an error"),
        ({"result": {"x": 1}}, "sent something that is no answer"),
        ({"result": UNFIT}, "sent something that is no answer"),
        ({}, ""),
    ],
)
def test_an_error_or_nonsense_is_told_to_the_model(person: Client, member: dict[str, Any], sentence: str) -> None:
    initialize(person, FORMS)
    with asking(person) as stream:
        question = stream.next()
        if member:
            assert reply(person, question["id"], **member) == 202
        (last,) = stream.rest()
    assert last["result"]["isError"] is True
    assert (sentence or "did not answer within 5 seconds") in said(last["result"])


def test_what_a_legacy_client_can_is_remembered_for_its_grant_only(person: Client) -> None:
    initialize(person, FORMS)
    other = Client(person.path, bearer=token(gid="grt_other_client"))
    assert "does not offer" in said(other.legacy("tools/call", {"name": GREET, "arguments": {}}).json["result"])
    initialize(person, {"elicitation": None})
    assert "does not offer" in said(person.legacy("tools/call", {"name": GREET, "arguments": {}}).json["result"])


def test_a_legacy_client_that_takes_no_stream_cannot_be_asked(person: Client) -> None:
    initialize(person, FORMS)
    headers = (("Accept", "application/json"),)
    with legacy_stream(person, "tools/call", {"name": GREET, "arguments": {}}, headers=headers) as stream:
        assert "does not offer" in said(json.loads(stream.response.read())["result"])


def test_a_prompt_asks_a_legacy_client_too(person: Client) -> None:
    initialize(person, FORMS)
    with legacy_stream(person, "prompts/get", {"name": "asking"}) as stream:
        reply(person, stream.next()["id"], result={"action": "accept", "content": {"topic": "music"}})
        (last,) = stream.rest()
    assert last["result"]["messages"][0]["content"]["text"] == "About music"


def test_a_stream_lives_while_nobody_answers(person: Client) -> None:
    initialize(person, FORMS)
    with asking(person) as stream:
        stream.next()
        assert stream.line() == ":"
        assert isinstance(stream, Stream)
