"""Copies a working tree to where another user may use it: `send` writes what git knows as a tar stream, `receive` makes a folder equal.

    python3 mirror.py send TREE | python3 mirror.py receive FOLDER

Two halves, so that whoever owns the tree only reads and whoever owns the folder only writes. Caches in the folder are kept.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO

CACHES = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", "node_modules", ".git"}


def main(arguments: list[str]) -> None:
    match arguments:
        case ["send", tree]:
            send(Path(tree), sys.stdout.buffer)
        case ["receive", folder]:
            receive(sys.stdin.buffer, Path(folder))
        case _:
            sys.exit(__doc__)


def send(tree: Path, out: IO[bytes]) -> None:
    with tarfile.open(fileobj=out, mode="w|") as archive:
        for name in names(tree):
            # What git remembers may be gone, or be a folder by now.
            if (tree / name).is_symlink() or (tree / name).is_file():
                archive.add(tree / name, arcname=name, recursive=False)


def names(tree: Path) -> list[str]:
    """What is committed or could be; without git, every file that is not in a cache."""
    # A tree that belongs to somebody else is only listed here, nothing of it is run.
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    if (tree / ".git").exists() and shutil.which("git"):
        return subprocess.run(listing, cwd=tree, check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")[:-1]
    found = [path.relative_to(tree) for path in sorted(tree.rglob("*")) if path.is_symlink() or not path.is_dir()]
    return [str(path) for path in found if not CACHES.intersection(path.parts)]


def receive(stream: IO[bytes], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    wanted: set[Path] = set()
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if PurePosixPath(member.name).is_absolute() or ".." in PurePosixPath(member.name).parts:
                raise ValueError(f"{member.name} leads out of the tree")
            place = folder / member.name
            wanted.add(place)
            if (member.isfile() or member.issym()) and not is_same(place, member):
                write(archive, member, place)
    if not wanted:
        sys.exit("error: nothing was sent")
    remove_all_but(wanted, folder)


def is_same(place: Path, member: tarfile.TarInfo) -> bool:
    try:
        found = place.lstat()
    except OSError:
        return False
    if member.issym():
        return place.is_symlink() and str(place.readlink()) == member.linkname
    return member.isfile() and not place.is_symlink() and (found.st_size, int(found.st_mtime), found.st_mode & 0o777) == (
        member.size, int(member.mtime), mode_of(member),
    )  # fmt: skip


def write(archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    for parent in place.parents:
        if parent.is_file():
            parent.unlink()
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f".{place.name}.new")
    fresh.unlink(missing_ok=True)
    if member.issym():
        fresh.symlink_to(member.linkname)
    elif content := archive.extractfile(member):
        with fresh.open("wb") as file:
            shutil.copyfileobj(content, file)
        fresh.chmod(mode_of(member))
        os.utime(fresh, (member.mtime, member.mtime))
    fresh.replace(place)


def mode_of(member: tarfile.TarInfo) -> int:
    # Bundles and code are mounted into containers whose users are strangers here: readable for all, as git would check them out.
    return 0o755 if member.mode & 0o100 else 0o644


def remove_all_but(wanted: set[Path], folder: Path) -> None:
    for current, folders, files in os.walk(folder, topdown=True):
        folders[:] = [name for name in folders if name not in CACHES]
        for name in (*files, *(name for name in folders if (Path(current) / name).is_symlink())):
            if Path(current) / name not in wanted:
                (Path(current) / name).unlink()
    for current, _, _ in os.walk(folder, topdown=False):
        left = Path(current)
        if left != folder and not CACHES.intersection(left.parts) and {path.name for path in left.iterdir()} <= {"__pycache__"}:
            shutil.rmtree(left)


if __name__ == "__main__":
    main(sys.argv[1:])
