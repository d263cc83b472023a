"""`bmm init`: a folder with a small server written by hand, to be changed into one's own."""

import argparse
from importlib.resources import files
from pathlib import Path

from bmm.cli.output import as_json
from bmm.config import Config
from bmm.errors import BadInput

HELP = "write an example of a server with tools in Python into a new folder"
EXAMPLE = "bmm init hello && bmm dev hello && bmm deploy hello --slug hello"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="where; must not exist yet, or be empty")


def run(args: argparse.Namespace, config: Config) -> int:
    folder = Path(args.folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} exists and is not an empty folder; choose another name")
    written = []
    example = files("bmm.cli") / "example"
    for name in ("spec.json", "README.md", "tools/count_words.py", "tools/find_repository.py"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # The code is kept under another ending, so that it is no module of this package.
        path.write_text((example / f"{name}.txt").read_text())
        written.append(str(path))
    if args.json:
        as_json({"files": written})
    else:
        print("\n".join(written), f"\nTry it: bmm dev {folder}\nPublish it: bmm deploy {folder} --slug {folder.name or 'hello'}", sep="\n")
    return 0
