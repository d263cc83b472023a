"""What the front door itself refuses."""

import json
import os
import subprocess
from pathlib import Path

import httpx2
import pytest

from bmm.config import Config
from bmm.edge import plan
from tests.real.appliance import Box


@pytest.mark.parametrize("size", [5 << 20, 20 << 20])
def test_a_body_that_is_too_large_is_refused_in_words(box: Box, size: int) -> None:
    url = box.deploy("large", box.spec("listProducts"))
    headers = {"Authorization": f"Bearer {box.token('large')}", "Content-Type": "application/json"}
    answer = httpx2.post(url, content=b" " * size, headers=headers, timeout=90)
    assert answer.status_code == 413
    assert "error" in answer.json()


def test_caddy_leaves_half_of_the_cores_to_the_servers(box: Box) -> None:
    pid = (box.run / "caddy.pid").read_text().split()[0]
    environ = Path(f"/proc/{pid}/environ").read_text().split("\0")
    assert f"GOMAXPROCS={max(1, len(os.sched_getaffinity(0)) // 2)}" in environ
    assert "GOMEMLIMIT=512MiB" in environ


@pytest.mark.parametrize("public_url", ["http://localhost:8080", "https://mcp.example.com"])
def test_the_front_door_waits_ten_seconds_for_a_head_and_demands_tls_where_it_has_it(
    components: None, tmp_path: Path, public_url: str
) -> None:
    config = Config(public_url=public_url, listen="127.0.0.1:8443", run_dir="/run/bmm", data_dir="/var/lib/bmm")
    (tmp_path / "Caddyfile").write_text(plan.caddyfile(config, ("127.0.0.1",), plan.TEMPLATE.read_text()))
    command = ("caddy", "adapt", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile")
    adapted = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode()
    (door,) = json.loads(adapted)["apps"]["http"]["servers"].values()
    assert door["read_header_timeout"] == 10_000_000_000
    assert "read_timeout" not in door  # Go ends streams with it that are being answered.
    assert ('"Strict-Transport-Security":["max-age=31536000"]' in adapted) == public_url.startswith("https")
