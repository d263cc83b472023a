"""What commands print for people."""

import pytest

from bmm.cli.parts.output import table


def test_a_table_shows_what_strangers_wrote_without_obeying_it(capsys: pytest.CaptureFixture[str]) -> None:
    table(("TOOL", "OUTCOME"), [("\x1b]0;owned\x07\u202etool\n", "unknown_tool")], empty="none")
    shown = capsys.readouterr().out
    assert shown.splitlines()[1].split() == ["\\x1b]0;owned\\x07\\x202etool\\x0a", "unknown_tool"]
