"""`bmm compile curl|har|template` and the sources of `bmm new`, as words on a command line."""

import argparse
import contextlib
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bmm.cli import main
from bmm.cli.parts import sources
from bmm.config import Config
from bmm.errors import BadInput
from bmm.sources.detect import found_in

KEY = "sk-s3cr3t-value"
COMMAND = f"curl https://x.test/orders/42 -H 'Authorization: Bearer {KEY}'"


def compiled(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[dict[str, Any], str]:
    assert main(["compile", *words]) == 0
    said = capsys.readouterr()
    assert KEY not in said.out + said.err
    return json.loads(said.out), said.err


def test_a_command_a_file_and_standard_input_give_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "commands.sh").write_text(f"#!/bin/sh\n# the shop\n{COMMAND}\n")
    typed, said = compiled(capsys, "curl", COMMAND)
    assert said.splitlines() == ["1 tool, 0 findings", "next: bmm secret set SLUG X_TOKEN"]
    from_file, _ = compiled(capsys, "curl", str(tmp_path / "commands.sh"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(COMMAND.encode())))
    from_pipe, _ = compiled(capsys, "curl", "-")
    assert typed == from_file == from_pipe
    assert compiled(capsys, "curl", COMMAND, "--name", "Mine", "--pin", "order_id=7", "--tool-list", "all")[0]["name"] == "Mine"


def test_a_recording_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = {"method": "GET", "url": "https://x.test/a?q=1", "headers": [{"name": "X-Api-Key", "value": KEY}]}
    entry = {"request": request, "response": {"status": 200, "content": {"mimeType": "application/json", "text": "{}"}}}
    (tmp_path / "x.har").write_text(json.dumps({"log": {"entries": [entry, entry | {"request": request | {"url": "https://y.test/a"}}]}}))
    spec, _ = compiled(capsys, "har", str(tmp_path / "x.har"), "--host", "x.*")
    assert [host["name"] for host in spec["hosts"]] == ["x.test"]


def test_templates_are_listed_and_filled_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "template"]) == 0
    assert "wikipedia" in capsys.readouterr().out
    assert main(["compile", "template", "--json"]) == 0
    assert {each["name"] for each in json.loads(capsys.readouterr().out)["templates"]} >= {"weather", "slack", "rest-api"}
    spec, _ = compiled(capsys, "template", "wikipedia", "--set", "language=de", "--name", "Wissen")
    assert (spec["name"], spec["hosts"][0]["name"]) == ("Wissen", "de.wikipedia.org")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["curl"], "needs a description"), (["curl", "missing.txt"], "missing.txt cannot be read"), (["har", "a", "b"], "made of one recording"),
        (["template", "a", "b"], "made of one template"), (["template", "wikipedia", "--set", "x"], "must be NAME=VALUE"),
        (["har", "/dev/null"], "no HAR file"), (["curl", "curl https://$H/a"], "is a variable"), (["openapi"], "needs a description"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_a_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", *words]) == 2
    assert said in capsys.readouterr().err


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    sources.arguments(parser)
    return parser.parse_args(words)


def test_a_database_template_takes_the_options_of_a_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as database, database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT)")
        database.execute("CREATE TABLE people (id INTEGER PRIMARY KEY)")
    assert main(["compile", "template", "postgresql", "--set", f"url={tmp_path}/shop.db", "--tables", "people", "--name", "Staff"]) == 0
    spec = json.loads(capsys.readouterr().out)
    assert (spec["name"], [tool["name"] for tool in spec["tools"]]) == ("Staff", ["list_tables", "describe_table", "get_people", "search_people"])
    assert main(["compile", "template", "postgresql", "--set", "url=postgresql://u:p@127.0.0.1:1/x", "--known-as", "db.internal"]) == 2
    assert "--known-as" not in capsys.readouterr().err


def test_a_file_of_certificates_or_of_a_query_is_never_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "large").write_text(f"SELECT 1 {' ' * 512 * 1024}, 2")
    for option in ("--trust", "--query"):
        value = f"{'x=@' if option == '--query' else ''}{tmp_path}/large"
        assert main(["compile", "database", "postgresql://u@h.test/x", option, value]) == 2
        assert "large is too large" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compile", "openapi", "x.yaml", "--tables", "a"], "--tables goes with database or a template of one, not with openapi"),
        (["compile", "template", "weather", "--tables", "a"], "--tables goes with database or a template of one, not with template"),
        (["compile", "curl", COMMAND, "--host", "x"], "--host goes with har"), (["compile", "curl", COMMAND, "--tag", "x"], "--tag goes with openapi"),
        (["compile", "template", "weather", "--max-tools", "3"], "--max-tools goes with openapi or curl or har"),
        (["compile", "curl", COMMAND, "--pin", "a=1", "--pin", "a=2"], "--pin a is given twice"),
        (["compile", "har", "x.har", "--max-size", "2G"], "at most 1G"),
        (["compile", "har", "gone.har"], "gone.har cannot be read: No such file or directory\n"),
        (["new", "A server", "--set", "a=b"], "--set goes with template; name a source"),
        (["new", "--again", "drft_x", "--tag", "a"], "--tag goes with openapi"), (["new", "more", "--again", "drft_x"], "leave out the prompt"),
        (["new", "--again", "drft_x", "--template", "weather"], "leave out the prompt"),
    ],
)  # fmt: skip
def test_an_option_that_would_mean_nothing_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_a_source_of_bmm_new_keeps_what_it_saw_apart_from_the_spec() -> None:
    made = sources.sourced(parsed("--curl", COMMAND, "--curl", "curl https://x.test/orders"), Config())
    assert made is not None
    assert (made.source, [tool.name for tool in made.spec.tools], dict(made.seen)) == ("curl", ["get_order", "list_orders"], {"X_TOKEN": KEY})
    assert made.shown == "curl https://x.test/orders/42, curl https://x.test/orders"
    assert KEY not in repr(made)
    assert sources.sourced(parsed(), Config()) is None
    both = sources.sourced(parsed("--template", "weather", "--curl", COMMAND), Config())
    assert both is not None
    assert (both.source, both.spec.tools[0].name, dict(both.seen)) == ("several", "get_order", {"X_TOKEN": KEY})
    with pytest.raises(BadInput, match=r"x\.db"):
        sources.sourced(parsed("--template", "weather", "--database", "x.db"), Config())


def test_what_a_prompt_holds_is_a_source_too() -> None:
    found = found_in(f"Tools for {COMMAND} and\n{COMMAND.replace('42', '43')}\nplease; also https://127.0.0.1:9/openapi.json")
    made = sources.sourced(parsed(), Config(), found)
    assert made is not None
    assert (made.source, len(made.spec.tools)) == ("curl", 1)
    assert made.findings[0].message.startswith("nothing here is made of https://127.0.0.1:9/openapi.json: ")
    assert made.spec.tools[0].input_schema["properties"]["order_id"]["examples"] == [42, 43]
