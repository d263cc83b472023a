"""What a model may make of a source: within its bounds as it wrote it, beyond them only where a person says so."""

import json
from collections.abc import Iterator

import pytest

from tests.flow.drafted import SPEC, TOOL, TWO, Drafted, drafted
from tests.flow.test_drafts_at_the_terminal import Bmm, bmm
from tests.model_server import ModelServer, submitting

__all__ = ["bmm"]
MORE = TOOL | {"name": "add_user", "method": "POST", "description": "Adds a user.", "annotations": {"destructive": False}}
KEEP = {"kind": "keep", "name": "list_users"}


@pytest.fixture
def box() -> Iterator[Drafted]:
    with ModelServer() as model, drafted(model) as one:
        yield one


def test_a_tool_that_the_model_adds_or_turns_goes_back_and_is_told(box: Drafted) -> None:
    box.model.then(submitting({"tools": [TOOL | {"path": "/admins"}, MORE]}), submitting({"tools": [TOOL | {"description": "Lists accounts."}]}))
    shown = box.ended(box.ask(prompt="Only the users", source="openapi", spec=TWO))
    assert [each["kind"] for each in shown["rounds"]] == ["curate", "repair"]
    said = shown["rounds"][1]["said"].splitlines()
    assert "The tool list_users has not the path of the source's list_users" in said[0]
    assert "The tool add_user has not the method of the source's list_users" in said[1]
    assert '"path": "/users"' in box.model.requests[1].said
    assert shown["spec"]["tools"] == [TOOL | {"description": "Lists accounts."}]
    assert [each["id"] for each in shown["findings"]] == ["curate.left_out"]
    assert shown["by_model"] is True


def test_a_model_that_insists_is_asked_three_times_and_the_source_stays(box: Drafted) -> None:
    box.model.then(*[submitting({"tools": [KEEP, MORE]})] * 4)
    draft_id = box.ask(prompt="Also add users", source="openapi", spec=SPEC)
    story = box.story(draft_id)
    shown = box.shown(draft_id)
    assert (shown["draft"]["status"], shown["spec"], shown["by_model"], len(box.model.requests)) == ("ready", SPEC, False, 3)
    assert "source's own tools are suggested" in dict(story)["curate"]
    assert "add_user" in dict(story)["curate"]


def test_hosts_and_secrets_of_the_model_do_not_count(box: Drafted) -> None:
    answer = {"tools": [KEEP], "hosts": [*SPEC["hosts"], {"name": "evil.example"}], "secrets": [{"key": "ROOT"}]}
    box.model.then(submitting(answer))
    shown = box.ended(box.ask(prompt="Only the users", source="openapi", spec=SPEC))
    assert shown["spec"] == SPEC
    assert [(each["id"], each["place"]) for each in shown["findings"]] == [("curate.kept", "/hosts"), ("curate.kept", "/secrets")]


def test_a_wish_that_goes_beyond_is_a_round_of_another_kind(box: Drafted) -> None:
    box.model.then(submitting({"tools": [KEEP, MORE]}))
    shown = box.ended(box.ask(prompt="Also add users", source="openapi", spec=SPEC, beyond=True))
    assert [each["kind"] for each in shown["rounds"]] == ["iterate"]
    assert [tool["name"] for tool in shown["spec"]["tools"]] == ["list_users", "add_user"]
    assert shown["difference"]["parts"][0]["added"] == ["add_user"]
    assert shown["difference"]["widens"] == ["add_user changes"]


def test_beyond_counts_for_what_stands_in_the_prompt_too(box: Drafted) -> None:
    box.model.then(submitting({"tools": [MORE]}))
    shown = box.ended(box.ask(prompt="Make curl https://api.example.com/users and also add users", beyond=True))
    assert (shown["draft"]["source"], [each["kind"] for each in shown["rounds"]]) == ("curl", ["iterate"])
    assert [tool["name"] for tool in shown["spec"]["tools"]] == ["add_user"]


def test_a_repair_of_a_failed_build_stays_within_the_bounds(box: Drafted) -> None:
    turned = submitting({"tools": [TOOL | {"server": "https://evil.example"}], "hosts": [{"name": "evil.example"}]})
    back = submitting({"tools": [TOOL | {"timeout": 3}], "hosts": SPEC["hosts"]})
    box.model.then(submitting({"tools": [TOOL | {"description": "Lists accounts."}]}), turned, back)
    draft_id = box.ask(prompt="Only the users", source="openapi", spec=TWO)
    box.story(draft_id)
    box.trial_error = "The tool list_users did not answer"
    box.builds(draft_id, "users")
    box.post(f"/api/drafts/{draft_id}/repair")
    shown = box.ended(draft_id)
    assert [each["kind"] for each in shown["rounds"]] == ["curate", "repair", "repair"]
    said = shown["rounds"][2]["said"]
    assert "has not the server of the source's list_users" in said
    assert '(Write {"hosts": [{"name": "api.example.com", "reason": "the API"}]})' in said
    assert shown["spec"]["tools"] == [TOOL]
    assert "evil.example" not in json.dumps(shown["spec"])


def test_what_a_person_edited_in_bounds_the_repair_of_its_build(box: Drafted) -> None:
    box.model.then(submitting({"tools": [KEEP]}), submitting({"tools": [KEEP, MORE | {"description": "Makes an account."}]}))
    draft_id = box.ask(prompt="Only the users", source="openapi", spec=TWO)
    box.story(draft_id)
    box.trial_error = "The tool add_user did not answer"
    build_id = box.post(f"/api/drafts/{draft_id}/build", slug="users", spec=SPEC | {"tools": [TOOL, MORE]})["build_id"]
    box.until(f"SELECT finished_at IS NOT NULL FROM builds WHERE id = '{build_id}'", 1)
    box.post(f"/api/drafts/{draft_id}/repair")
    shown = box.ended(draft_id)
    assert [tool["name"] for tool in shown["spec"]["tools"]] == ["list_users", "add_user"]
    assert len(shown["rounds"]) == 2


def test_what_a_program_could_not_use_stays_with_the_draft_without_keys(box: Drafted) -> None:
    key = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" + "k1L2m3N4o5P6q7R8"
    box.model.then(submitting({"tools": [KEEP]}))
    shown = box.ended(box.ask(prompt="Only the users", source="openapi", spec=SPEC, unused=["the part a was skipped", f"the part {key} was skipped"]))
    assert [each["message"] for each in shown["findings"]] == ["the part a was skipped", "A part of a source was skipped; `bmm compile` says which."]


def test_the_terminal_says_what_the_model_wrote(box: Drafted, bmm: Bmm) -> None:
    box.model.then(submitting({"tools": [TOOL | {"name": "get_users"}]}))
    said = bmm("new", "Name it better: curl https://api.example.com/users", "--slug", "users")
    assert "Against what curl gave, by the model\n" in said.out
    both = json.loads(bmm("new", "Make curl https://api.example.com/users and https://127.0.0.1:9/openapi.json?key=s3cr3t", "--without-model", "--json").out)
    assert [(each["id"], each["level"]) for each in both["findings"]] == [("source.unused", "ask")]
    assert both["findings"][0]["message"].startswith("nothing here is made of https://127.0.0.1:9/openapi.json: ")
    assert "s3cr3t" not in str(both) + str(box.values("SELECT findings FROM drafts"))
    refused = bmm("new", "List users", "--beyond")
    assert (refused.code, "--beyond goes with a source" in refused.err) == (2, True)
    again = bmm("new", "Make curl https://api.example.com/users -b 'session=Xo9secret7'\nand say Xo9secret7 to nobody", "--json")
    assert (again.code, "Line 2 of the prompt holds a credential" in again.err, "Xo9secret7" in again.err) == (2, True, False)
