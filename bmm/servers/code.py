"""The package `runner` as containers mount it: a copy named by the hash of its sources, byte-compiled."""

import compileall
import contextlib
import hashlib
import py_compile
import shutil
import tempfile
from pathlib import Path

import runner

MOUNTED_AT = "/opt/bmm"


def install_runner(data: Path) -> Path:
    """The folder to mount; made when this version of the sources is new."""
    source = Path(runner.__file__).parent
    target = data / "runner" / _digest(source)
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=".partial-"))
    shutil.copytree(source, partial / "runner", ignore=shutil.ignore_patterns("__pycache__"))
    # The folder never changes, so nothing needs to compare times or hashes at start.
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(partial, quiet=2, stripdir=str(partial), prependdir=MOUNTED_AT, invalidation_mode=unchecked)
    for path in (partial, *partial.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with contextlib.suppress(OSError):  # another process was quicker with the same content
        partial.rename(target)
    return target


def _digest(source: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(source.rglob("*.py")):
        content = path.read_bytes()
        total.update(f"{path.relative_to(source)}\0{len(content)}\0".encode() + content)
    return total.hexdigest()[:16]
