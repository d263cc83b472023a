"""The official clients beside Python's: TypeScript, and the command line of the MCP Inspector."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import FOLDER, fixtures
from tests.conformance.conftest import SLUG
from tests.real.appliance import Box

SPEC = fixtures()
TOOLS = [tool.name for tool in SPEC.tools]
TEXT = {"type": "text", "text": "This is a simple text response for testing."}


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
def test_the_typescript_client_connects_lists_and_calls(box: Box, url: str, node: Path, mode: str, version: str) -> None:
    seen = json.loads(_run("node", str(FOLDER / "client.mjs"), url, box.token(SLUG), mode))
    assert seen["tools"] == TOOLS
    assert seen["resources"] == [resource.uri for resource in SPEC.resources]
    assert seen["prompt"] == "Prompt with arguments: arg1='a', arg2='b'"
    assert seen["called"] == [TEXT]
    assert seen["progress"] == [0, 50, 100]
    assert seen["version"] == version


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_lists_and_calls(box: Box, url: str, node: Path, tmp_path: Path, era: str) -> None:
    def inspect(*words: str) -> Any:
        command = ("mcp-inspector", "--cli", url, "--transport", "http", "--protocol-era", era, "--format", "json")
        return json.loads(_run(*command, "--header", f"Authorization: Bearer {box.token(SLUG)}", *words, home=tmp_path))["result"]

    assert [tool["name"] for tool in inspect("--method", "tools/list")["tools"]] == TOOLS
    assert inspect("--method", "tools/call", "--tool-name", "test_simple_text")["content"] == [TEXT]


def _run(*command: str, home: Path | None = None) -> str:
    environ = os.environ | ({"HOME": str(home)} if home else {})
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, env=environ)
    assert done.returncode == 0, f"{done.stdout[-1500:]}{done.stderr[-1500:]}"
    return done.stdout
