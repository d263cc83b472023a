"""From a sentence to a server on real components: prompt, edit, build, call, iterate, difference, back; at the terminal and by the API."""

import asyncio
import contextlib
import json
import os
import pty
import re
import select
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from bmm.app import companions
from bmm.cli.parts.client import Client as Api
from bmm.core.build import Build
from bmm.core.draft import Draft, Wish
from bmm.http.shapes import Accepted, DraftAccepted, DraftShown
from bmm.servers import detached
from tests.model_server import KEY, ModelServer, failing, submitting, submitting_by_tool
from tests.real.appliance import KEY as SHOP_KEY
from tests.real.appliance import ROOT, Box, call, installed

PROMPT = "List the products of the shop"


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="module")
def drafting(shop_port: int, model: ModelServer) -> Iterator[Box]:
    """An appliance whose model is the test's."""
    with installed(shop_port) as one:
        one.environ |= {"BMM_MODEL_KEY": KEY, "BMM_MODEL_BASE_URL": model.url}
        one.serve()
        yield one
        model.stopping.set()


def listed(url: str, token: str) -> list[tuple[str, str | None]]:
    """Names and descriptions of the tools, as the official client sees them."""

    async def ask() -> list[tuple[str, str | None]]:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=90) as http,
            Client(streamable_http_client(url, http_client=http), mode="2026-07-28") as client,
        ):
            return [(tool.name, tool.description) for tool in (await client.list_tools()).tools]

    return asyncio.run(ask())


def keyed(box: Box, slug: str) -> None:
    for need in box.spec()["secrets"]:
        box.bmm("secret", "set", slug, need["key"], "--next", stdin=SHOP_KEY.encode())


def test_prompt_edit_build_call_iterate_difference_and_back(drafting: Box, model: ModelServer, tmp_path: Path) -> None:
    box = drafting
    model.then(submitting(box.spec("listProducts")))
    shown = json.loads(box.bmm("new", PROMPT, "--slug", "story", "--json").stdout)
    draft_id, spec = shown["draft"]["id"], shown["spec"]
    assert [tool["effect"] for tool in shown["plan"]["tools"]] == ["reads"]

    spec["tools"][0]["description"] = "Lists what the shop sells."
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    build = ("new", "--again", draft_id, "--slug", "story", "--edit", str(tmp_path / "spec.json"), "--yes", "--json")
    missing = json.loads(box.bmm(*build, check=False).stderr)["error"]
    assert missing["code"] == "secrets_missing"
    assert "bmm secret set story" in missing["message"]
    keyed(box, "story")
    url = json.loads(box.bmm(*build).stdout)["url"]
    token = box.token("story")
    assert listed(url, token) == [("listProducts", "Lists what the shop sells.")]
    assert not call(url, token, "listProducts").get("isError")

    asked = len(model.requests)
    assert "There is a server story already" in box.bmm("new", PROMPT, "--slug", "story", "--yes", check=False).stderr
    assert len(model.requests) == asked

    model.then(submitting({"tools": [{"kind": "keep", "name": "listProducts"}, *box.spec("getProduct")["tools"]]}))
    told = box.bmm("iterate", "story", "Also show one product", "--yes").stdout
    assert "Against version 1" in told
    assert "+ tool getProduct" in told
    assert {name for name, _ in listed(url, token)} == {"listProducts", "getProduct"}

    parts = json.loads(box.bmm("diff", "story", "1", "2", "--json").stdout)["parts"]
    assert [(part["part"], part["added"], part["removed"]) for part in parts] == [("tools", ["getProduct"], [])]
    assert "- tool getProduct" in box.bmm("diff", "story", "2", "1").stdout
    box.bmm("rollback", "story")
    assert listed(url, token) == [("listProducts", "Lists what the shop sells.")]

    kept = box.api(f"/api/drafts/{draft_id}", DraftShown)
    assert kept.draft.build_id is not None
    assert box.api(f"/api/builds/{kept.draft.build_id}", Build).draft_id == draft_id
    assert kept.rounds[0].tokens_out > 0


def test_the_same_by_the_api(drafting: Box, model: ModelServer) -> None:
    api = Api(drafting.config)
    spec = drafting.spec("listProducts", "getProduct")
    keyed(drafting, "by-api")
    model.then(submitting(spec))
    draft_id = api.post("/api/drafts", msgspec.json.encode(Wish(prompt=PROMPT, slug="by-api")), DraftAccepted).draft_id
    events = list(api.events(f"/api/drafts/{draft_id}/events"))
    assert [json.loads(data)["step"] for kind, data in events if kind == "event"] == ["queued", "asking", "tool", "tool", "plan"]
    assert msgspec.json.decode(events[-1][1], type=Draft).status == "ready"

    build_id = api.post(f"/api/drafts/{draft_id}/build", b"{}", Accepted).build_id
    ended = [data for kind, data in api.events(f"/api/builds/{build_id}/events") if kind == "end"]
    assert msgspec.json.decode(ended[0], type=Build).status == "live"
    assert not call(f"{drafting.origin}/s/by-api/mcp", drafting.token("by-api"), "listProducts").get("isError")


def test_a_person_edits_at_the_terminal_and_types_the_secret(drafting: Box, model: ModelServer, tmp_path: Path) -> None:
    model.then(submitting(drafting.spec("listProducts")))
    editor = script(
        tmp_path,
        "import pathlib, sys\n"
        "file, mark = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).with_suffix('.once')\n"
        "text = file.read_text()\n"
        "if mark.exists(): file.write_text(text.replace('BROKEN', '').replace('\"listProducts\"', '\"products\"', 1))\n"
        "else: mark.touch(); file.write_text('BROKEN' + text)\n",
    )
    with Terminal(drafting, {"EDITOR": str(editor)}, "new", PROMPT, "--slug", "typed") as person:
        person.sees("[b]uild typed")
        person.types("e")
        person.sees("not a JSON document")
        person.types("")
        assert "products" in person.sees("[q]uit")
        person.types("n")
        person.types("No Name")
        person.sees("cannot be a slug")
        person.sees("[b]uild typed")
        person.types("n")
        person.types("typed")
        person.types("b")
        person.sees("SHOP")
        person.types(SHOP_KEY)
        assert SHOP_KEY not in person.sees(f"{drafting.origin}/s/typed/mcp")
    assert [name for name, _ in listed(f"{drafting.origin}/s/typed/mcp", drafting.token("typed"))] == ["products"]


def test_a_failed_trial_goes_back_to_the_model_and_its_correction_goes_live(drafting: Box, model: ModelServer) -> None:
    schema = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}
    tool = {
        "kind": "python", "name": "add", "description": "Adds two numbers.", "output_schema": schema,
        "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]},
        "annotations": {"read_only": True, "destructive": False}, "code": "async def run(args, ctx):\n    return {'sum': args['a'] + args['b']}\n",
    }  # fmt: skip
    right = tool | {"code": str(tool["code"]).replace("sum", "total")}
    model.then(submitting({"name": "Sums", "tools": [tool]}), submitting({"tools": [right]}))
    told = drafting.bmm("new", "Add two numbers", "--slug", "sums", "--yes").stdout
    assert "the failed build goes back to the model" in told
    assert "Against what failed" in told
    assert "/tools/0" in model.requests[-1].said.split("findings")[-1]
    result = call(f"{drafting.origin}/s/sums/mcp", drafting.token("sums"), "add", a=2, b=3)
    assert result["structuredContent"] == {"total": 5}
    (draft,) = [each for each in drafting.api("/api/drafts", list[Draft]) if each.slug == "sums"]
    assert [each.kind for each in drafting.api(f"/api/drafts/{draft.id}", DraftShown).rounds] == ["draft", "repair"]


def test_what_the_appliance_starts_has_not_the_key_of_the_model(drafting: Box) -> None:
    drafting.deploy("keyless", drafting.spec("listProducts"))
    names = [container["Names"][0] for container in drafting.containers()]
    asked = subprocess.run(("podman", "inspect", "--format={{.State.ConmonPid}}", *names), capture_output=True, text=True, check=True, timeout=60)
    pids = [detached.find(program, run=drafting.config.run) for program in companions(drafting.config)] + asked.stdout.split()
    assert len(pids) > 3
    for pid in pids:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"PATH=" in environment
        assert KEY.encode() not in environment


def test_who_leaves_the_plan_builds_nothing_and_can_come_back(drafting: Box, model: ModelServer) -> None:
    model.then(submitting(drafting.spec("listProducts")))
    with Terminal(drafting, {}, "new", PROMPT, "--slug", "left") as person:
        person.sees("[b]uild left")
        person.types("q")
        draft_id = person.sees(r"takes it up again").split("--again ")[-1].split("`")[0]
    assert "no server" in drafting.bmm("secret", "ls", "left", check=False).stderr
    asked = len(model.requests)
    assert json.loads(drafting.bmm("new", "--again", draft_id, "--json").stdout)["draft"]["status"] == "ready"
    assert len(model.requests) == asked


def test_a_kill_while_the_model_answers_loses_nothing_and_pays_nothing_unasked(drafting: Box, model: ModelServer) -> None:
    spec = drafting.spec("listProducts", "getProduct")
    reply, _ = submitting_by_tool(spec, seconds=300)  # it says nothing more after the first tool
    model.then(reply)
    asked = len(model.requests)
    command = (sys.executable, "-m", "bmm", "new", PROMPT, "--slug", "killed")
    with subprocess.Popen(command, env=drafting.environ, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as new:
        assert new.stdout is not None
        assert any(b"+ listProducts" in line for line in new.stdout)
        drafting.kill()
        drafting.serve()
        _, complaint = new.communicate(timeout=120)
    assert new.returncode != 0
    draft_id = re.search(r"drft_\w+", complaint.decode())
    assert draft_id is not None
    assert "may have been paid" in complaint.decode()
    draft = drafting.api(f"/api/drafts/{draft_id[0]}", DraftShown).draft
    assert (draft.status, draft.error_code, draft.prompt) == ("failed", "draft_interrupted", PROMPT)
    assert len(model.requests) == asked + 1

    model.then(submitting(spec))
    shown = json.loads(drafting.bmm("new", "--again", draft_id[0], "--json").stdout)
    assert (shown["draft"]["status"], len(shown["rounds"])) == ("ready", 2)
    assert len(model.requests) == asked + 2


def test_a_model_that_is_busy_while_the_appliance_is_killed_is_asked_after_it(drafting: Box, model: ModelServer) -> None:
    model.then(failing(529, "overloaded_error", retry_after="120"), submitting(drafting.spec("listProducts")))
    api = Api(drafting.config)
    draft_id = api.post("/api/drafts", msgspec.json.encode(Wish(prompt=PROMPT)), DraftAccepted).draft_id
    steps = (json.loads(data)["step"] for kind, data in api.events(f"/api/drafts/{draft_id}/events") if kind == "event")
    assert "waiting" in steps
    drafting.kill()
    drafting.serve()
    shown = json.loads(drafting.bmm("new", "--again", draft_id, "--json").stdout)
    assert (shown["draft"]["status"], len(shown["rounds"])) == ("ready", 1)


def test_sources_need_no_model(drafting: Box, model: ModelServer, tmp_path: Path) -> None:
    asked = len(model.requests)
    document = tmp_path / "shop.yaml"
    document.write_text((ROOT / "tests/documents/shop.yaml").read_text().replace("shop.test:8081", f"shop.test:{drafting.shop_port}"))
    keyed(drafting, "from-document")
    made = drafting.bmm("new", "--openapi", str(document), "--slug", "from-document", "--yes", "--json")
    assert json.loads(made.stdout)["url"].endswith("/s/from-document/mcp")
    command = f"curl http://shop.test:{drafting.shop_port}/v1/products -H 'X-Api-Key: {SHOP_KEY}'"
    with_curl = drafting.bmm("new", "--curl", command, "--slug", "from-curl", "--yes", "--json")
    url = json.loads(with_curl.stdout)["url"]
    (name,) = [name for name, _ in listed(url, drafting.token("from-curl"))]
    assert not call(url, drafting.token("from-curl"), name).get("isError")
    assert SHOP_KEY.encode() not in (drafting.data / "bmm.db").read_bytes()
    with contextlib.closing(sqlite3.connect(tmp_path / "users.db")) as database:
        database.executescript("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO users VALUES (1, 'Ann');")
    from_file = drafting.bmm("new", "--database", str(tmp_path / "users.db"), "--slug", "from-file", "--yes", "--json")
    url = json.loads(from_file.stdout)["url"]
    assert listed(url, drafting.token("from-file"))
    assert len(model.requests) == asked


def test_without_a_key_a_sentence_is_answered_honestly(box: Box) -> None:
    refused = box.bmm("new", "Read-only access to the users table of my Postgres", check=False)
    assert refused.returncode == 2
    assert "model_key" in refused.stderr
    assert "bmm new --" in refused.stderr


def script(folder: Path, text: str) -> Path:
    path = folder / "editor.py"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


class Terminal:
    """A person at a terminal: a command on a pseudo-terminal, whose output is waited for and who types lines."""

    def __init__(self, box: Box, environ: dict[str, str], *words: str) -> None:
        self._leader, follower = pty.openpty()
        self._process = subprocess.Popen(
            (sys.executable, "-m", "bmm", *words), env=box.environ | environ, cwd=ROOT, stdin=follower, stdout=follower, stderr=follower,
            start_new_session=True,
        )  # fmt: skip
        os.close(follower)
        self._text, self._seen = "", 0

    def sees(self, pattern: str, *, seconds: float = 90) -> str:
        """Wait for a text; returns what was printed until then, since the last time."""
        deadline = time.monotonic() + seconds
        while (at := self._text.find(pattern, self._seen)) < 0:
            ready, _, _ = select.select([self._leader], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"{pattern!r} did not come: {self._text[self._seen :]}"
            try:
                self._text += os.read(self._leader, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError(f"it ended without {pattern!r}: {self._text[self._seen :]}") from None
        found = self._text[self._seen : at + len(pattern)]
        self._seen = at + len(pattern)
        return found

    def types(self, line: str) -> None:
        os.write(self._leader, f"{line}\n".encode())

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._process.kill()
        while True:  # a terminal that nobody reads would keep the command waiting
            try:
                if not os.read(self._leader, 65536):
                    break
            except OSError:
                break
        os.close(self._leader)
        assert self._process.wait(60) == 0 or kind is not None
