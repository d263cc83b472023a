"""Bundles: immutable folders named by the hash of what is in them."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from bmm.servers.control import replace, sync
from runner.contract import ServerSpec, decode_spec, encode_spec


def folder(data: Path, bundle: str) -> Path:
    return data / "bundles" / bundle


def store(data: Path, spec: ServerSpec) -> str:
    """Write a spec's bundle unless it is there; the same spec gives the same name. Returns the name (SHA-256, hex)."""
    content = encode_spec(spec)
    name = hashlib.sha256(content).hexdigest()
    target = folder(data, name)
    if target.exists():
        return name
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=".partial-"))
    partial.chmod(0o755)
    replace(partial / "spec.json", content)
    sync(partial)
    try:
        partial.rename(target)
        sync(target.parent)  # the store will name it, and must not outlast it in a power cut
    except OSError:
        # Another build of the same spec was quicker; its folder has the same content by its name.
        shutil.rmtree(partial)
        if not target.exists():
            raise
    return name


def load(data: Path, bundle: str) -> ServerSpec:
    """The spec of a bundle."""
    return decode_spec((folder(data, bundle) / "spec.json").read_bytes())
