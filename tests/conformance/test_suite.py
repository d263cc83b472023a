"""The official conformance suite: both frozen requirement sets, every scored scenario."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

SECONDS = 600
UNTRIED = {
    # Asks for the Mcp-Session-Id that this server never mints, warns that there is none, and tries nothing.
    "2025-11-25": ["server-sse-multiple-streams"],
    "2026-07-28": [],
}
_NAME = re.compile(r"^server-(.+)-\d{4}-\d\d-\d\dT.*$")


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_every_scored_scenario_passes(open_url: str, node: Path, tmp_path: Path, revision: str) -> None:
    command = ("conformance", "server", "--url", open_url, "--requirements", revision, "-o", str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    found = results(tmp_path)
    scored = requirements(node, revision)
    failed = [f"{name}: {each}" for name in scored for each in failures(found.get(name, []))]
    assert failed == [], "\n".join(failed)
    # A scenario without a single success was not held against anything.
    assert [name for name in scored if not any(check["status"] == "SUCCESS" for check in found.get(name, []))] == UNTRIED[revision]
    assert done.returncode == 0, done.stdout[-3000:]


def requirements(node: Path, revision: str) -> list[str]:
    """The scenarios of a revision that count."""
    text = (node / f"@modelcontextprotocol/conformance/requirements/{revision}.yaml").read_text()
    names: list[str] = yaml.safe_load(text)["server"]
    assert len(names) >= 30
    return names


def results(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The checks of every scenario that ran, by its name; a folder is named `server-<scenario>-<time>`."""
    return {_NAME.sub(r"\1", file.parent.name): json.loads(file.read_text()) for file in folder.rglob("checks.json")}


def failures(checks: list[dict[str, Any]]) -> list[str]:
    return [f"{check['id']}: {check.get('errorMessage')}" for check in checks if check["status"] == "FAILURE"]
