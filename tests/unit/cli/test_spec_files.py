"""Resources that name files beside the spec: what is read, and what is refused and how."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bmm.cli.parts.spec_files import read_document, with_files
from bmm.errors import BadInput
from runner.contract import MAX_CONTENT_BYTES, decode_spec

PNG = b"\x89PNG\r\n\x1a\n\0\0"


def written(folder: Path, *resources: dict[str, Any], **more: Any) -> str:
    path = folder / "spec.json"
    spec = {"name": "x", "resources": [{"uri": f"docs://{number}", "name": "n"} | each for number, each in enumerate(resources)]} | more
    path.write_text(json.dumps(spec))
    return str(path)


def read(path: str) -> list[dict[str, Any]]:
    document = with_files(read_document(path), path)
    decode_spec(document)
    found: list[dict[str, Any]] = json.loads(document)["resources"]
    return found


def test_files_become_text_or_blob_with_the_type_their_name_suggests(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/guide.md").write_text("# Grüße")
    (tmp_path / "logo.png").write_bytes(PNG)
    (tmp_path / "latin.txt").write_bytes(b"Gr\xfc\xdfe")
    (tmp_path / "LICENSE").write_text("free")
    (tmp_path / "board.html").write_text("<!doctype html>")
    path = written(
        tmp_path,
        {"file": "docs/guide.md"},
        {"file": "logo.png", "title": "Logo"},
        {"file": "latin.txt", "mime_type": "text/plain;charset=latin-1"},
        {"file": "LICENSE"},
        {"file": "board.html", "uri": "ui://board"},
    )
    guide, logo, latin, bare, board = read(path)
    assert guide == {"uri": "docs://0", "name": "n", "text": "# Grüße", "mime_type": "text/markdown"}
    assert (logo["blob"], logo["mime_type"], logo["title"]) == (base64.b64encode(PNG).decode(), "image/png", "Logo")
    assert (base64.b64decode(latin["blob"]), latin["mime_type"]) == (b"Gr\xfc\xdfe", "text/plain;charset=latin-1")
    assert bare == {"uri": "docs://3", "name": "n", "text": "free"}
    assert "mime_type" not in board


def test_the_folder_is_the_spec_s_wherever_the_person_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/guide.md").write_text("inside")
    (tmp_path / "guide.md").write_text("where the person is")
    written(tmp_path / "a", {"file": "guide.md"})
    monkeypatch.chdir(tmp_path)
    assert read("a/spec.json")[0]["text"] == "inside"
    monkeypatch.chdir(tmp_path / "a")
    assert read("spec.json")[0]["text"] == "inside"


@pytest.mark.parametrize("content", [b'{"name": "x", "resources": [{"text": "t"}]}', b"[]", b'{"resources": 7}', b'{"resources": [7]}'])
def test_a_document_without_files_is_left_as_it_is(content: bytes) -> None:
    assert with_files(content, "-") == content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"tools": [\n  {"file": "a.py"},\n]}', "line 3, column 1"),
        (b'{"tools": [{"file": "a.py"}', "line 1, column 28"),
        (b"{", "line 1, column 2"),
        (b'{"a": NaN}', "invalid character"),
        (b"\xff", "malformed"),
    ],
)
def test_a_document_that_is_not_json_is_told_by_the_place_of_the_fault(content: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=f"^shop.json is not a JSON document: .*{said}"):
        with_files(content, "shop.json")


def test_code_is_taken_as_python_reads_its_file(tmp_path: Path) -> None:
    path = written(tmp_path, tools=[{"file": "one.py"}])
    (tmp_path / "one.py").write_bytes(b"\xef\xbb\xbfa = 1\r\nb = '\r'\r\n")
    assert json.loads(with_files(read_document(path), path))["tools"] == [{"code": "a = 1\nb = '\r'\n"}]
    for nothing in (b"", b" \n", b"\xef\xbb\xbf\n"):
        (tmp_path / "one.py").write_bytes(nothing)
        with pytest.raises(BadInput, match=r"one\.py is empty"):
            with_files(read_document(path), path)


@pytest.mark.parametrize("file", ["../secret", "/etc/hostname", "link", "folder/link", "docs/../../secret"])
def test_nothing_outside_the_folder_is_read(tmp_path: Path, file: str) -> None:
    home = tmp_path / "home"
    (home / "docs").mkdir(parents=True)
    (tmp_path / "secret").write_text("hush")
    (home / "link").symlink_to("../secret")
    (home / "folder").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to("secret")
    with pytest.raises(BadInput, match="outside the folder") as refused:
        read(written(home, {"file": file}))
    assert refused.value.pointer == "/resources/0/file"


def test_a_link_that_stays_inside_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.md").write_text("real")
    (tmp_path / "link.md").symlink_to("real.md")
    assert read(written(tmp_path, {"file": "link.md"}))[0]["text"] == "real"


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ({"file": "missing.md"}, "missing.md cannot be read: No such file"),
        ({"file": "."}, "not a file"),
        ({"file": "pipe"}, "not a file"),
        ({"file": "loop"}, "cannot be read"),
        ({"file": ""}, "named by its path"),
        ({"file": "a\0b"}, "named by its path"),
        ({"file": 7}, "named by its path"),
        ({"file": "ok.md", "text": "t"}, "one of file, text and blob"),
        ({"file": "large.md"}, "too large"),
        ({"file": "large.png"}, "too large"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(tmp_path: Path, resource: dict[str, Any], words: str) -> None:
    (tmp_path / "ok.md").write_text("ok")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "large.md").write_text("x" * (MAX_CONTENT_BYTES + 1))
    (tmp_path / "large.png").write_bytes(b"\0" * (MAX_CONTENT_BYTES // 4 * 3 + 1))
    with pytest.raises(BadInput, match=words) as refused:
        read(written(tmp_path, {"file": "ok.md"}, resource))
    assert refused.value.pointer == "/resources/1/file"


def test_the_largest_files_fit(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x" * MAX_CONTENT_BYTES)
    (tmp_path / "binary").write_bytes(b"\0" * (MAX_CONTENT_BYTES // 4 * 3))
    text, binary = read(written(tmp_path, {"file": "text"}, {"file": "binary"}))
    assert len(text["text"]) == len(binary["blob"]) == MAX_CONTENT_BYTES


def test_deploying_files_from_standard_input_is_exit_2_with_the_place() -> None:
    spec = b'{"name": "x", "resources": [{"uri": "docs://a", "name": "a", "file": "a.md"}]}'
    command = (sys.executable, "-m", "bmm", "deploy", "-", "--slug", "x", "--json")
    done = subprocess.run(command, input=spec, capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    error = json.loads(done.stderr)["error"]
    assert error["pointer"] == "/resources/0/file"
    assert "standard input" in error["message"]


def test_calling_a_tool_of_a_spec_that_names_files(tmp_path: Path) -> None:
    tool = {"kind": "http", "name": "get", "description": "d", "method": "GET", "server": "https://a.test", "path": "/x"}
    (tmp_path / "guide.md").write_text("ä")
    parts: dict[str, Any] = {"tools": [tool | {"input_schema": {"type": "object"}}], "hosts": [{"name": "a.test"}]}
    command = (sys.executable, "-m", "bmm", "call", "--spec", written(tmp_path, {"file": "guide.md"}, **parts), "get", "--dry-run")
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["url"] == "https://a.test/x"
