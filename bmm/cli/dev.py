"""`bmm dev`: the tools of a folder at a prompt, read again when a file changes."""

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

from bmm.cli.parts.outside import command, environment
from bmm.cli.parts.spec_files import files_of, spec_file
from bmm.config import Config
from bmm.errors import BadInput, BmmError

HELP = "call the tools of a folder (or a spec) from a prompt, without deploying; changes count at once"
EXAMPLE = """bmm dev hello
  bmm dev hello --call 'count_words {"text": "one two"}'

Code runs in the same worker process and under the same limits as in a container, but beside your own files, which it can read, and HTTP
requests leave from this machine. Secrets are taken from environment variables of the same name, or from a file of KEY=value lines."""
_LOOK_SECONDS = 0.2


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="a folder with spec.json, or a spec")
    parser.add_argument("--secrets", metavar="FILE", help="lines of KEY=value")
    parser.add_argument("--call", metavar="LINE", help="one call as at the prompt, then end; the exit code says how it went")


def run(args: argparse.Namespace, config: Config) -> int:
    with tempfile.TemporaryDirectory(prefix="bmm-dev-") as place:
        spec = Path(place) / "spec.json"
        source = _Source(args.folder, spec)
        source.write()
        options = ["--spec", str(spec)]
        options += ["--secrets", args.secrets] if args.secrets else []
        options += ["--call", args.call] if args.call is not None else []
        if args.call is None:
            print("This runs outside of a container: code can read your files, and requests leave from this machine.", file=sys.stderr)
        # One call for a program: what went wrong becomes JSON.
        kept = subprocess.PIPE if args.json and args.call is not None else None
        running = subprocess.Popen(command("dev", options, config), env=environment(), stderr=kept)
        ended = threading.Event()
        watching = threading.Thread(target=source.watch, args=(ended,), daemon=True)
        watching.start()
        try:
            # Ctrl-C reaches both, and is for the prompt: it ends a call, or all.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            said = (running.communicate()[1] or b"").decode(errors="replace")
        except KeyboardInterrupt:
            return running.wait()
        finally:
            ended.set()
            watching.join()
        if kept is not None and running.returncode:
            failure = BmmError(said.strip().removeprefix("error: ") or "The call failed")
            failure.permanent = running.returncode == 2
            raise failure
        sys.stderr.write(said)
        return running.returncode


class _Source:
    """The files of a spec, put together into one at `target` whenever they change."""

    def __init__(self, name: str, target: Path) -> None:
        self._name, self._target = name, target
        self._spec = Path(spec_file(name))
        self._named: tuple[str, ...] = ()
        self._seen: dict[Path, tuple[int, int]] = {}
        self._seen = self._state()

    def write(self) -> None:
        """Raises: BadInput."""
        from bmm.builds.check import read_spec
        from bmm.checks.code import CANNOT_RUN, check_code
        from bmm.cli.parts.database_files import with_databases
        from bmm.cli.parts.spec_files import read_spec_document
        from runner.contract import PythonTool

        document = with_databases(read_spec_document(self._name), str(self._spec), self)
        spec = read_spec(document)
        for tool in spec.tools:
            for each in check_code(tool.code) if isinstance(tool, PythonTool) else ():
                if each.id in CANNOT_RUN:
                    raise BadInput(f"The code of {tool.name!r} cannot run: line {each.line}: {each.message}")
                if each.level == "block":
                    print(f"{tool.name}: a deploy would refuse line {each.line}: {each.message} {each.fix}", file=sys.stderr)
        new = self._target.with_suffix(".new")
        new.write_bytes(document)
        new.rename(self._target)

    def put(self, target: str, body: bytes) -> None:
        """Keep a database's file where a deployed one would be uploaded."""
        (self._target.parent / target.rpartition("/")[2]).write_bytes(body)

    def watch(self, ended: threading.Event) -> None:
        while not ended.wait(_LOOK_SECONDS):
            if (state := self._state()) != self._seen:
                self._seen = state
                try:
                    self.write()
                except BmmError as error:
                    print(f"error: {error.user_message}; what ran before goes on", file=sys.stderr)

    def _state(self) -> dict[Path, tuple[int, int]]:
        """Of the spec and of every file it names: when it was changed, and its size."""
        found = _changed((self._spec,))
        if found.get(self._spec) != self._seen.get(self._spec):
            with contextlib.suppress(OSError):
                self._named = files_of(self._spec.read_bytes())
        return found | _changed(self._spec.parent / name for name in self._named)


def _changed(paths: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    found = {}
    for path in paths:
        with contextlib.suppress(OSError, ValueError):  # gone for a moment, or no path at all
            status = path.stat()
            found[path] = status.st_mtime_ns, status.st_size
    return found
