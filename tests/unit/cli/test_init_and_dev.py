"""A folder written by hand: made by `bmm init`, run by `bmm dev`, read again when a file changes; and the example of the docs."""

import contextlib
import json
import os
import pty
import re
import select
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from bmm.cli.parts.spec_files import read_spec_document
from bmm.errors import BadInput
from tests.waiting import PATIENCE, eventually

ROOT = Path(__file__).resolve().parents[3]


def bmm(*words: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    # Nothing listens there, so that no example leaves this machine.
    nowhere = {"BMM_CONFIG": "/nonexistent", "BMM_EGRESS_EXCEPTIONS": '{"api.github.com:443": "127.0.0.9"}'}
    return subprocess.run(
        (sys.executable, "-m", "bmm", *words),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
        env=os.environ | nowhere | environ,
    )


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    folder = tmp_path / "hello"
    done = bmm("init", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def test_the_example_is_a_spec_whose_tools_run(hello: Path) -> None:
    done = bmm("dev", str(hello), "--call", 'count_words {"text": "one two one"}')
    assert json.loads(done.stdout) == {"words": 3, "most": {"one": 2, "two": 1}}, done.stderr
    done = bmm("dev", str(hello), "--call", 'find_repository {"query": "x"}')
    assert done.returncode == 1
    assert "api.github.com:443 cannot be reached" in done.stderr
    assert "no GITHUB_TOKEN is set" in done.stderr


def test_one_call_for_a_program_says_what_went_wrong_as_json(hello: Path) -> None:
    for words, code, said in (
        (["--call", "count_words {}"], 1, "`text` is missing"),
        (["--call", "nothing"], 1, "There is no tool 'nothing'"),
        (["--call", "count_words {}", "--secrets", "/nonexistent"], 2, "/nonexistent cannot be read"),
    ):
        done = bmm("dev", str(hello), *words, "--json")
        assert (done.returncode, done.stdout) == (code, "")
        assert said in json.loads(done.stderr)["error"]["message"]


def test_a_folder_with_something_in_it_is_left_alone(hello: Path) -> None:
    done = bmm("init", str(hello))
    assert done.returncode == 2
    assert "not an empty folder" in done.stderr


def test_the_next_steps_of_init_can_be_pasted_whatever_the_folder_is_called(tmp_path: Path) -> None:
    for name, slug in (("My Server", "hello"), ("word-count", "word-count")):
        said = bmm("init", str(tmp_path / name)).stdout
        words = shlex.split(next(line for line in said.splitlines() if line.startswith("Publish it: ")).removeprefix("Publish it: "))
        assert words == ["bmm", "deploy", str(tmp_path / name), "--slug", slug]


def test_call_takes_a_folder_as_the_other_commands_do(tmp_path: Path) -> None:
    asks = {"method": "GET", "server": "https://shop.test", "path": "/ping"}
    tool = {"kind": "http", "name": "ping", "description": "", "input_schema": {"type": "object"}, **asks}
    spec = {"name": "Shop", "tools": [tool], "hosts": [{"name": "shop.test"}]}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    done = bmm("call", "--spec", str(tmp_path), "ping", "--dry-run")
    assert json.loads(done.stdout)["url"] == "https://shop.test/ping", done.stderr


def test_the_prompt_tells_what_is_wrong_and_goes_on(hello: Path) -> None:
    lines = ["tools", "count_words {}", "count_words no", "none {}", 'count_words {"text": " "}', 'count_words {"text": "a"}', "quit"]
    done = bmm("dev", str(hello), stdin="\n".join(lines))
    assert done.returncode == 0
    for words in ("find_repository  Finds", "`text` is missing", "not a JSON object", "no tool 'none'", "error: The text has no words"):
        assert words in done.stderr
    assert json.loads(done.stdout)["words"] == 1


def test_a_line_is_read_as_people_type_it(hello: Path) -> None:
    deep = 'count_words {"text": ' + "[" * 100_000
    done = bmm("dev", str(hello), stdin=f'  tools  \ncount_words\t{{"text": "a b"}} \n{deep}\nquit ')
    assert (done.returncode, json.loads(done.stdout)["words"]) == (0, 2), done.stderr
    assert done.stderr.count("find_repository  Finds") == 2
    assert "There is no tool" not in done.stderr
    assert "The arguments are not a JSON object" in done.stderr


def test_ctrl_c_ends_a_call_and_at_the_prompt_everything(tmp_path: Path) -> None:
    write(tmp_path, "async def run(args, ctx):\n    print('begins')\n    while True: pass")
    with Terminal("dev", str(tmp_path)) as terminal:
        terminal.shows("> ")
        terminal.types("one\n")
        terminal.shows("begins")
        terminal.types("\x03")
        terminal.shows("(ended)")
        terminal.shows("> ")
        terminal.types("\x03")
        assert terminal.ends() == 130
        assert "Traceback" not in terminal.shown


def test_a_reader_that_has_gone_is_no_fault(hello: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    command = (sys.executable, "-m", "bmm", "dev", str(hello), "--call", 'count_words {"text": "a"}')
    done = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True, timeout=120, check=False, cwd=ROOT)
    os.close(writes)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_prompt_outlives_a_schema_that_cannot_be_used(tmp_path: Path) -> None:
    write(tmp_path, "async def run(args, ctx): return 1", input_schema={"type": "object", "properties": {"a": {"$ref": "https://x.test/y"}}})
    done = bmm("dev", str(tmp_path), stdin='one {"a": 1}\nnone\nquit')
    assert done.returncode == 0
    assert "a schema of one cannot be used; correct it" in done.stderr
    assert "no tool 'none'" in done.stderr


def test_a_file_of_secrets_that_is_not_there_is_told(tmp_path: Path) -> None:
    write(tmp_path, "async def run(args, ctx): return 1")
    done = bmm("dev", str(tmp_path), "--secrets", str(tmp_path / "none"), "--call", "one")
    assert done.returncode == 2
    assert f"{tmp_path / 'none'} cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    write(tmp_path, "async def run(args, ctx): return await ctx.secret('KEY')")
    assert bmm("dev", str(tmp_path), "--call", "one", KEY="from-environment").stdout == "from-environment\n"
    (tmp_path / "keys").write_text("# mine\nKEY = from-file\n")
    assert bmm("dev", str(tmp_path), "--secrets", str(tmp_path / "keys"), "--call", "one").stdout == "from-file\n"
    (tmp_path / "bytes").write_bytes(b"KEY=\xff")
    (tmp_path / "words").write_text("# mine\nhush\n")
    for name, said in (("gone", "No such file"), ("bytes", "not text in UTF-8"), ("words", "line 2 is not KEY=value"), ("", "directory")):
        done = bmm("dev", str(tmp_path), "--secrets", str(tmp_path / name), "--call", "one")
        assert done.returncode == 2
        assert said in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr
        assert "hush" not in done.stderr
    assert "There is no tool ''" in bmm("dev", str(tmp_path), "--call", "").stderr
    assert "KEY, which the owner of the server has not set" in bmm("dev", str(tmp_path), "--call", "one").stderr


def test_a_database_in_a_file_is_asked_and_an_output_schema_binds(tmp_path: Path) -> None:
    write(tmp_path, "async def run(args, ctx): return await ctx.sql('main', 'SELECT n FROM t WHERE n > :n', n=1)")
    with contextlib.closing(sqlite3.connect(tmp_path / "numbers.db")) as database, database:
        database.execute("CREATE TABLE t AS SELECT 1 AS n UNION SELECT 2")
    spec = json.loads((tmp_path / "spec.json").read_text())
    spec["databases"] = [{"name": "main", "kind": "sqlite", "file": "numbers.db"}]
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    done = bmm("dev", str(tmp_path), "--call", "one")
    assert done.stdout.split() == ["[", "{", '"n":', "2", "}", "]"], done.stderr
    spec["tools"][0]["output_schema"] = {"type": "array", "maxItems": 0}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    done = bmm("dev", str(tmp_path), "--call", "one")
    assert (done.returncode, done.stdout) == (1, "")
    assert "breaks the tool's own output schema" in done.stderr


@pytest.mark.parametrize("file", ["one.py", "lib/deep/one.py"])
def test_a_saved_file_counts_at_the_next_call(tmp_path: Path, file: str) -> None:
    write(tmp_path, "", file=file)
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("async def run(args, ctx): return 'first'")
    with Prompt(tmp_path) as prompt:
        assert prompt.call("one") == "first"
        (tmp_path / file).write_text("async def run(args, ctx): return 'second'")
        eventually(lambda: prompt.call("one") == "second")
        (tmp_path / file).write_text("async def run(args, ctx): return )")
        time.sleep(0.5)
        assert prompt.call("one") == "second"
        (tmp_path / file).write_text("async def run(args, ctx): return 'third'")
        eventually(lambda: prompt.call("one") == "third")


@pytest.mark.parametrize(
    ("tool", "message"),
    [
        ({"file": "../x.py"}, "outside"),
        ({"file": "gone.py"}, "cannot be read"),
        ({"file": "one.py", "code": "x"}, "one of file and code"),
        ({"file": 7}, "by its path"),
        ({"file": "."}, "not a file"),
    ],
)
def test_a_file_that_cannot_be_taken_is_named(tool: dict[str, Any], message: str, tmp_path: Path) -> None:
    write(tmp_path / "home", "x", **tool)
    (tmp_path / "x.py").write_text("x")
    with pytest.raises(BadInput, match=message) as error:
        read_spec_document(str(tmp_path / "home"))
    assert error.value.pointer == "/tools/0/file"


def test_the_docs_example_works_as_it_is_written(tmp_path: Path) -> None:
    page = (ROOT / "docs/write-a-tool-by-hand.md").read_text()
    named = dict(re.findall(r"`([\w./]+)`:\n\n```\w+\n(.*?)```", page, re.DOTALL))
    assert set(named) == {"spec.json", "tools/loan.py"}
    (tmp_path / "tools").mkdir()
    for name, content in named.items():
        (tmp_path / name).write_text(content)
    (line, shown) = re.findall(r"```\n> (loan .*?)\n(.*?)```", page, re.DOTALL)[0]
    done = bmm("dev", str(tmp_path), "--call", line)
    assert done.stdout.strip() == shown.strip(), done.stderr
    (line, shown) = re.findall(r"```\n> (loan .*?)\n(.*?)```", page, re.DOTALL)[1]
    done = bmm("dev", str(tmp_path), "--call", line)
    assert shown.strip() in done.stderr


def write(folder: Path, code: str, /, **tool: Any) -> None:
    folder.mkdir(exist_ok=True)
    one = {"kind": "python", "name": "one", "description": "", "input_schema": {"type": "object"}, "file": "one.py"} | tool
    (folder / "one.py").write_text(code)
    (folder / "spec.json").write_text(json.dumps({"name": "One", "tools": [one], "secrets": [{"key": "KEY"}]}))


class Terminal:
    """A command at a terminal of its own; `shown` is what it has shown since what was last awaited."""

    def __init__(self, *words: str) -> None:
        self.shown = ""
        self._pid, self._end = pty.fork()
        if not self._pid:
            os.chdir(ROOT)
            os.execv(sys.executable, (sys.executable, "-m", "bmm", *words))

    def types(self, text: str) -> None:
        os.write(self._end, text.encode())

    def shows(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert select.select([self._end], [], [], max(0.0, deadline - time.monotonic()))[0], self.shown
            self.shown += os.read(self._end, 4096).decode()
        self.shown = self.shown.partition(text)[2]

    def ends(self) -> int:
        with contextlib.suppress(OSError):  # its other end is closed
            while select.select([self._end], [], [], PATIENCE)[0]:
                self.shown += os.read(self._end, 4096).decode()
        pid, self._pid = self._pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._end)


class Prompt:
    """`bmm dev`, waiting for lines."""

    def __init__(self, folder: Path) -> None:
        command = (sys.executable, "-m", "bmm", "dev", str(folder))
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
        )
        assert self._process.stdin
        assert self._process.stdout
        self._stdin: IO[str] = self._process.stdin
        self._stdout: Iterator[str] = iter(self._process.stdout)

    def call(self, line: str) -> str:
        self._stdin.write(f"{line}\n")
        self._stdin.flush()
        return next(self._stdout).strip()

    def __enter__(self) -> "Prompt":
        return self

    def __exit__(self, *_: object) -> None:
        self._stdin.close()
        assert self._process.wait(PATIENCE) == 0
        assert self._process.stdout
        self._process.stdout.close()
