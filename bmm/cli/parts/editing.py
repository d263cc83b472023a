"""A spec in the person's own editor: what is wrong is told with its place, and nothing that was typed is lost."""

import codecs
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import msgspec

from bmm.cli.parts.output import tame
from bmm.errors import BadInput
from runner.contract import ServerSpec, SpecError, decode_spec, encode_spec


def edited(spec: ServerSpec, suggested: ServerSpec) -> ServerSpec:
    """The spec as the person left it; `suggested` where they gave up what they had typed.

    Raises:
        BadInput: no editor could be started.
    """
    with tempfile.TemporaryDirectory(prefix="bmm-") as folder:
        path = Path(folder) / "spec.json"
        whole = msgspec.json.format(encode_spec(spec), indent=2) + b"\n"
        path.write_bytes(whole)
        while True:
            _open(path)
            try:
                return decode_spec(path.read_bytes().removeprefix(codecs.BOM_UTF8))
            except SpecError as error:
                print(f"✗ {tame(error.message)}{f' (at {tame(error.pointer)})' if error.pointer else ''}")
            except OSError as error:  # saved under another name, or deleted
                print(f"✗ The editor left no file: {error.strerror}. It begins again from the spec as it was")
                path.unlink(missing_ok=True)
                path.write_bytes(whole)
            if input("Press Enter to go on editing, or r for the suggestion: ").strip().lower()[:1] == "r":
                return suggested


def _open(path: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        done = subprocess.run([*shlex.split(editor), str(path)], check=False)
    except (OSError, ValueError) as error:
        raise BadInput(f"The editor {editor!r} cannot be started; set EDITOR to the one you use, or build a file with --edit FILE") from error
    if done.returncode != 0:
        raise BadInput(f"The editor {editor!r} ended with an error ({done.returncode}); nothing was changed")
