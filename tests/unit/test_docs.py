"""Pages that could rot are held against what they describe."""

import re
from pathlib import Path

import msgspec

from bmm.cli import COMMANDS, _module
from bmm.config import Config
from runner.contract import spec_schema

ROOT = Path(__file__).resolve().parents[2]


def test_every_setting_is_documented_and_described() -> None:
    page = (ROOT / "docs/configuration.md").read_text()
    described = msgspec.json.schema(Config)["$defs"]["Config"]["properties"]
    for name, schema in described.items():
        assert f"`{name}`" in page, name
        assert schema["description"], name


def test_every_command_is_documented_and_has_an_example() -> None:
    page = (ROOT / "docs/cli.md").read_text()
    for name in COMMANDS:
        module = _module(name)
        assert f"`bmm {name}" in page, name
        assert "bmm " in module.EXAMPLE, name
        assert module.HELP, name


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    dead = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert dead == []


def test_the_published_schema_is_that_of_the_spec() -> None:
    published = msgspec.json.decode((ROOT / "docs/spec.schema.json").read_bytes())
    assert published == msgspec.json.decode(msgspec.json.encode(spec_schema())), "write it again: python -m runner schema > docs/spec.schema.json"
