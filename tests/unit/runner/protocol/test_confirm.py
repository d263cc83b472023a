"""Tools that run only once the person has agreed."""

from typing import Any

import pytest

from runner.tools.confirm import published_input
from tests.unit.runner.guarded import Client, GuardProcess
from tests.unit.runner.protocol.test_asking import reply
from tests.unit.runner.streams import FORMS, called, echo, initialize, legacy_stream, modern, said

Talker = tuple[GuardProcess, Any]
ARGUMENTS = {"id": 5, "q": "line\nbreak \u202e" + "x" * 500}


def runs(talker: Talker) -> int:
    return sum(request["target"].startswith("/items/5") for request in talker[1].seen)


def answered(client: Client, answer: dict[str, Any]) -> Any:
    asked = called(client, "delete_item", ARGUMENTS, capabilities=FORMS)
    ((key, _),) = asked["inputRequests"].items()
    return called(
        client, "delete_item", ARGUMENTS, capabilities=FORMS, inputResponses={key: answer}, requestState=asked["requestState"]
    )


def test_the_person_sees_what_will_run_shortly_and_safely(person: Client, talker: Talker) -> None:
    before = runs(talker)
    asked = called(person, "delete_item", ARGUMENTS, capabilities=FORMS)
    ((_, request),) = asked["inputRequests"].items()
    lines = request["params"]["message"].split("\n")
    assert lines[:2] == ["May Delete an item run?", "id: 5"]
    assert (len(lines), len(lines[2]) < 200, "\u202e" in lines[2]) == (3, True, False)
    assert request["params"]["requestedSchema"]["properties"]["confirm"]["type"] == "boolean"
    assert runs(talker) == before


def test_it_runs_once_the_person_agrees(person: Client, talker: Talker) -> None:
    before = runs(talker)
    assert answered(person, {"action": "accept", "content": {"confirm": True}})["isError"] is False
    assert runs(talker) == before + 1


@pytest.mark.parametrize(
    "answer",
    [
        {"action": "decline"},
        {"action": "cancel"},
        {"action": "accept", "content": {"confirm": False}},
        {"action": "decline", "content": {"confirm": True}},
    ],
)
def test_anything_else_is_a_no(person: Client, talker: Talker, answer: dict[str, Any]) -> None:
    before = runs(talker)
    result = answered(person, answer)
    assert (result["isError"], "The person declined" in said(result)) == (True, True)
    assert runs(talker) == before


@pytest.mark.parametrize("answer", [{"action": "accept"}, {"action": "accept", "content": {"confirm": "true"}}])
def test_a_form_that_is_not_filled_in_is_asked_again(person: Client, talker: Talker, answer: dict[str, Any]) -> None:
    before = runs(talker)
    assert answered(person, answer)["resultType"] == "input_required"
    assert runs(talker) == before


def test_an_argument_does_not_stand_in_for_a_person_who_can_be_asked(person: Client, talker: Talker) -> None:
    before = runs(talker)
    assert called(person, "delete_item", {"id": 5, "confirm": True}, capabilities=FORMS)["resultType"] == "input_required"
    assert runs(talker) == before


@pytest.mark.parametrize("said_so", [None, False, "true", 1])
def test_without_forms_the_call_has_to_say_that_the_person_agreed(person: Client, talker: Talker, said_so: Any) -> None:
    before = runs(talker)
    arguments = {"id": 5} | ({} if said_so is None else {"confirm": said_so})
    result = called(person, "delete_item", arguments)
    assert (result["isError"], "`confirm` set to true" in said(result)) == (True, True)
    assert runs(talker) == before
    assert called(person, "delete_item", {"id": 5, "confirm": True})["isError"] is False
    assert runs(talker) == before + 1


def test_the_published_schema_has_the_argument_beside_one_of_the_tools_own(person: Client) -> None:
    tools = {each["name"]: each["inputSchema"] for each in modern(person, "tools/list", {})["result"]["tools"]}
    assert tools["delete_item"]["properties"]["confirm"]["type"] == "boolean"
    assert set(tools["twice"]["properties"]) == {"confirm", "confirm_call"}
    assert "confirm" not in tools["delete_item"]["required"]
    assert "confirm_call" in said(called(person, "twice", {"confirm": "x"}))
    assert called(person, "twice", {"confirm": "x", "confirm_call": True})["isError"] is False


def test_the_argument_never_takes_the_place_of_one_of_the_tools_own() -> None:
    own = {"type": "object", "properties": {"confirm": {"type": "string"}, "confirm_call": {"type": "string"}}}
    assert set(published_input(echo(confirm=True, input_schema=own))["properties"]) == {"confirm", "confirm_call", "confirm_call_call"}


def test_arguments_are_checked_before_anybody_is_asked(person: Client) -> None:
    assert "`id` is missing" in said(called(person, "delete_item", {}, capabilities=FORMS))


@pytest.mark.parametrize(("answer", "error"), [({"confirm": True}, False), ({"confirm": False}, True)])
def test_a_legacy_client_is_asked_on_the_stream(person: Client, talker: Talker, answer: dict[str, Any], error: bool) -> None:
    initialize(person, FORMS)
    before = runs(talker)
    with legacy_stream(person, "tools/call", {"name": "delete_item", "arguments": {"id": 5}}) as stream:
        question = stream.next()
        assert runs(talker) == before
        reply(person, question["id"], result={"action": "accept", "content": answer})
        (last,) = stream.rest()
    assert last["result"]["isError"] is error
    assert runs(talker) == before + (not error)
