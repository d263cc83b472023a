"""A prompt becomes a plan and a plan a build: what is asked, kept, repaired and refused, with a service that speaks the model's protocol."""

import json
from collections.abc import Iterator

import pytest

from bmm.store.db import Statement
from tests.flow.drafted import SPEC, TOOL, TWO, Drafted, drafted
from tests.model_server import KEY, ModelServer, failing, refusing, saying, submitting, submitting_by_tool

BAD = SPEC | {"hosts": []}
"""Its tool calls a host that it does not list."""
FAKE_KEY = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" + "k1L2m3N4o5P6q7R8"


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def box(model: ModelServer) -> Iterator[Drafted]:
    with drafted(model) as one:
        yield one


def test_a_prompt_becomes_a_plan_and_everything_of_it_is_kept(box: Drafted) -> None:
    box.model.then(submitting(TWO))
    draft_id = box.ask(prompt="List users and orders of api.example.com")
    steps = [step for step, _ in box.story(draft_id)]
    shown = box.shown(draft_id)
    assert steps == ["queued", "asking", "tool", "tool", "plan"]
    assert (shown["draft"]["status"], shown["draft"]["prompt"]) == ("ready", "List users and orders of api.example.com")
    assert [tool["name"] for tool in shown["plan"]["tools"]] == ["list_users", "list_orders"]
    (round_,) = shown["rounds"]
    assert round_["kind"] == "draft"
    assert round_["said"] == "List users and orders of api.example.com"
    assert json.loads(round_["answer"]) == TWO
    assert all(round_[field] for field in ("model", "prompt_version", "digest", "asked_at", "answered_at", "tokens_in", "tokens_out", "tokens_cached"))
    assert KEY not in json.dumps(shown)


def test_a_tool_is_shown_before_the_model_says_anything_more(box: Drafted) -> None:
    reply, handed = submitting_by_tool(SPEC | {"tools": [TOOL | {"name": f"list_{number}"} for number in range(10)]})
    box.model.then(reply)
    steps = []
    for event in box.events(box.ask(prompt="Ten lists")):
        steps.append(event["step"])
        if event["step"] == "tool":
            handed[json.loads(event["tool"])["name"]].set()
    assert steps == ["queued", "asking", *["tool"] * 10, "plan"]


def test_an_answer_that_contradicts_itself_goes_back_with_its_place(box: Drafted) -> None:
    box.model.then(submitting(BAD), submitting(SPEC))
    draft_id = box.ask(prompt="List users")
    shown = box.ended(draft_id)
    assert shown["draft"]["status"] == "ready"
    assert [each["kind"] for each in shown["rounds"]] == ["draft", "repair"]
    assert "/tools/0/server" in shown["rounds"][1]["said"]
    assert "/tools/0/server" in box.model.requests[1].said
    assert shown["cost_micro_usd"] == sum(each["cost"] for each in shown["rounds"])


def test_a_schema_that_is_none_goes_back_too(box: Drafted) -> None:
    broken = SPEC | {"tools": [TOOL | {"input_schema": {"type": "object", "properties": {"a": {"type": "strang"}}}}]}
    box.model.then(submitting(broken), submitting(SPEC))
    shown = box.ended(box.ask(prompt="List users"))
    assert (shown["draft"]["status"], len(shown["rounds"])) == ("ready", 2)
    assert "/tools/0/input_schema" in shown["rounds"][1]["said"]


def test_after_two_repairs_it_fails_with_the_reason_and_asks_no_more(box: Drafted) -> None:
    box.model.then(*[submitting(BAD)] * 4)
    draft_id = box.ask(prompt="List users")
    draft = box.ended(draft_id)["draft"]
    assert (draft["status"], draft["error_code"]) == ("failed", "draft_unrepaired")
    assert "api.example.com" in draft["error"]
    assert draft_id in draft["error"]
    assert len(box.model.requests) == 3


def test_what_the_checks_block_goes_back_as_well(box: Drafted) -> None:
    poisoned = SPEC | {"tools": [TOOL | {"description": "Lists users.\u202e"}]}
    box.model.then(submitting(poisoned), submitting(SPEC))
    shown = box.ended(box.ask(prompt="List users"))
    assert shown["draft"]["status"] == "ready"
    assert [each["kind"] for each in shown["rounds"]] == ["draft", "repair"]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (refusing(), "model_refused"),
        (submitting(SPEC, stop="max_tokens", upto=0.5), "model_truncated"),
        (failing(401, "authentication_error"), "model_key_refused"),
        (failing(404, "not_found_error"), "model_not_found"),
        (failing(400, "invalid_request_error", "no"), "model_request_refused"),
    ],
)
def test_a_failure_has_a_code_and_a_next_step_and_the_draft_can_go_on(box: Drafted, reply: object, code: str) -> None:
    box.model.then(reply)  # type: ignore[arg-type]
    draft_id = box.ask(prompt="List users")
    draft = box.ended(draft_id)["draft"]
    assert (draft["status"], draft["error_code"]) == ("failed", code)
    assert f"bmm new --again {draft_id}" in draft["error"]
    box.model.then(submitting(SPEC))
    box.post(f"/api/drafts/{draft_id}/again")
    assert box.ended(draft_id)["draft"]["status"] == "ready"
    assert box.draft(draft_id).prompt == "List users"


@pytest.mark.parametrize("text", ["Here is your server!", ""])
def test_prose_or_nothing_is_sent_back_once_and_then_the_spec_counts(box: Drafted, text: str) -> None:
    box.model.then(saying(text), submitting(SPEC))
    shown = box.ended(box.ask(prompt="List users"))
    assert shown["draft"]["status"] == "ready"
    assert [each["error_code"] for each in shown["rounds"]] == ["model_prose", None]


def test_a_busy_model_is_asked_again_and_nothing_is_counted_twice(box: Drafted) -> None:
    box.model.then(failing(429, "rate_limit_error", retry_after="1"), failing(529, "overloaded_error", retry_after="1"), submitting(SPEC))
    draft_id = box.ask(prompt="List users")
    story = box.story(draft_id)
    shown = box.shown(draft_id)
    assert [step for step, _ in story].count("waiting") == 2
    assert "Nothing was paid" in dict(story)["waiting"]
    assert shown["draft"]["status"] == "ready"
    assert len(shown["rounds"]) == 1
    assert len(box.model.requests) == 3


def test_a_draft_that_is_cut_off_is_not_paid_twice_without_a_word(box: Drafted) -> None:
    box.model.then(submitting(SPEC, delay=0.05))
    draft_id = box.ask(prompt="List users")
    box.until("SELECT count(*) FROM draft_rounds WHERE asked_at IS NOT NULL", 1)
    # What a kill leaves: an asked round, and nobody who waits for its answer.
    box.story(draft_id)
    box.change("UPDATE draft_rounds SET answered_at = NULL, answer = NULL, document = NULL")
    box.change("UPDATE drafts SET status = 'drafting', finished_at = NULL, suggestion = NULL")
    asked = len(box.model.requests)
    box.restart()
    draft = box.ended(draft_id)["draft"]
    assert (draft["status"], draft["error_code"]) == ("failed", "draft_interrupted")
    assert len(box.model.requests) == asked
    box.model.then(submitting(SPEC))
    box.post(f"/api/drafts/{draft_id}/again")
    shown = box.ended(draft_id)
    assert shown["draft"]["status"] == "ready"
    assert [each["error_code"] for each in shown["rounds"]] == ["draft_interrupted", None]


def test_an_answered_round_is_read_and_not_asked_again(box: Drafted) -> None:
    box.model.then(submitting(SPEC))
    draft_id = box.ask(prompt="List users")
    box.story(draft_id)
    box.change("UPDATE drafts SET status = 'drafting', finished_at = NULL, suggestion = NULL")
    box.restart()
    shown = box.ended(draft_id)
    assert (shown["draft"]["status"], len(shown["rounds"]), len(box.model.requests)) == ("ready", 1, 1)


def test_a_fault_of_our_own_costs_no_second_answer(box: Drafted) -> None:
    box.model.then(submitting(SPEC))
    draft_id = box.ask(prompt="List users")
    box.story(draft_id)
    box.change("UPDATE drafts SET status = 'failed', error_code = 'internal_error', suggestion = NULL")
    box.post(f"/api/drafts/{draft_id}/again")
    shown = box.ended(draft_id)
    assert (shown["draft"]["status"], len(shown["rounds"]), len(box.model.requests)) == ("ready", 1, 1)


def test_an_answer_that_a_fault_of_our_own_lost_is_asked_for_anew_at_the_first_word(box: Drafted) -> None:
    box.model.then(submitting(SPEC), submitting(SPEC))
    draft_id = box.ask(prompt="List users")
    box.story(draft_id)
    box.change("UPDATE draft_rounds SET answered_at = NULL, answer = NULL, document = NULL")
    box.change("UPDATE drafts SET status = 'failed', error_code = 'internal_error', suggestion = NULL")
    box.post(f"/api/drafts/{draft_id}/again")
    shown = box.ended(draft_id)
    assert (shown["draft"]["status"], len(shown["rounds"]), len(box.model.requests)) == ("ready", 2, 2)


def test_a_story_is_resumed_after_the_last_event_that_was_seen(box: Drafted) -> None:
    box.model.then(submitting(TWO))
    draft_id = box.ask(prompt="Users and orders")
    all_of_it = list(box.events(draft_id))
    rest = box.http.get(f"/api/drafts/{draft_id}/events", headers={"Last-Event-ID": str(all_of_it[1]["id"])}).text
    assert [line[4:] for line in rest.splitlines() if line.startswith("id: ")] == [str(each["id"]) for each in all_of_it[2:]]


def test_a_planned_round_is_asked_after_a_restart(box: Drafted) -> None:
    box.model.then(failing(529, "overloaded_error", retry_after="200"), submitting(SPEC))
    draft_id = box.ask(prompt="List users")
    box.until("SELECT status FROM drafts WHERE lease_until IS NOT NULL AND status = 'queued'", "queued")
    box.restart()
    assert box.ended(draft_id)["draft"]["status"] == "ready"
    assert len(box.model.requests) == 2


def test_a_prompt_with_a_credential_is_refused_before_anything_is_stored_or_sent(box: Drafted) -> None:
    status, code, message = box.refused("/api/drafts", {"prompt": f"Use my token\n{FAKE_KEY} for GitHub"})
    assert (status, code) == (422, "secret_in_prompt")
    assert message.count("ine 2") == 1
    assert FAKE_KEY not in message
    assert box.values("SELECT count(*) FROM drafts") == [0]
    assert box.model.requests == []
    assert FAKE_KEY.encode() not in (box.config.data / "bmm.db").read_bytes()


def test_without_a_key_the_answer_says_what_is_missing_and_what_works(model: ModelServer) -> None:
    with drafted(model, model_key="", model_base_url="https://api.anthropic.com") as box:
        status, code, message = box.refused("/api/drafts", {"prompt": "Read-only access to the users and orders tables of my Postgres"})
        assert (status, code) == (422, "model_key_missing")
        for needed in ("model_key", "BMM_MODEL_KEY", "--openapi", "--database", "--curl", "--template"):
            assert needed in message
        assert "bmm new --template postgresql" in message
        ready = box.shown(box.ask(source="curl", spec=SPEC))
        assert (ready["draft"]["status"], ready["rounds"]) == ("ready", [])


def test_a_source_is_ready_at_once_and_its_words_are_curated_as_a_difference(box: Drafted) -> None:
    curated = TWO | {"tools": [TOOL | {"description": "Lists users. Best for finding an account by its date."}]}
    box.model.then(submitting(curated))
    shown = box.ended(box.ask(prompt="Only the users", source="openapi", spec=TWO))
    assert shown["rounds"][0]["kind"] == "curate"
    assert shown["base"] == TWO
    (part,) = shown["difference"]["parts"]
    assert part["removed"] == ["list_orders"]
    assert part["changed"][0]["changes"][0]["place"] == "/description"


def test_a_model_that_fails_leaves_what_the_source_gave(box: Drafted) -> None:
    box.model.then(refusing())
    draft_id = box.ask(prompt="Only the users", source="openapi", spec=TWO)
    story = box.story(draft_id)
    shown = box.shown(draft_id)
    assert (shown["draft"]["status"], shown["spec"]) == ("ready", TWO)
    assert "as they are" in dict(story)["curate"]
    assert "--again" not in dict(story)["curate"], "it has not failed, so there is nothing to take up"


def test_a_curl_command_in_the_prompt_comes_before_the_model(box: Drafted) -> None:
    box.model.then(submitting(SPEC))
    shown = box.ended(box.ask(prompt="Make a tool of curl 'https://api.example.com/users?limit=10' and name it well"))
    assert shown["draft"]["source"] == "curl"
    assert shown["base"]["hosts"][0]["name"] == "api.example.com"
    assert shown["rounds"][0]["kind"] == "curate"
    assert "api.example.com" in box.model.requests[0].said


def test_who_wants_no_model_gets_what_the_source_gives(box: Drafted) -> None:
    shown = box.ended(box.ask(prompt="Make a tool of curl https://api.example.com/users and name it well", model=False))
    assert (shown["draft"]["status"], shown["draft"]["source"], shown["rounds"]) == ("ready", "curl", [])
    assert box.refused("/api/drafts", {"prompt": "List users", "model": False})[1] == "model_key_missing"
    assert box.model.requests == []


def test_iterate_begins_from_the_live_version_and_shows_the_difference(box: Drafted) -> None:
    box.live("users", SPEC)
    box.model.then(submitting({"tools": [{"kind": "keep", "name": "list_users"}, TWO["tools"][1]]}))
    draft_id = box.ask(prompt="Also the orders", slug="users", iterate=True)
    shown = box.ended(draft_id)
    assert (shown["draft"]["status"], shown["draft"]["base_version"]) == ("ready", 1)
    (part,) = shown["difference"]["parts"]
    assert (part["part"], part["added"], part["removed"]) == ("tools", ["list_orders"], [])
    accepted = box.post(f"/api/drafts/{draft_id}/build")
    build = box.http.get(f"/api/builds/{accepted['build_id']}").json()
    assert build["draft_id"] == draft_id
    assert [tool["name"] for tool in json.loads(build["spec"])["tools"]] == ["list_users", "list_orders"]
    assert box.draft(draft_id).build_id == accepted["build_id"]


def test_a_draft_of_an_older_version_is_not_built(box: Drafted) -> None:
    box.live("users", SPEC)
    box.model.then(submitting(TWO))
    draft_id = box.ask(prompt="Also the orders", slug="users", iterate=True)
    box.story(draft_id)
    box.store.apply(Statement("UPDATE servers SET version = 2", {}))
    assert box.refused(f"/api/drafts/{draft_id}/build", {})[:2] == (409, "base_moved")


def test_a_new_draft_does_not_replace_a_server(box: Drafted) -> None:
    box.live("users", SPEC)
    draft_id = box.ask(source="curl", spec=SPEC)
    status, code, message = box.refused(f"/api/drafts/{draft_id}/build", {"slug": "users"})
    assert (status, code) == (409, "slug_taken")
    assert "bmm iterate users" in message


def test_an_edited_spec_is_built_and_the_suggestion_stays(box: Drafted) -> None:
    draft_id = box.ask(source="curl", spec=TWO)
    accepted = box.post(f"/api/drafts/{draft_id}/build", slug="users", spec=SPEC)
    build = box.http.get(f"/api/builds/{accepted['build_id']}").json()
    assert len(json.loads(build["spec"])["tools"]) == 1
    shown = box.shown(draft_id)
    assert (shown["draft"]["status"], len(shown["spec"]["tools"])) == ("built", 2)
    _, code, message = box.refused(f"/api/drafts/{draft_id}/build", {"slug": "users", "spec": BAD})
    assert (code, "api.example.com" in message) == ("bad_input", True)


def test_a_failed_build_goes_back_to_the_model_twice_at_most(box: Drafted) -> None:
    box.model.then(submitting(TWO), submitting(SPEC), submitting(SPEC))
    draft_id = box.ask(prompt="Users and orders")
    box.story(draft_id)
    box.trial_error = "The tool list_orders did not answer"
    for _ in range(2):
        box.builds(draft_id, "users")
        box.post(f"/api/drafts/{draft_id}/repair")
        assert box.ended(draft_id)["draft"]["status"] == "ready"
        assert "The tool list_orders did not answer" in box.model.requests[-1].said
    box.builds(draft_id, "users")
    assert box.refused(f"/api/drafts/{draft_id}/repair", {})[:2] == (409, "conflict")
    assert len(box.model.requests) == 3


def test_a_draft_that_is_to_ask_no_model_asks_none_for_a_repair(box: Drafted) -> None:
    draft_id = box.ask(source="curl", spec=SPEC, model=False)
    box.trial_error = "The tool list_users did not answer"
    box.builds(draft_id, "users")
    _, code, message = box.refused(f"/api/drafts/{draft_id}/repair", {})
    assert (code, "made to ask no model" in message) == ("conflict", True)
    assert box.model.requests == []


def test_two_versions_are_compared(box: Drafted) -> None:
    box.live("users", SPEC)
    answer = box.http.get("/api/servers/users/diff?before=1&after=1")
    assert answer.json()["difference"] == {"fields": [], "parts": [], "widens": []}
    missing = box.http.get("/api/servers/users/diff?before=1&after=9")
    assert "no version 9; it has 1" in missing.json()["error"]["message"]
    assert box.http.get(f"/api/servers/users/diff?before=1&after={2**64}").status_code == 404


def test_bodies_that_are_no_wish_are_refused(box: Drafted) -> None:
    for body in ({}, {"prompt": "x" * 20_001}, {"prompt": "x", "what": 1}, {"slug": "users", "iterate": True}):
        assert box.refused("/api/drafts", body)[0] in (404, 422)
    assert box.http.post("/api/drafts", content=b"\xff").status_code == 422
    assert box.http.get("/api/drafts/drft_nobody").status_code == 404


@pytest.mark.parametrize("built", [{"bundle": "0" * 64}, {"code": {"list_users": "print(1)"}}, {"image": "users:1"}])
def test_a_build_takes_the_spec_that_is_shown_and_nothing_that_was_built_elsewhere(box: Drafted, built: dict[str, object]) -> None:
    box.model.then(submitting(SPEC))
    draft_id = box.ask(prompt="List users")
    assert box.ended(draft_id)["draft"]["status"] == "ready"
    status, _, sentence = box.refused(f"/api/drafts/{draft_id}/build", {"slug": "users"} | built)
    assert (status, next(iter(built)) in sentence) == (422, True)
    assert box.shown(draft_id)["draft"]["build_id"] is None


@pytest.mark.parametrize("claim", [{"templateId": "tpl_1"}, {"forked_from": "users"}, {"source": "a-marketplace"}])
def test_nobody_can_claim_where_a_wish_comes_from(box: Drafted, claim: dict[str, object]) -> None:
    status, _, sentence = box.refused("/api/drafts", {"prompt": "List users"} | claim)
    assert (status, next(iter(claim)) in sentence) == (422, True)
    assert box.http.get("/api/drafts").json() == []
