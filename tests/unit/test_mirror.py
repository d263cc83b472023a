"""A working tree copied for another user: what is sent, and that the copy becomes equal to it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MIRROR = Path(__file__).resolve().parents[2] / "packaging" / "mirror.py"


def test_the_copy_holds_what_git_knows_and_what_is_new_but_not_what_is_ignored(tree: Path, tmp_path: Path) -> None:
    mirror(tree, tmp_path / "copy")
    assert contents(tmp_path / "copy") == {".gitignore": "*.log\n", "a.py": "one", "deep/b.sh": "two", "new.txt": "three"}
    assert os.access(tmp_path / "copy/deep/b.sh", os.X_OK)


def test_what_is_gone_from_the_tree_goes_from_the_copy_and_caches_stay(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    mirror(tree, copy)
    (copy / "deep/__pycache__").mkdir()
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__/a.pyc").touch()
    (copy / "left-over").touch()
    (tree / "deep/b.sh").unlink()
    mirror(tree, copy)
    assert sorted(path.name for path in copy.iterdir()) == [".gitignore", "__pycache__", "a.py", "new.txt"]
    assert (copy / "__pycache__/a.pyc").exists()


def test_a_changed_file_is_replaced_and_an_unchanged_one_is_left_alone(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    mirror(tree, copy)
    before = {name: (copy / name).stat().st_ino for name in ("a.py", "new.txt")}
    (tree / "a.py").write_text("changed")
    mirror(tree, copy)
    assert (copy / "a.py").read_text() == "changed"
    assert (copy / "a.py").stat().st_ino != before["a.py"]
    assert (copy / "new.txt").stat().st_ino == before["new.txt"]


def test_a_file_that_became_a_folder_and_back_is_followed(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    mirror(tree, copy)
    (tree / "a.py").unlink()
    (tree / "a.py").mkdir()
    (tree / "a.py/inner").write_text("x")
    mirror(tree, copy)
    assert (copy / "a.py/inner").read_text() == "x"
    (tree / "a.py/inner").unlink()
    (tree / "a.py").rmdir()
    (tree / "a.py").write_text("one")
    mirror(tree, copy)
    assert (copy / "a.py").read_text() == "one"


def test_a_tree_without_git_is_copied_too(tmp_path: Path) -> None:
    (tmp_path / "tree/__pycache__").mkdir(parents=True)
    (tmp_path / "tree/__pycache__/a.pyc").touch()
    (tmp_path / "tree/a.py").write_text("one")
    (tmp_path / "tree/link").symlink_to("a.py")
    mirror(tmp_path / "tree", tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["a.py", "link"]
    assert (tmp_path / "copy/link").readlink() == Path("a.py")


def test_an_empty_stream_removes_nothing(tree: Path, tmp_path: Path) -> None:
    mirror(tree, tmp_path / "copy")
    receiver = [sys.executable, str(MIRROR), "receive", str(tmp_path / "copy")]
    ended = subprocess.run(receiver, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert ended.returncode != 0
    assert (tmp_path / "copy/a.py").exists()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    for name, content in {".gitignore": "*.log\n", "a.py": "one", "deep/b.sh": "two", "new.txt": "three", "noise.log": "four"}.items():
        (tree / name).write_text(content)
    (tree / "deep/b.sh").chmod(0o755)
    for command in (["init", "-q"], ["add", "a.py", "deep"]):
        subprocess.run(["git", *command], cwd=tree, check=True, timeout=60)
    return tree


def mirror(tree: Path, copy: Path) -> None:
    sent = subprocess.run([sys.executable, MIRROR, "send", tree], check=True, capture_output=True, timeout=60).stdout
    subprocess.run([sys.executable, MIRROR, "receive", copy], input=sent, check=True, timeout=60)


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
