"""Drafts under attack: several people at once, hostile addresses, answers and terminals; nothing is lost, overwritten or reached unasked."""

import http.server
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bmm import ids
from bmm.builds.pipeline import _publish
from bmm.errors import BaseMoved, SlugTaken
from bmm.servers import bundles
from bmm.store import builds
from runner.contract import decode_spec
from tests.flow.drafted import SPEC, TOOL, TWO, Drafted, drafted
from tests.flow.test_drafts_at_the_terminal import Bmm, Typed, bmm
from tests.model_server import ModelServer, failing, saying, submitting

__all__ = ["bmm"]
THREE = SPEC | {"tools": [TOOL, TOOL | {"name": "list_teams", "path": "/teams", "description": "Lists the teams."}]}


@pytest.fixture
def box() -> Iterator[Drafted]:
    with ModelServer() as model, drafted(model) as one:
        yield one


def publish(box: Drafted, build_id: str) -> int:
    """The moment at which a build becomes the version that runs."""
    build = box.store.one(builds.by_id(build_id))
    assert build is not None
    bundle = bundles.store(box.config.data, decode_spec(build.spec))
    number = box.store.transact(lambda db: _publish(db, build, bundle, "Users"))
    box.store.apply(builds.finish_live(build_id, ids.now()))
    return number


def test_two_clients_confirm_one_draft_at_once_and_one_build_comes_of_it(box: Drafted) -> None:
    draft_id = box.ask(source="curl", spec=SPEC)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: box.http.post(f"/api/drafts/{draft_id}/build", json={"slug": "users"}), range(8)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 409} == {"conflict"}
    assert box.values("SELECT count(*) FROM builds") == [1]


def test_the_second_of_two_iterates_does_not_undo_the_first(box: Drafted) -> None:
    box.live("users", SPEC)
    ids_ = []
    for spec in (TWO, THREE):
        box.model.then(submitting(spec))
        draft_id = box.ask(prompt="Also more", slug="users", iterate=True)
        box.story(draft_id)
        ids_.append(box.post(f"/api/drafts/{draft_id}/build")["build_id"])
    assert publish(box, ids_[0]) == 2
    with pytest.raises(BaseMoved, match="users runs version 2; this draft began from version 1"):
        publish(box, ids_[1])
    assert box.values("SELECT version FROM servers") == [2]


def test_the_second_of_two_new_servers_of_one_name_does_not_replace_the_first(box: Drafted) -> None:
    first, second = (box.post(f"/api/drafts/{box.ask(source='curl', spec=each)}/build", slug="users")["build_id"] for each in (TWO, THREE))
    assert publish(box, first) == 1
    with pytest.raises(SlugTaken, match="There is a server users already"):
        publish(box, second)


def test_a_server_that_is_gone_is_said_to_be_gone(box: Drafted) -> None:
    box.live("users", SPEC)
    box.model.then(submitting(TWO))
    draft_id = box.ask(prompt="Also the orders", slug="users", iterate=True)
    box.story(draft_id)
    box.change("UPDATE servers SET slug = 'gone', status = 'deleted', version = NULL")
    _, code, message = box.refused(f"/api/drafts/{draft_id}/build", {})
    assert (code, "has no live version any more" in message, "None" in message) == ("base_moved", True, False)
    assert box.values("SELECT count(*) FROM servers WHERE slug = 'users'") == [0]


def test_a_prompt_by_the_api_reaches_nothing_on_this_machine(box: Drafted) -> None:
    asked = []

    class Inside(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Inside) as inside:
        threading.Thread(target=inside.serve_forever, daemon=True).start()
        for host in ("127.0.0.1", "localhost", "[::1]", "127.1", "0.0.0.0", "[::ffff:127.0.0.1]", "2130706433"):
            shown = box.ended(box.ask(prompt=f"Use http://{host}:{inside.server_address[1]}/openapi.json"))
            assert shown["draft"]["status"] == "failed", host
            assert "--allow-private" not in shown["draft"]["error"]
        inside.shutdown()
    assert asked == []
    assert box.model.requests == []


TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" + "k1L2m3N4o5P6q7R8"


@pytest.mark.parametrize("text", [f'KEY = "{TOKEN}"', f"return '{TOKEN}'"])
def test_a_key_that_a_model_makes_up_in_code_goes_back_to_it(box: Drafted, text: str) -> None:
    code = f"async def run(args, ctx):\n    {text}\n    return 1\n"
    tool = {"kind": "python", "name": "one", "description": "Does it.", "input_schema": {"type": "object"}, "code": code}
    box.model.then(submitting(SPEC | {"tools": [TOOL, tool]}), submitting(SPEC))
    shown = box.ended(box.ask(prompt="List users"))
    assert (shown["draft"]["status"], len(box.model.requests)) == ("ready", 2)
    assert "secret.in_code" in box.model.requests[1].said


def test_prose_with_a_key_goes_back_too(box: Drafted) -> None:
    box.model.then(saying(f"Use {TOKEN} for it."), submitting(SPEC))
    assert box.ended(box.ask(prompt="List users"))["draft"]["status"] == "ready"


def test_a_key_in_a_spec_is_not_sent_and_its_place_is_named(box: Drafted) -> None:
    shown_key = SPEC | {"tools": [TOOL | {"description": f"Lists users, as {TOKEN} may."}]}
    box.live("users", shown_key)
    draft = box.ended(box.ask(prompt="Also the orders", slug="users", iterate=True))["draft"]
    assert draft["error_code"] == "secret_in_spec"
    assert "was not sent to the model: /tools/0/description: This text holds what looks like a GitHub token." in draft["error"]
    source = box.ask(prompt="Only the users", source="openapi", spec=shown_key)
    assert "/tools/0/description" in dict(box.story(source))["curate"]
    assert box.shown(source)["draft"]["status"] == "ready"
    assert box.model.requests == []


def test_a_key_that_a_person_edits_in_is_not_sent_with_a_failed_build(box: Drafted) -> None:
    box.model.then(submitting(SPEC))
    box.trial_error = "The tool list_users did not answer"
    draft_id = box.ask(prompt="List users")
    box.story(draft_id)
    edited = SPEC | {"tools": [TOOL | {"description": f"Lists users, as {TOKEN} may."}]}
    build_id = box.post(f"/api/drafts/{draft_id}/build", slug="users", spec=edited)["build_id"]
    box.until(f"SELECT finished_at IS NOT NULL FROM builds WHERE id = '{build_id}'", 1)
    box.post(f"/api/drafts/{draft_id}/repair")
    assert box.ended(draft_id)["draft"]["error_code"] == "secret_in_spec"
    assert len(box.model.requests) == 1


@pytest.mark.parametrize("date", ["Mon, 01 Jan 99999 00:00:00 GMT", "-1", "9" * 400])
def test_an_absurd_wait_is_no_failure_of_ours(box: Drafted, date: str) -> None:
    box.model.then(failing(429, "rate_limit_error", retry_after=date), submitting(SPEC))
    draft_id = box.ask(prompt="List users")
    box.until(f"SELECT count(*) FROM draft_events WHERE draft_id = '{draft_id}' AND step = 'waiting'", 1)
    assert box.draft(draft_id).error_code is None


def test_a_full_disk_is_said_and_the_next_request_works_when_there_is_room(box: Drafted) -> None:
    wish = {"prompt": "x " * 9000}
    box.store.transact(lambda db: db.execute("PRAGMA max_page_count = 1").fetchall())
    answer = [box.http.post("/api/drafts", json=wish) for _ in range(4)][-1]  # what is free in the file may take the first
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_full")
    assert "Make room" in answer.json()["error"]["message"]
    box.store.transact(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchall())
    assert box.http.post("/api/drafts", json=wish).status_code == 202


def test_ten_thousand_tools_are_refused_and_the_story_stays_short(box: Drafted) -> None:
    flood = SPEC | {"tools": [TOOL | {"name": f"list_{number}"} for number in range(10_000)]}
    box.model.then(submitting(flood, piece=20_000), submitting(flood, piece=20_000), submitting(flood, piece=20_000))
    draft_id = box.ask(prompt="All of it")
    shown = box.ended(draft_id)
    assert (shown["draft"]["status"], shown["draft"]["error_code"]) == ("failed", "draft_unrepaired")
    assert len(box.values("SELECT id FROM draft_events")) < 250
    assert len(box.model.requests) == 3


def test_a_tool_with_control_characters_or_half_a_pair_is_no_failure_of_ours(box: Drafted, bmm: Bmm) -> None:
    odd = json.dumps(SPEC | {"tools": [TOOL | {"description": "a\x1b[2J\x00\u202eb" + "\\"}]}).replace("\\\\", "\\ud800")
    box.model.then(submitting(odd), submitting(SPEC | {"tools": [TOOL | {"description": "Lists\x1b[2J\u202e users of the service."}]}))
    said = bmm("new", "List users", "--slug", "users")
    assert "internal_error" not in said.err
    assert "\x1b" not in said.out + said.err
    assert "\u202e" not in said.out + said.err


def test_control_characters_and_other_languages_in_a_prompt(box: Drafted, bmm: Bmm) -> None:
    box.model.then(submitting(SPEC), submitting(SPEC))
    said = bmm("new", "\x1b]0;owned\x07Liste die Benutzer auf 用户 مستخدم\x00\nzweite Zeile")
    assert (said.code, "\x1b" in said.out) == (0, False)
    assert "用户 مستخدم" in box.model.requests[0].said
    broken = bmm("new", b"List users \xff\xfe".decode(errors="surrogateescape"))
    assert (broken.code, "not text in UTF-8" in broken.err) == (2, True)


def test_a_prompt_of_a_megabyte_is_refused_at_once(box: Drafted, bmm: Bmm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Typed("curl -s x " * 100_000))
    said = bmm("new", "-")
    assert (said.code, "at most 20,000 are possible" in said.err) == (2, True)
    monkeypatch.setattr("sys.stdin", Typed("x" * 3_000_000))
    for words in (("new", "-"), ("iterate", "users", "x" * 20_001)):
        assert "at most 20,000 are possible" in bmm(*words).err
    assert box.http.post("/api/drafts", json={"prompt": "x" * 1_000_000}).status_code == 422


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("rm -f", "The editor left no file"), ("chmod 0", "The editor left no file"), ("truncate -s 0", "✗"), ("false", "ended with an error"),
        ("/nonexistent/editor", "cannot be started"),
    ],
)  # fmt: skip
def test_an_editor_that_fails_leaves_the_plan_as_it_was(
    box: Drafted, bmm: Bmm, monkeypatch: pytest.MonkeyPatch, words: str, sentence: str
) -> None:
    box.model.then(submitting(SPEC))
    monkeypatch.setenv("VISUAL", "")
    monkeypatch.setenv("EDITOR", words)
    asks_again = words in ("rm -f", "chmod 0", "truncate -s 0")
    monkeypatch.setattr("sys.stdin", Typed("e\nr\nq\n" if asks_again else "e\nq\n"))
    said = bmm("new", "List users", "--slug", "users")
    assert (said.code, sentence in said.out) == (0, True), said
    assert "takes it up again" in said.out


def test_who_ends_the_input_is_told_how_to_come_back(box: Drafted, bmm: Bmm, monkeypatch: pytest.MonkeyPatch) -> None:
    box.model.then(submitting(SPEC))
    monkeypatch.setattr("sys.stdin", Typed(""))
    said = bmm("new", "List users", "--slug", "users")
    assert (said.code, "Nothing is built. `bmm new --again drft_" in said.err, "Traceback" in said.err) == (130, True, False)


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_file_to_edit_that_cannot_be_read_is_named_before_a_model_is_asked(box: Drafted, bmm: Bmm, tmp_path: Path, name: str) -> None:
    box.live("orders", SPEC)
    for words in (("new", "List users", "--slug", "users"), ("iterate", "orders", "List orders")):
        said = bmm(*words, "--edit", str(tmp_path / name), "--yes")
        assert said.code == 2
        assert str(tmp_path) in said.err
    assert box.model.requests == []


def test_a_story_goes_on_after_any_event_and_ends_for_an_id_of_the_future(box: Drafted) -> None:
    box.model.then(submitting(TWO))
    draft_id = box.ask(prompt="Users and orders")
    everything = [each["id"] for each in box.events(draft_id)]
    for last in ("0", str(everything[2]), "999999999999999999", "9" * 40, "-1", "x", "\u0663"):
        answer = box.http.get(f"/api/drafts/{draft_id}/events", headers={b"Last-Event-ID": last.encode()})
        seen = [int(line[4:]) for line in answer.text.splitlines() if line.startswith("id: ")]
        begin = int(last) if last.isascii() and last.isdigit() and len(last) < 19 else 0
        assert seen == [each for each in everything if each > begin], last
        assert "event: end" in answer.text


def test_what_a_model_asks_for_beyond_the_wish_stands_in_the_plan(box: Drafted, bmm: Bmm) -> None:
    greedy = SPEC | {
        "hosts": [*SPEC["hosts"], {"name": "evil.example", "port": 8443, "reason": "needed"}], "secrets": [{"key": "ROOT_PASSWORD", "hint": "ask"}],
    }  # fmt: skip
    box.model.then(submitting(greedy))
    said = bmm("new", "List users of api.example.com", "--slug", "users")
    assert "evil.example:8443" in said.out
    assert "ROOT_PASSWORD" in said.out
