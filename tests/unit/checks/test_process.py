"""The process that reads code: it has little time and memory, can open nothing, and takes only itself down."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

import bmm
from bmm.checks import code as checked
from bmm.checks.code import readings
from tests.checks.bad import HEAVY
from tests.waiting import at_best

TOOL = "async def run(args, ctx): return 1\n"
ROOT = str(Path(bmm.__file__).parent.parent)


@pytest.mark.parametrize("name", HEAVY)
def test_code_that_is_too_much_is_refused_and_what_stands_beside_it_is_read(name: str) -> None:
    before, heavy, after = readings([TOOL, f"{HEAVY[name]}\n{TOOL}", TOOL])
    assert before.said == after.said == ()
    assert {each.level for each in heavy.said} == {"block"}


def test_code_that_ends_the_process_is_to_blame_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    dies = "import bmm.checks.reader.main as m, os\nread = m.read\nm.read = lambda c: os._exit(9) if 'die' in c else read(c)\nm.main()"
    dies = checked._PROGRAM.replace("main()", dies)
    monkeypatch.setattr(checked, "_PROGRAM", dies)
    before, dead, after = readings([TOOL, f"die = 1\n{TOOL}", TOOL])
    assert before.said == after.said == ()
    assert dead.said[0].id == "code.unreadable"


def test_code_that_is_too_long_is_not_looked_at() -> None:
    long = f"x = '{'é' * 3_000_000}'\n{TOOL}"

    def took() -> float:
        began = time.monotonic()
        (found,) = readings([long])
        assert found.said[0].id == "code.unreadable"
        return time.monotonic() - began

    at_best(took, within=1)


def test_half_a_surrogate_pair_in_a_text_is_read_like_any_other() -> None:
    (found,) = readings(["async def run(args, ctx): return '\\ud800'"])
    assert found.said == ()


def test_time_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = "import sys; sys.stdin.readline()\nwhile True: pass"
    monkeypatch.setattr(checked, "_PROGRAM", stuck)
    monkeypatch.setattr(checked, "_SECONDS", 1.0)
    began = time.monotonic()
    (found,) = readings([TOOL])
    assert found.said[0].id == "code.unreadable"
    assert time.monotonic() - began < 30


def test_the_process_can_open_no_file_and_no_socket() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import socket\nfrom bmm.checks.reader import main\nmain.main()\n"
        "for each in (lambda: open('/etc/passwd'), socket.socket, lambda: __import__('os').fork()):\n"
        "    try:\n        each(); print('done')\n    except OSError as error:\n        print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program, ROOT], input=b"", capture_output=True, timeout=60, check=True)
    assert done.stdout.split()[:2] == [b"refused", b"refused"]


def test_the_reader_imports_nothing_of_the_appliance() -> None:
    program = "import sys; sys.path.insert(0, sys.argv[1]); import bmm.checks.reader.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program, ROOT], capture_output=True, text=True, timeout=60, check=True)
    own = {name for name in done.stdout.split() if name.startswith("bmm.") and not name.startswith("bmm.checks")}
    assert own == set()
    assert "socket" not in done.stdout.split()
