"""Code and texts to check: honest tools, attacks, and texts with and without credentials.

What no check of text can settle is tested where it is held: endless loops, memory and time in tests/unit/runner/test_worker_sandbox.py and
tests/real/test_worker_sandbox.py; a list of tools that changes at run time cannot happen, because the guard answers from the spec
(tests/unit/runner/test_guard_modern.py); the size of an answer in tests/unit/runner/test_answer.py; what a model may answer in tests/unit/llm.
"""

from functools import cache
from pathlib import Path

GOOD = {path.name.partition(".")[0]: path.read_text() for path in sorted((Path(__file__).parent / "good").glob("*.py.txt"))}


@cache
def examples() -> dict[str, str]:
    """The tools that `bmm init` writes."""
    folder = Path(__file__).resolve().parents[2] / "bmm/cli/example/tools"
    return {path.name.partition(".")[0]: path.read_text() for path in sorted(folder.glob("*.py.txt"))}
