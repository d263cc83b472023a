"""How a call's outcome reaches the control plane, and nobody else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bmm.builds.contract.asking import OUTCOME, NoAnswer, call, line_of
from bmm.core.stand_in import stand_in, without_stand_ins
from tests.unit.runner.guarded import Client, GuardProcess, http_tool


def test_the_code_of_a_call_is_told_on_the_private_socket_only(start: Callable[..., GuardProcess]) -> None:
    guard = start()
    said = call(guard.private, http_tool(), {}, 5)
    assert said.code == "invalid_arguments"
    assert said.text.startswith("These arguments do not fit the tool:")
    answer = Client(guard.home.socket).modern("tools/call", {"name": "get_item", "arguments": {}})
    assert answer.json["result"]["isError"]
    assert OUTCOME not in answer.headers


def test_who_is_not_there_gives_no_answer(tmp_path: Path) -> None:
    with pytest.raises(NoAnswer):
        call(tmp_path / "nobody.sock", http_tool(), {}, 1)


def test_the_line_is_the_last_of_the_tool_itself() -> None:
    trace = 'File "tools/a.py", line 3, in run\n  File "/usr/lib/x.py", line 9, in y\n  File "tools/a.py", line 7, in f\nNameError: x'
    assert (line_of(trace, "a"), line_of(trace, "b")) == (7, None)
    assert line_of("the code does not parse: '[' was never closed (a.py, line 2)", "a") == 2


def test_stand_ins_are_shown_as_the_keys_they_stand_for() -> None:
    keys = ["API", "API_KEY"]
    assert without_stand_ins(f"a={stand_in('API')}&b={stand_in('API_KEY')}", keys) == "a=<API>&b=<API_KEY>"
    assert without_stand_ins("Basic not base64", keys) == "Basic not base64"
    assert without_stand_ins("nothing", []) == "nothing"
