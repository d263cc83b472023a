"""Pages that could rot are held against what they describe."""

import re
from pathlib import Path

import msgspec

from bmm.cli import COMMANDS, _module
from bmm.cli.spec_files import with_files
from bmm.config import Config
from runner.contract import decode_spec, spec_schema
from runner.protocol.offers import Offers

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


def test_every_spec_on_the_page_about_resources_and_prompts_can_be_deployed(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/rules.md").write_text("Rules")
    (tmp_path / "docs/logo.png").write_bytes(b"\x89PNG")
    page = (ROOT / "docs/resources-and-prompts.md").read_text()
    blocks = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    specs = [decode_spec(with_files(block.encode(), str(tmp_path / "guide.json"))) for block in blocks]
    assert len(specs) == 5
    family = specs[2]
    assert b"Greet Jo\xc3\xa3o in pt." in Offers(family).read("guide://pt/hello/Jo%C3%A3o")
