"""`bmm check`: what it prints and how it ends."""

import json
from pathlib import Path

import pytest

from bmm.cli import main


def test_the_example_has_nothing_to_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "hello")]) == 0
    assert main(["check", str(tmp_path / "hello")]) == 0
    assert capsys.readouterr().out.endswith("nothing to say\n")


def test_what_blocks_ends_with_1_and_says_the_line_and_the_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = tmp_path / "tool.py"
    code.write_text("import os\nasync def run(args, ctx):\n    return 1\n")
    assert main(["check", str(code)]) == 1
    assert "line 1: The module `os` is not available to tools. (Files and the environment" in capsys.readouterr().out
    assert main(["--json", "check", str(code)]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["level"], found["id"], found["line"]) == ("block", "code.import", 1)


def test_a_schema_that_no_build_takes_blocks_here_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool = {"kind": "python", "name": "one", "description": "One.", "code": "async def run(args, ctx): return 1"}
    spec = tmp_path / "spec.json"
    schema = {"type": "object", "properties": {"a": {"type": "strang"}}}
    spec.write_text(json.dumps({"name": "One", "tools": [tool | {"input_schema": schema}]}))
    assert main(["check", str(spec)]) == 1
    assert "/tools/0/input_schema: This is not a usable JSON Schema" in capsys.readouterr().out


def test_what_is_only_noted_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool = {"kind": "python", "name": "one", "description": "One.", "input_schema": {"type": "object"}, "code": "async def run(args, ctx): return 1"}
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"name": "One", "tools": [tool], "secrets": [{"key": "KEY"}]}))
    assert main(["check", str(spec)]) == 0
    assert "secret.unused" in capsys.readouterr().out


def test_what_cannot_be_read_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tool.py").write_bytes(b"\xff\xfe")
    assert main(["check", str(tmp_path / "tool.py")]) == 2
    assert "UTF-8" in capsys.readouterr().err


def test_the_settings_of_builds_count_here_too(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, spec = tmp_path / "tool.py", tmp_path / "spec.json"
    code.write_text("import os\nasync def run(args, ctx):\n    return 1\n")
    call = {"kind": "http", "name": "one", "description": "One.", "input_schema": {"type": "object"}, "method": "GET", "server": "http://a.test", "path": "/"}
    spec.write_text(json.dumps({"name": "One", "tools": [call], "hosts": [{"name": "a.test", "port": 80, "plain": True}]}))
    assert main(["check", str(spec)]) == 1
    assert '/hosts/0: a.test:80 would be reached without TLS. (An operator can allow that with egress_plain_http = ["a.test:80"]' in capsys.readouterr().out
    monkeypatch.setenv("BMM_EGRESS_PLAIN_HTTP", '["a.test:80"]')
    monkeypatch.setenv("BMM_CODE_CHECKS", "report")
    assert [main(["check", str(each)]) for each in (spec, code)] == [0, 0]
    said = capsys.readouterr().out
    assert "1 finding, 0 of which block (code_checks = report)" in said
    code.write_text("async def run(args, ctx): return )")
    assert main(["check", str(code)]) == 1
