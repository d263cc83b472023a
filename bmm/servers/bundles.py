"""Bundles: immutable folders named by the hash of what is in them."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from bmm.errors import BadInput
from bmm.servers import uploads
from bmm.servers.control import replace, sync
from runner.contract import ServerSpec, decode_spec, encode_spec


def folder(data: Path, bundle: str) -> Path:
    return data / "bundles" / bundle


def store(data: Path, spec: ServerSpec) -> str:
    """Write a spec's bundle unless it is there; the same spec gives the same name. Returns the name (SHA-256, hex).

    Raises:
        BadInput: a file that the spec names was not uploaded.
    """
    content = encode_spec(spec)
    name = hashlib.sha256(content).hexdigest()
    target = folder(data, name)
    if target.exists():
        return name
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=".partial-"))
    try:
        partial.chmod(0o755)
        replace(partial / "spec.json", content)
        _take_files(data, spec, partial / "files")
        sync(partial)
        partial.rename(target)
        sync(target.parent)  # the store will name it, and must not outlast it in a power cut
    except OSError:
        # Another build of the same spec was quicker; its folder has the same content by its name.
        if not target.exists():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return name


def _take_files(data: Path, spec: ServerSpec, into: Path) -> None:
    files = {database.file for database in spec.databases if database.file}
    if not files:
        return
    into.mkdir(mode=0o755)
    into.chmod(0o755)
    for digest in files:
        try:
            # The same file under a second name: it stays when the upload is forgotten.
            os.link(_kept(data, digest), into / digest)
        except FileNotFoundError:
            raise BadInput(f"The file {digest[:12]}… was not uploaded, or long ago; deploy again with the path of the file") from None
    sync(into)


def _kept(data: Path, digest: str) -> Path:
    """The upload; or the same file in a bundle that took it, because the next version may name it long after."""
    upload = uploads.path_of(data, digest)
    return upload if upload.exists() else next((data / "bundles").glob(f"[!.]*/files/{digest}"), upload)


def load(data: Path, bundle: str) -> ServerSpec:
    """The spec of a bundle."""
    return decode_spec((folder(data, bundle) / "spec.json").read_bytes())
