"""The built-in servers: each compiles, each tool's request is what its API expects, and the words that mean it find it."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bmm.cli import main
from bmm.errors import BmmError
from bmm.sources.detect import suggestions
from bmm.sources.template import Template, compile_template, templates
from runner.contract import BearerCredential, HttpTool
from runner.tools.arguments import Checker

GIVEN = {"rest-api": {"url": "https://api.example.com/v1"}}
DECLARED = [each for each in templates() if each.source is None]
SENT = {
    ("weather", "find_place"): "https://geocoding-api.open-meteo.com/v1/search?name=Lisbon&count=5&language=en",
    ("weather", "get_forecast"): "https://api.open-meteo.com/v1/forecast?timezone=auto&latitude=38.72&longitude=-9.14&current=temperature_2m,weather_code,wind_speed_10m"
    "&hourly=temperature_2m,precipitation_probability&daily=temperature_2m_max,temperature_2m_min,precipitation_sum&forecast_days=3&past_days=1",
    ("wikipedia", "search_articles"): "https://en.wikipedia.org/w/api.php?action=query&list=search&format=json&formatversion=2&srsearch=tidal%20power&srlimit=10&sroffset=10",
    ("wikipedia", "get_summary"): "https://en.wikipedia.org/api/rest_v1/page/summary/Tidal%20power",
    ("hacker-news", "get_item"): "https://hn.algolia.com/api/v1/items/8863",
    ("hacker-news", "get_user"): "https://hacker-news.firebaseio.com/v0/user/pg.json",
    ("exchange-rates", "get_rates_between"): "https://api.frankfurter.dev/v1/2024-01-01..2024-01-31?base=EUR&symbols=USD,CHF",
    ("github-issues", "add_comment"): "https://api.github.com/repos/octocat/hello-world/issues/1/comments",
    ("notion", "read_page"): "https://api.notion.com/v1/blocks/59833787-2cf9-4fdf-8782-e53db20768a5/children?page_size=20",
    ("slack", "read_channel"): "https://slack.com/api/conversations.history?channel=C024BE91L&oldest=1712345678.000100&latest=1712345678.000100&limit=50",
    ("rest-api", "get"): "https://api.example.com/v1/items/1?limit=10",
}  # fmt: skip
"""What the documentation of these APIs says a request looks like, for the examples of the tools."""


def examples(tool: HttpTool) -> dict[str, Any]:
    properties: dict[str, dict[str, Any]] = tool.input_schema["properties"]
    return {name: each["examples"][0] for name, each in properties.items() if each.get("examples")}


def test_there_are_enough_and_they_are_well_described() -> None:
    assert len(templates()) >= 8
    for each in templates():
        assert each.names
        assert each.about
        assert each.command.startswith(f"--template {each.name}")
        if each.source is None:
            spec = compile_template(each.name, GIVEN.get(each.name)).spec
            assert spec.description
            assert all(need.hint for need in spec.secrets)
            assert all(host.reason for host in spec.hosts)


@pytest.mark.parametrize("template", DECLARED, ids=lambda each: each.name)
def test_every_tool_of_a_template_has_a_request_to_show(template: Template, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [word for name, value in GIVEN.get(template.name, {}).items() for word in ("--set", f"{name}={value}")]
    assert main(["compile", "template", template.name, *options]) == 0
    spec = tmp_path / "spec.json"
    spec.write_text(capsys.readouterr().out)
    found = compile_template(template.name, GIVEN.get(template.name)).spec
    for tool in found.tools:
        assert isinstance(tool, HttpTool)
        assert Checker(tool.input_schema).problems(examples(tool)) == []
        assert set(tool.input_schema.get("required", [])) <= set(examples(tool)) | {"body"}, tool.name
        shown = dry_run(spec, tool)
        assert shown["method"] == tool.method
        if (template.name, tool.name) in SENT:
            assert shown["url"] == SENT[template.name, tool.name]
        for each in tool.auth[0] if tool.auth and () not in tool.auth else ():
            assert isinstance(each, BearerCredential)
            assert shown["headers"]["Authorization"] == f"Bearer <{each.secret}>"
        assert tool.annotations.read_only == (tool.scopes == ("read",))
    assert {tool for name, tool in SENT if name == template.name} <= {tool.name for tool in found.tools}


def dry_run(spec: Path, tool: HttpTool) -> dict[str, Any]:
    command = [sys.executable, "-m", "runner", "call", "--spec", str(spec), "--dry-run", tool.name, json.dumps(examples(tool))]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def test_a_database_template_reads_the_tables(tmp_path: Path) -> None:
    database = tmp_path / "shop.db"
    with sqlite3.connect(database) as connection:
        connection.execute("create table orders (id integer primary key, state text)")
    found = compile_template("postgresql", {"url": str(database)})
    assert {"get_orders", "search_orders"} <= {tool.name for tool in found.spec.tools}
    assert all(tool.annotations.read_only for tool in found.spec.tools)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("nothing", {}, "There is no template 'nothing'; there are exchange-rates"), ("rest-api", {}, "needs --set url=VALUE"),
        ("rest-api", {"url": "x"}, "cannot be"), ("rest-api", {"url": "http://127.0.0.1/x"}, "an address cannot be an allowed host"),
        ("weather", {"city": "x"}, "it has none"), ("wikipedia", {"language": "de.evil.test/"}, "as in its address"),
        ("wikipedia", {"language": "evil.test"}, "as in its address"),
    ],
)  # fmt: skip
def test_what_does_not_fit_says_what_would(name: str, settings: dict[str, str], said: str) -> None:
    with pytest.raises(BmmError, match=said):
        compile_template(name, settings)


@pytest.mark.parametrize(
    ("words", "template"),
    [
        ("What's the weather in Porto tomorrow?", "weather"), ("let Claude post messages in our Slack", "slack"), ("Wie wird das Wetter?", "weather"),
        ("triage the issues of my GitHub repo", "github-issues"), ("read-only access to my Postgres", "postgresql"),
        ("look things up in Wikipedia", "wikipedia"),
        ("search our Notion workspace", "notion"), ("top stories on Hacker News", "hacker-news"), ("today's exchange rate of the euro", "exchange-rates"),
        ("wrap the REST API of our shop", "rest-api"),
    ],
)  # fmt: skip
def test_the_words_of_a_prompt_find_their_template_with_a_reason(words: str, template: str) -> None:
    best = suggestions(words)[0]
    assert best.template == template
    assert best.reason.startswith("“")


@pytest.mark.parametrize("words", ["", "make something nice", "a poem about rain in the city of wind", "translate text between languages"])
def test_words_that_fit_nothing_find_nothing(words: str) -> None:
    assert [each for each in suggestions(words) if each.source == "template" and each.template != "weather"] == []
