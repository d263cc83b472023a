"""The value of a secret at a terminal, which gives one line at a time."""

import os
import pty
import sys

import pytest

READ = "from bmm.cli.secret import _read_value; print('got', _read_value('SHOP_KEY'))"


@pytest.mark.parametrize(
    ("typed", "said"), [(b"one line\n", b"got one line"), (b"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n", b"has several lines")]
)
def test_a_value_of_several_lines_is_not_taken_from_a_terminal(typed: bytes, said: bytes) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", READ])
    shown = b""
    while b"SHOP_KEY: " not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, typed)
    try:
        while said not in shown:
            shown += os.read(terminal, 1000)
    except OSError:
        pass  # Linux: the other side has ended.
    os.waitpid(child, 0)
    os.close(terminal)
    assert said in shown
    assert b"MIIE" not in shown
