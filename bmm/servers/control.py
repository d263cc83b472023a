"""The control folder of a container: what may change while it runs, replaced whole by rename inside the mounted folder."""

import os
import shutil
from pathlib import Path

import msgspec

from runner.contract import Manifest, Policy

HOSTS = "127.0.0.1 localhost\n::1 localhost\n"


def folder(data: Path, container_id: str) -> Path:
    return data / "control" / container_id


def write(path: Path, *, manifest: Manifest, jwks: bytes, policy: Policy) -> None:
    """Make the folder before a container starts."""
    make_readable_folder(path)
    replace(path / "manifest.json", msgspec.json.encode(manifest))
    replace(path / "hosts", HOSTS.encode())
    refresh(path, jwks=jwks, policy=policy)


def refresh(path: Path, *, jwks: bytes, policy: Policy) -> None:
    """Bring keys and policy up to date; files that already say so are not touched."""
    replace(path / "jwks.json", jwks)
    replace(path / "policy.json", msgspec.json.encode(policy, order="sorted"))


def remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def make_readable_folder(path: Path) -> None:
    """A folder that a container, which is another user, can read; what is above it may stay closed."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)


def replace(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put content under a name at once: a reader sees the old or the new, and a power cut leaves one of both."""
    if path.exists() and path.read_bytes() == content:
        return
    partial = path.with_name(f".{path.name}.partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), mode)  # whatever the umask: the container reads it as another user
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


def sync(folder: Path) -> None:
    """Have the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
