"""Pages that could rot are held against what they describe: commands and options, settings and defaults, paths, tests, codes, specs, links."""

import argparse
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bmm.cli import COMMANDS, _module, _parser
from bmm.cli.parts.spec_files import with_files
from bmm.config import Config, load
from bmm.drafts.errors import SecretInSpec
from bmm.errors import BmmError
from bmm.llm import errors as model_errors
from runner.contract import decode_spec, spec_schema
from runner.protocol.offers import Offers

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Options of other programs, and of our scripts.
OTHERS = {"--help", "--oauth2-bearer", "--digest", "--cert", "--key", "--seed", "--requests", "--documents", "--rounds", "--seconds", "--system"}
INNER = {"hold", "egress"}
"""Commands that only `bmm serve` types."""


def blocks(text: str) -> Iterator[str]:
    """Fenced code that a person types, without its comments."""
    for language, code in re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE):
        if not language:
            yield code


def lines(code: str) -> Iterator[list[str]]:
    """The words of each `bmm …` in a block, up to a redirection, a pipe or the next command."""
    for line in re.findall(r"(?:^|\(|&& *)(?:[A-Z_]+=\S+ )*(?:bin/)?bmm ((?:'[^']*'|\"(?:[^\"\\]|\\.)*\"|\\\n|[^\n])*)", code, re.MULTILINE):
        words = shlex.shlex(line.replace("\\\n", " "), posix=True, punctuation_chars="()<>|&;")
        words.whitespace_split = True
        said: list[str] = []
        for word in words:
            if set(word) <= set("()<>|&;"):
                break
            said.append(word)
        yield said


def examples() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        yield from ((page.name, words) for code in blocks(page.read_text()) for words in lines(code))
    for name in COMMANDS:
        yield from ((name, words) for words in lines("\n".join(line.strip() for line in _module(name).EXAMPLE.splitlines())))


def options(parser: argparse.ArgumentParser) -> set[str]:
    found: set[str] = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for each in action.choices.values() for option in options(each)}
        found |= {option for option in action.option_strings if option.startswith("--")}
    return found


def options_of(command: str) -> set[str]:
    (commands,) = [action for action in _parser([command])._actions if isinstance(action, argparse._SubParsersAction)]
    return options(commands.choices[command])


def named(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text))


@pytest.mark.parametrize(("place", "words"), list(examples()))
def test_every_command_on_a_page_and_in_the_help_can_be_typed(place: str, words: list[str]) -> None:
    assert _parser(words).parse_args(words).command in COMMANDS, place


def test_every_option_on_a_page_exists_and_every_option_is_on_a_page() -> None:
    said = {option for page in PAGES for option in named(page.read_text())}
    there = {option for command in COMMANDS if command not in INNER for option in options_of(command)}
    assert said - there - OTHERS == set()
    assert there - said - {"--help"} == set()


def test_a_row_of_the_command_line_names_only_options_of_its_command() -> None:
    page = (ROOT / "docs/cli.md").read_text()
    wrong: dict[str, set[str]] = {}
    for row in re.findall(r"^\| (`bmm .*)$", page, re.MULTILINE):
        commands = set(re.findall(r"`bmm ([a-z-]+)", row.split(" | ")[0]))
        allowed = {option for command in commands for option in options_of(command)}
        wrong |= dict.fromkeys(named(row) - allowed, commands)
    assert wrong == {}


def test_every_setting_on_a_page_exists_and_has_the_default_it_says() -> None:
    fields = {field.name: field for field in msgspec.structs.fields(Config)}
    said = {name for page in PAGES for name in re.findall(r"BMM_([A-Z][A-Z_]+)", page.read_text())}
    assert {name.lower() for name in said} - set(fields) == {"config", "venv"}
    computed = {"data_dir", "run_dir", "runtime_dir"}
    for page in ("configuration.md", "model.md"):
        for names, defaults in re.findall(r"^\| (`[a-z_`, ]+`) \| ([^|]*) \|", (ROOT / "docs" / page).read_text(), re.MULTILINE):
            keys, values = re.findall(r"`(\w+)`", names), [value.strip("` ") for value in defaults.split(",")]
            if page == "model.md" and keys[0] not in fields:
                continue  # the table of what can fail
            real = [_shown(fields[key].default) for key in keys]
            assert set(keys) <= computed or defaults.strip() == "" or values == real, (page, keys, real)


def _shown(default: object) -> str:
    text = default if isinstance(default, str) else msgspec.json.encode(default).decode()
    return text.removesuffix(".0") if text.endswith("0.0") else text


def test_every_example_of_settings_can_be_loaded(tmp_path: Path) -> None:
    found = [code for page in PAGES for code in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)]
    assert len(found) >= 4
    for number, code in enumerate(found):
        path = tmp_path / f"{number}.toml"
        path.write_text(code.replace("…", "00"))
        load({"BMM_CONFIG": str(path), "HOME": str(tmp_path), "XDG_RUNTIME_DIR": "/run/user/1000"})


def test_every_path_and_every_test_that_a_page_names_exists() -> None:
    missing = []
    tests = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    for page in PAGES:
        for word in re.findall(r"`([\w./-]+)`", page.read_text()):
            if re.match(r"(bmm|runner|ui|tests|packaging|requirements|docs)/", word):
                there = (ROOT / word).exists() or word.endswith("/x.py")
            elif re.fullmatch(r"test_\w+\.py", word):
                there = any(path.name == word for path in tests)
            elif re.fullmatch(r"test_\w+", word):
                there = any(f"def {word}(" in text for text in tests.values())
            else:
                continue
            if not there:
                missing.append(f"{page.name}: {word}")
    assert missing == []


def test_every_way_a_model_can_fail_is_on_its_page() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", (ROOT / "docs/model.md").read_text().split("## When it fails")[1], re.MULTILINE)
    said = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    kinds = [kind for kind in vars(model_errors).values() if isinstance(kind, type) and issubclass(kind, BmmError)]
    # Not the model's: what is never sent to it.
    unsent = {SecretInSpec.code}
    assert unsent <= said
    assert said - unsent == {kind.code for kind in kinds if kind.__module__ == model_errors.__name__} - {"model_error"}


def test_every_link_and_every_anchor_leads_somewhere() -> None:
    dead = []
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text()):
            aim = (page.parent / target) if target else page
            if not aim.exists() or (anchor and anchor not in anchors(aim)):
                dead.append(f"{page.relative_to(ROOT)}: {target}#{anchor}")
    assert dead == []


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_can_be_reached_from_the_first() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
        found = [Path(os.path.normpath(page.parent / target)) for target in targets]
        waiting += [path for each in found for path in (each.glob("*.md") if each.is_dir() else [each]) if path.suffix == ".md"]
    assert set(PAGES) - seen == set()


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
