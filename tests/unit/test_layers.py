"""The architecture's arrows: imports point down, and each foreign daemon or heavy library has one door."""

import ast
from collections.abc import Iterator
from pathlib import Path

from bmm.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
# Lower number = higher up. A module imports only from its own row or from rows below.
ROWS = {
    "bmm.__main__": 0, "bmm.app": 1, "bmm.cli": 0, "bmm.http": 2, "ui": 3, "bmm.jobs": 4,
    "bmm.builds": 5, "bmm.drafts": 4, "bmm.servers": 6, "bmm.oauth": 6, "bmm.sources": 6, "bmm.llm": 6, "bmm.checks": 6,
    "bmm.edge": 7, "bmm.egress": 7, "bmm.store": 7, "bmm.vault": 7, "bmm.unix_http": 7,
    "bmm.core": 8, "bmm.config": 9, "bmm.errors": 9, "bmm.ids": 9, "runner": 10, "bmm": 11,
}  # fmt: skip
ONE_DOOR = {"huey": "bmm.jobs.queue", "sqlite_utils": "bmm.store.migrations", "aiosqlite": "bmm.store.db", "anthropic": "bmm.llm.client"}
NEVER_IN_THE_PRODUCT = ("mcp", "fastmcp", "pytest", "podman")


def modules(package: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            # `from bmm.store import servers` may name a module or an object; the longer name finds the module's row as well.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def row(name: str) -> int | None:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if (found := ROWS.get(".".join(parts[:length]))) is not None:
            return found
    return None


def test_imports_point_down() -> None:
    wrong = [
        f"{name} imports {target}"
        for package in ("bmm", "ui")
        for name, path in modules(package)
        for target in imports(path)
        if (mine := row(name)) is not None and (theirs := row(target)) is not None and theirs < mine and target != "bmm"
    ]
    assert wrong == []


def test_siblings_that_must_not_know_each_other_do_not() -> None:
    families = ("bmm.servers", "bmm.oauth", "bmm.sources", "bmm.llm", "bmm.edge", "bmm.egress", "bmm.store")
    allowed = {("bmm.servers", "bmm.egress"), ("bmm.servers", "bmm.store"), ("bmm.oauth", "bmm.store")}
    wrong = [
        f"{name} imports {target}"
        for name, path in modules("bmm")
        for target in imports(path)
        for mine in families
        for theirs in families
        if mine != theirs and name.startswith(mine) and target.startswith(f"{theirs}.") and (mine, theirs) not in allowed
    ]
    assert wrong == []


def test_the_runner_knows_nothing_of_the_appliance_and_the_appliance_only_its_contract() -> None:
    up = [f"{name} imports {target}" for name, path in modules("runner") for target in imports(path) if target.split(".")[0] in ("bmm", "ui")]
    down = [
        f"{name} imports {target}"
        for name, path in modules("bmm")
        for target in imports(path)
        # `code.py` copies the package into place and asks only where it lies.
        if target.split(".")[0] == "runner" and not target.startswith("runner.contract") and (name, target) != ("bmm.servers.code", "runner")
    ]
    assert up + down == []


def test_each_heavy_library_has_one_door() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, path in modules("bmm")
        for target in imports(path)
        if (door := ONE_DOOR.get(target.split(".")[0])) is not None and name != door
    ]
    assert wrong == []


def test_nothing_of_the_reference_client_or_the_tests_is_in_the_product() -> None:
    wrong = [
        f"{name} imports {target}"
        for package in ("bmm", "runner", "ui")
        for name, path in modules(package)
        for target in imports(path)
        if target.split(".")[0] in (*NEVER_IN_THE_PRODUCT, "tests")
    ]
    assert wrong == []


def test_the_command_line_reaches_the_store_only_to_serve() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, path in modules("bmm/cli")
        for target in imports(path)
        if target.startswith("bmm.store") or (target.startswith("bmm.app.Appliance") and name != "bmm.cli.serve")
    ]
    assert wrong == []


def test_the_command_line_has_one_file_for_each_command() -> None:
    files = {path.stem.replace("_", "-") for path in (ROOT / "bmm/cli").glob("*.py")} - {"--init--"}
    assert files - {"plan-text"} == set(COMMANDS)


def test_no_file_is_too_long_to_read() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for package in ("bmm", "runner", "ui", "packaging", "tests")
        for _, path in modules(package)
        if (count := len(path.read_text().splitlines())) > 400
    }
    assert long == {}


def test_the_architecture_page_names_what_exists_and_every_package() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    folders = page.split("```tree\n")[1].split("```")[0]
    named = {line.split()[0] for line in folders.splitlines()}
    assert {name for name in named if not (ROOT / name).exists()} == set()
    packages = {str(path.parent.relative_to(ROOT)) for package in ("bmm", "runner") for path in (ROOT / package).glob("*/__init__.py")}
    assert packages - named == set()
