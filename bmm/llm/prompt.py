"""The system prompts: what a spec is (`prompts/spec.md`), and what is to be done (`prompts/KIND.md`)."""

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from bmm.llm.ask import Kind

_FOLDER = Path(__file__).parent / "prompts"


class Prompt(NamedTuple):
    """`common` is the same for every kind, so that a service's cache serves all of them."""

    common: str
    special: str
    version: str
    """Such as `draft 3 spec 5 1f0c9a27`: the numbers in the files, and a hash of both texts."""


@cache
def prompt_for(kind: Kind) -> Prompt:
    special, number = _read(kind)
    common, common_number = _read("spec")
    digest = hashlib.sha256(f"{common}\0{special}".encode()).hexdigest()[:8]
    return Prompt(common, special, f"{kind} {number} spec {common_number} {digest}")


def _read(name: str) -> tuple[str, str]:
    """The text of a file without its first line, and the number in that line: `<!-- version 3 -->`."""
    first, _, text = (_FOLDER / f"{name}.md").read_text().partition("\n")
    return text.strip(), first.removeprefix("<!-- version ").removesuffix(" -->")
