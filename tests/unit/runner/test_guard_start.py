"""What a guard needs to start, and what it says when it cannot."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runner.contract import SqlTool, encode_spec
from tests.unit.runner.guarded import KEY, Client, GuardProcess, Home, ask, jwks, spec
from tests.waiting import PATIENCE, eventually

SQL = SqlTool(name="query", description="d", input_schema={"type": "object"}, query="select 1", database="db")
WEAK = {"keys": [{"kty": "RSA", "kid": "k1", "e": "AQAB", "n": "u" * 170 + "w"}]}


def test_ready_is_said_once_both_sockets_answer(start: Callable[..., GuardProcess]) -> None:
    guard = start(wait=False)
    assert guard.ready()
    assert Client(guard.home.socket).modern("tools/list").status == 200
    assert ask(guard.private, method="GET", target="/health").status == 200
    assert guard.home.events()[0] | {"at": ""} == {
        "type": "log",
        "at": "",
        "level": "info",
        "message": "version 3 answers with 1 tool",
        "tool": None,
    }


def test_a_request_that_came_before_the_guard_is_answered(start: Callable[..., GuardProcess]) -> None:
    home = Home()
    client = Client(home.socket)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.modern, "tools/list")
        start(home, wait=False)
        assert waiting.result(PATIENCE).status == 200


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        pytest.param("app/spec.json", encode_spec(spec(SQL)), "asks the database 'db', which /databases does not list", id="sql"),
        pytest.param("app/spec.json", b"{}", "missing required field", id="not a spec"),
        pytest.param("app/spec.json", None, "spec.json", id="no spec"),
        pytest.param("control/manifest.json", b"{", "control", id="not a manifest"),
        pytest.param("control/manifest.json", None, "manifest.json", id="no manifest"),
        pytest.param("control/jwks.json", None, "jwks.json", id="no keys"),
        pytest.param("control/jwks.json", msgspec.json.encode(WEAK), "shorter than 2048 bits", id="a weak key"),
        pytest.param("control/policy.json", b'{"paused":5}', "control", id="not a policy"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_clear_line(name: str, content: bytes | None, sentence: str) -> None:
    home = Home()
    path = home.folder / name
    path.unlink() if content is None else path.write_bytes(content)
    guard = GuardProcess(home, wait=False)
    assert not guard.ready()
    assert guard.wait() == 78
    line = home.events()[-1]
    assert line["level"] == "error"
    assert line["message"].startswith("the server cannot start: ")
    assert sentence in line["message"]
    assert guard.errors.read_text() == f"error: {line['message']}\n"
    home.close()


def test_no_policy_is_an_empty_one_until_there_is_one(start: Callable[..., GuardProcess]) -> None:
    home = Home()
    (home.folder / "control/policy.json").unlink()
    start(home)
    client = Client(home.socket)
    assert client.modern("tools/list").status == 200
    home.put("policy.json", {"revoked_grants": ["grt_1"]})
    eventually(lambda: client.modern("tools/list").status == 401)


def test_a_memory_file_of_another_form_stops_the_start_and_is_not_printed() -> None:
    home = Home()
    guard = GuardProcess(home, secrets={"A": 5}, wait=False)  # type: ignore[dict-item]
    assert not guard.ready()
    assert guard.wait() == 78
    assert guard.errors.read_text() == "error: the server cannot start: the memory file does not hold secrets and a key\n"
    home.close()


def test_the_process_cannot_be_read_and_keeps_no_secret_descriptor(start: Callable[..., GuardProcess]) -> None:
    # An undumpable process belongs to root in /proc, whoever runs it: as root the test runs it as somebody else.
    ordinary = ("/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.getuid() == 0 else ()
    home = Home()
    home.folder.chmod(0o755)
    guard = start(home, secrets={"A": "b"}, prefix=ordinary)
    assert Path(f"/proc/{guard.pid}").stat().st_uid != 0
    assert Path(f"/proc/{guard.pid}/mem").stat().st_uid == 0
    if os.getuid() == 0:
        assert not any("memfd" in os.readlink(entry) for entry in Path(f"/proc/{guard.pid}/fd").iterdir())


def test_a_stop_during_the_start_ends_it(start: Callable[..., GuardProcess]) -> None:
    guard = start(wait=False)
    guard.signal(signal.SIGTERM)
    assert guard.wait() in (0, -signal.SIGTERM)


def test_a_key_set_with_keys_for_other_uses_is_read(start: Callable[..., GuardProcess]) -> None:
    home = Home()
    others: list[dict[str, Any]] = [{"kty": "EC", "kid": "e", "crv": "P-256"}, {**KEY.as_dict(private=False), "kid": "x", "use": "enc"}]
    home.put("jwks.json", {"keys": [*others, *jwks(KEY)["keys"]]})
    start(home)
    assert Client(home.socket).modern("tools/list").status == 200
