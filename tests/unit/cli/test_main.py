"""Exit codes, and errors as JSON where JSON was asked for."""

import fcntl
import http.server
import json
import os
import socketserver
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bmm.cli import main
from bmm.cli.down import _holder
from bmm.cli.parts.client import Client
from bmm.cli.parts.spec_files import read_document
from bmm.config import Config
from bmm.errors import BadInput, NotReachable
from bmm.http.shapes import MOST_SPEC_BYTES


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CONFIG": tmp_path / "none", "DATA_DIR": tmp_path, "RUN_DIR": "/nonexistent"}.items():
        monkeypatch.setenv(f"BMM_{name}", str(value))


def complaint(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    found: dict[str, str] = json.loads(capsys.readouterr().err)["error"]
    return found


@pytest.mark.parametrize("words", [["ps"], ["logs", "shop"], ["calls", "shop"], ["rm", "shop"], ["rollback", "shop"], ["token", "shop"]])
def test_an_appliance_that_is_not_there_is_exit_1_and_says_what_starts_it(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--json"]) == 1
    assert "bmm serve" in complaint(capsys)["message"]


@pytest.mark.parametrize(
    "words", [["ps", "--nope"], ["token", "shop", "--days", "many"], ["nonsense", "ps"], ["logs"], ["rm", "Not A Slug"], ["eval", "--least", "90"]]
)
def test_what_was_asked_wrongly_is_exit_2_and_json(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--json"]) == 2
    assert complaint(capsys)["code"] == "bad_input"


def test_what_was_asked_wrongly_is_one_line_that_says_where_help_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "shop", "x", "\x1b[31m2"]) == 2
    told = capsys.readouterr().err
    assert told == "error: argument OLDER: not a whole number: 'x'; `bmm diff --help` shows how\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["depoly", "x"], "there is no command 'bmm depoly'; near it: deploy; `bmm --help` lists them all"),
        (["secret", "list", "shop"], "there is no command 'bmm secret list'; near it: ls; `bmm secret --help` lists them all"),
        (["ps", "shop", "--fast"], "unrecognized arguments: shop --fast; `bmm ps --help` shows how"),
        (["--version"], "unrecognized arguments: --version; `bmm --help` shows how"),
        (["compile", "yaml", "x"], "argument KIND: invalid choice: 'yaml' (choose from 'openapi', 'database', 'curl', 'har', 'template')"),
    ],
)
def test_what_is_unknown_is_said_with_the_help_that_fits(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert told in capsys.readouterr().err


def test_output_is_utf_8_whatever_the_locale_says(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("eval('1')")
    environ = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run((sys.executable, "-m", "bmm", "check", f"{tmp_path}/x.py"), env=environ, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.decode().startswith("✗ block")


def test_a_reason_stands_below_what_was_said_before_it(tmp_path: Path) -> None:
    script = "import sys; from bmm.cli import main; print('the plan'); sys.exit(main(['ps']))"
    done = subprocess.run((sys.executable, "-c", script), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    assert done.stdout.startswith(b"the plan\nerror: ")


@pytest.mark.parametrize("words", ["compile openapi -", "compile curl -", "compile har -", "check -", "deploy - --slug x", "new -", "call --spec - x"])
def test_standard_streams_that_are_closed_are_empty(words: str) -> None:
    done = subprocess.run(("sh", "-c", f"exec {sys.executable} -m bmm {words} <&-"), capture_output=True, timeout=60, check=False)
    assert done.returncode in (1, 2)
    assert b"error: " in done.stderr
    assert b"Traceback" not in done.stderr
    full = subprocess.run(("sh", "-c", f"exec {sys.executable} -m bmm config >/dev/full"), capture_output=True, timeout=60, check=False)
    assert (full.returncode, full.stderr) == (1, b"error: That did not work: No space left on device\n")
    full = subprocess.run(("sh", "-c", f"exec {sys.executable} -m bmm ps --help >/dev/full"), capture_output=True, timeout=60, check=False)
    assert (full.returncode, full.stderr) == (1, b"error: That did not work: No space left on device\n")
    closed = subprocess.run(("sh", "-c", f"exec {sys.executable} -m bmm config >&- 2>&-"), timeout=60, check=False)
    assert closed.returncode == 0


@pytest.mark.parametrize("limit", ["0", "-1", "1001"])
def test_as_many_calls_as_nobody_has_are_not_asked_for(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calls", "shop", f"--limit={limit}"]) == 2
    assert f"--limit is from 1 to 1000, not {limit}" in capsys.readouterr().err


@pytest.mark.parametrize("rate", ["90", "-1", "nan"])
def test_a_rate_that_is_none_is_refused_before_a_model_is_asked(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", f"--least={rate}"]) == 2
    assert "from 0 to 1" in capsys.readouterr().err


def test_a_setting_that_is_wrong_is_exit_2_and_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("BMM_PIDS", "none")
    assert main(["config", "--json"]) == 2
    assert "BMM_PIDS" in complaint(capsys)["message"]


def test_every_command_has_an_example_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    from bmm.cli import COMMANDS

    for name in COMMANDS:
        with pytest.raises(SystemExit):
            main([name, "--help"])
        shown = capsys.readouterr().out
        assert "--json" in shown
        assert "example:" in shown


def test_a_spec_too_large_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with (tmp_path / "big.json").open("wb") as file:
        file.truncate(MOST_SPEC_BYTES + 1)
    with pytest.raises(BadInput, match="too large"):
        read_document(str(tmp_path / "big.json"))


def test_a_spec_may_begin_with_a_mark_of_utf_8_and_one_in_utf_16_says_so(tmp_path: Path) -> None:
    (tmp_path / "marked.json").write_bytes(b"\xef\xbb\xbf{}")
    assert read_document(str(tmp_path / "marked.json")) == b"{}"
    (tmp_path / "wide.json").write_text("{}", encoding="utf-16")
    with pytest.raises(BadInput, match="UTF-16; save it as UTF-8"):
        read_document(str(tmp_path / "wide.json"))


@pytest.mark.parametrize(
    ("content", "kind"),
    [("# Shop\nopenapi: 3.1.0\n", "openapi"), ('{\n "swagger": "2.0"}', "openapi"), ("SQLite format 3\0", "database"), ('{"log": {}}', "har")],
)
def test_what_has_to_be_compiled_first_says_how(tmp_path: Path, content: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_text(content)
    for words in (["deploy", str(tmp_path / "x"), "--slug", "x"], ["check", str(tmp_path / "x")], ["call", "--spec", str(tmp_path / "x"), "one"]):
        assert main(words) == 2
        assert f"bmm compile {kind} {tmp_path}/x > spec.json" in capsys.readouterr().err


def test_a_spec_of_one_tool_with_a_mark_of_utf_8_can_be_called(tmp_path: Path) -> None:
    spec = tmp_path / "marked.json"
    spec.write_text('{"name": "One", "tools": []}', encoding="utf-8-sig")
    done = subprocess.run((sys.executable, "-m", "bmm", "call", "--spec", str(spec), "one"), capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert b"a spec must offer something" in done.stderr


def test_a_secret_that_is_no_text_is_refused_without_showing_it(tmp_path: Path) -> None:
    done = subprocess.run(
        (sys.executable, "-m", "bmm", "secret", "set", "shop", "API_KEY"), input=b"hush\xff", capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert b"not UTF-8" in done.stderr
    assert b"hush" not in done.stderr


def test_down_knows_the_process_that_holds_the_folder_and_no_other(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{os.getpid()}\n")
        file.flush()
        assert _holder(lock) == os.getpid()


def test_events_of_an_appliance_that_never_answered_are_an_error() -> None:
    with pytest.raises(Exception, match="bmm serve"):
        next(Client(Config(run_dir="/nonexistent")).events("/api/builds/x/events"))


def test_an_answer_is_waited_for_while_the_appliance_starts_again(tmp_path: Path) -> None:
    class Answering(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b'"ok"')

        def address_string(self) -> str:
            return "admin.sock"

    client = Client(Config(run_dir=str(tmp_path)))
    with pytest.raises(NotReachable):
        client.get("/", str)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(client.get, "/", str, wait=True)
        with socketserver.UnixStreamServer(str(tmp_path / "admin.sock"), Answering) as server:
            server.handle_request()
        assert waiting.result(60) == "ok"


def test_a_deploy_does_not_wait_for_what_compiles() -> None:
    code = "import sys, bmm.cli.deploy, bmm.cli.parts.database_files, bmm.cli.parts.spec_files; sys.exit('bmm.sources' in sys.modules)"
    assert subprocess.run((sys.executable, "-c", code), check=False, timeout=60).returncode == 0
