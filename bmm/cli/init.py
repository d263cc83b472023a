"""`bmm init`: a folder with a small server written by hand, to be changed into one's own."""

import argparse
from importlib.resources import files
from pathlib import Path
from shlex import quote

from bmm.cli.parts.output import as_json
from bmm.config import Config
from bmm.core.slug import SLUG
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
        path.write_bytes((example / f"{name}.txt").read_bytes())
        written.append(str(path))
    if args.json:
        as_json({"files": written})
    else:
        place, name = quote(str(folder)), folder.resolve().name
        slug = name if SLUG.fullmatch(name) else "hello"
        print("\n".join(written), f"\nTry it: bmm dev {place}\nPublish it: bmm deploy {place} --slug {slug}", sep="\n")
    return 0
