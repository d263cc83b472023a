"""`bmm eval`: prompts through the API, held against what was expected of them, with a service that speaks the model's protocol."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bmm.cli import main
from bmm.config import Config, Price
from bmm.errors import BadInput
from bmm.llm.evals import BUILT_IN, Case, Expected, deviations, load
from runner.contract import decode_spec
from tests.flow.drafted import SPEC, TOOL, TWO, Drafted, drafted
from tests.model_server import ModelServer, failing, submitting

BAD = SPEC | {"hosts": []}
DELETING = TOOL | {"name": "delete_user", "method": "DELETE", "path": "/users/1", "annotations": {"destructive": True}, "description": "Deletes the user."}
KEYED = SPEC | {"secrets": [{"key": "API_KEY", "hint": "a key"}], "tools": [TOOL | {"auth": [[{"type": "bearer", "secret": "API_KEY"}]]}, DELETING]}


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Drafted]:
    prices = {model: Price(input=2, output=10) for model in (Config().model_draft, Config().model_repair)}
    with ModelServer() as model, drafted(model, model_prices=prices) as one:
        monkeypatch.setenv("BMM_DATA_DIR", str(one.config.data))
        monkeypatch.setenv("BMM_RUN_DIR", str(one.config.run))
        yield one


def cases(folder: Path, *found: dict[str, Any]) -> str:
    (folder / "some.json").write_text(json.dumps(found))
    return str(folder)


def evaluated(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    assert main(["eval", *words, "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    return found["prompts"], found["summary"]


def test_each_prompt_has_a_row_with_what_it_took_and_where_it_differs(box: Drafted, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = {"kinds": ["http"], "hosts": ["api.example.com"], "secrets": [], "changes": False, "tools": [2, 2]}
    folder = cases(
        tmp_path, {"name": "good", "prompt": "users and orders", "expect": expected}, {"name": "repaired", "prompt": "repair it", "expect": expected},
        {"name": "hopeless", "prompt": "never right"}, {"name": "key", "prompt": f"use ghp_{'a1B2c3' * 6}", "expect": {"refused": "secret_in_prompt"}},
        {"name": "odd", "prompt": "delete users", "expect": {**expected, "databases": ["postgresql"], "destroys": False}},
    )  # fmt: skip
    box.model.then(submitting(TWO), submitting(BAD), submitting(TWO), *[submitting(BAD)] * 3, submitting(KEYED))
    rows, found = evaluated(capsys, folder)
    assert [(row["name"], row["outcome"], row.get("code"), row["repairs"]) for row in rows] == [
        ("good", "ready", None, 0), ("repaired", "ready", None, 1), ("hopeless", "failed", "draft_unrepaired", 2), ("key", "refused", None, 0),
        ("odd", "ready", None, 0),
    ]  # fmt: skip
    assert [row["deviations"] for row in rows[:4]] == [[], [], [], []]
    assert rows[4]["deviations"] == [
        "an unexpected secret API_KEY", "databases none instead of postgresql", "delete_user destroys", "delete_user does more than read",
    ]  # fmt: skip
    assert all(row["ready_ms"] > 0 for row in rows)
    assert rows[1]["cost_micro_usd"] == 2 * rows[0]["cost_micro_usd"] > 0
    assert (found["prompts"], found["good"], found["rate"], found["as_expected"], found["repairs"]) == (5, 4, 0.8, 3, 3)
    assert found["cost_micro_usd"] == sum(row["cost_micro_usd"] for row in rows)


def test_the_table_says_it_in_words_and_a_rate_decides_the_exit_code(box: Drafted, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = cases(tmp_path, {"name": "a-good", "prompt": "users", "expect": {"tools": [5, 9]}}, {"name": "b-bad", "prompt": "never right"})
    box.model.then(submitting(TWO), *[submitting(BAD)] * 3)
    assert main(["eval", folder, "--least", "0.9"]) == 1
    said = capsys.readouterr()
    heading, good, bad, _, last = said.out.splitlines()
    assert heading.split() == ["PROMPT", "OUTCOME", "REPAIRS", "PLAN", "s", "LIVE", "s", "COST", "DEVIATIONS"]
    assert good.startswith("a-good")
    assert good.endswith("2 tools instead of 5 to 9")
    assert "failed: draft_unrepaired" in bad
    assert last.startswith("1 of 2 came through (50%), 0 as expected; 2 repairs; a plan in ")
    first, second = said.err.splitlines()
    assert first == "1/2  a-good  ready"
    assert second.startswith("2/2  b-bad  failed (draft_unrepaired): ")
    assert "api.example.com" in second


def test_what_would_stop_every_prompt_stops_at_the_first(box: Drafted, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box.model.then(failing(401, "authentication_error"))
    folder = cases(tmp_path, *({"name": f"p{number}", "prompt": "users"} for number in range(3)))
    rows, _ = evaluated(capsys, folder, code=1)
    assert [(row["name"], row["code"]) for row in rows] == [("p0", "model_key_refused")]
    assert len(box.model.requests) == 1


def test_prompts_can_be_chosen_by_name(box: Drafted, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box.model.then(submitting(SPEC))
    folder = cases(tmp_path, {"name": "a", "prompt": "users"}, {"name": "b", "prompt": "users"})
    rows, _ = evaluated(capsys, folder, "--only", "b*")
    assert [row["name"] for row in rows] == ["b"]
    assert main(["eval", folder, "--only", "c"]) == 2
    assert "there are a, b" in capsys.readouterr().err


def test_without_an_appliance_nothing_is_tried(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("BMM_RUN_DIR", "/nowhere")
    assert main(["eval"]) == 1
    assert capsys.readouterr().err.startswith("error: The appliance does not answer")


def test_the_built_in_prompts_are_thirty_of_every_kind() -> None:
    found = load(BUILT_IN)
    assert len(found) == 30
    assert len(list(BUILT_IN.glob("*.json"))) == 8
    assert all(each.expect != Expected() for each in found)
    assert sum(each.expect.destroys is True for each in found) >= 3
    assert {kind for each in found for kind in each.expect.kinds or ()} == {"http", "sql", "python"}


@pytest.mark.parametrize(
    ("content", "said"),
    [("[", "some.json"), ('[{"name": "a"}]', "prompt"), ('[{"name": "a", "prompt": "x", "more": 1}]', "more"), ("[]", "no JSON files"),
     ('[{"name": "a", "prompt": "x"}, {"name": "a", "prompt": "y"}]', "Two prompts are called a")],
)  # fmt: skip
def test_a_file_that_is_wrong_says_where(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "some.json").write_text(content)
    with pytest.raises(BadInput, match=said):
        load(tmp_path)


def test_deviations_name_what_is_not_as_expected() -> None:
    spec = decode_spec(msgspec.json.encode(KEYED))
    found = deviations(spec, Case(name="x", prompt="y", expect=Expected(kinds=("sql",), hosts=("*.test",), secrets=("GIT*",), refused=None)).expect)
    assert found == [
        "http tools instead of sql", "no host *.test", "an unexpected host api.example.com", "no secret GIT*", "an unexpected secret API_KEY",
    ]  # fmt: skip
    assert deviations(spec, Expected(destroys=True, changes=True, hosts=("api.*",), tools=(1, 2))) == []
    assert deviations(spec, Expected(refused="secret_in_prompt")) == ["not refused with secret_in_prompt"]
