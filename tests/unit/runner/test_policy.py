"""The control folder when the process is in a bad way."""

import os
import resource
from pathlib import Path

import msgspec

from runner.guard.policy import Control
from tests.unit.runner.guarded import KEY, jwks, manifest


def test_a_revocation_that_cannot_be_read_now_is_read_later(tmp_path: Path) -> None:
    _put(tmp_path, "manifest.json", manifest())
    _put(tmp_path, "jwks.json", jwks(KEY))
    _put(tmp_path, "policy.json", {})
    said: list[str] = []
    control = Control(tmp_path, log=said.append, now=0)
    _put(tmp_path, "policy.json", {"revoked_grants": ["grt_1"]})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_free = os.open(tmp_path, os.O_RDONLY)
    os.close(next_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_free, hard))
    try:
        control.look(10)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (control.policy.revoked_grants, len(said)) == (frozenset(), 1)
    control.look(20)
    assert control.policy.revoked_grants == {"grt_1"}


def test_a_rate_at_which_nobody_could_call_is_not_taken_over(tmp_path: Path) -> None:
    _put(tmp_path, "manifest.json", manifest())
    _put(tmp_path, "jwks.json", jwks(KEY))
    _put(tmp_path, "policy.json", {"calls_per_minute": 7})
    said: list[str] = []
    control = Control(tmp_path, log=said.append, now=0)
    _put(tmp_path, "policy.json", {"calls_per_minute": 0})
    control.look(10)
    assert (control.policy.calls_per_minute, len(said)) == (7, 1)


def _put(folder: Path, name: str, content: object) -> None:
    (folder / f".{name}").write_bytes(msgspec.json.encode(content))
    (folder / f".{name}").rename(folder / name)
