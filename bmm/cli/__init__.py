"""The command line: one file per command, `parts` for what several share. It parses, calls and prints; everything else is behind the admin socket."""

import argparse
import contextlib
import importlib
import io
import json
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from bmm.config import load
from bmm.errors import BadInput, BmmError

COMMANDS = (
    "serve", "down", "config", "new", "iterate", "diff", "init", "compile", "check", "call", "dev", "deploy", "ps", "logs", "calls", "secret", "limits",
    "origins", "publish", "unpublish", "server-json", "rollback", "rm", "token", "hold", "egress", "eval",
)  # fmt: skip
"""In the order of the help; each is a module here with HELP, EXAMPLE, arguments(parser) and run(args, config)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 for what went wrong on the way, 2 for what was asked wrongly."""
    words = list(sys.argv[1:] if argv is None else argv)
    _open_standard_streams()
    try:
        parser = _parser(words)
        args, rest = parser.parse_known_args(words)
        if rest:
            raise BadInput(f"unrecognized arguments: {' '.join(rest)}; `{' '.join(('bmm', args.command or '')).strip()} --help` shows how")
        if args.command is None:
            parser.print_help()
            return 2
        code = int(_module(args.command).run(args, load()))
        sys.stdout.flush()  # here, where a full disk can still be told
        return code
    except BmmError as error:
        _complain(error, as_json="--json" in words)
        return 2 if error.permanent else 1
    except (KeyboardInterrupt, EOFError):  # Ctrl-C, or Ctrl-D where an answer was expected
        return 130
    except BrokenPipeError:
        _end_output()  # the reader of our output (`| head`) has seen enough
        return 0
    except OSError as error:
        about = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
        _complain(BmmError(f"That did not work: {about}"), as_json="--json" in words)
        return 1
    except MemoryError:
        _complain(BmmError("There is not enough memory for that"), as_json="--json" in words)
        return 1


def _open_standard_streams() -> None:
    """What the caller closed is /dev/null: nothing to read, and no file or socket gets the number of a standard stream. What is written is UTF-8."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            file = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            os.set_inheritable(file, True)
            setattr(sys, name, os.fdopen(file, mode))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # JSON is UTF-8 whatever the locale says, and a locale without a character that we print must not end a command half-way.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _end_output() -> None:
    """What can still be printed is; a second failure while Python ends would only print noise."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse names Python's types.
        message = message.replace("invalid int value: ", "not a whole number: ").replace("invalid float value: ", "not a number: ")
        raise BadInput(f"{message.rstrip('.')}; `{self.prog} --help` shows how")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        sys.stdout.flush()  # the help, where nobody reading it or a full disk can still be told
        super().exit(status, message)

    def _check_value(self, action: argparse.Action, value: str) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            import difflib

            near = difflib.get_close_matches(value, action.choices, n=2)
            hint = f"near it: {', '.join(near)}; " if near else ""
            raise BadInput(f"there is no command '{self.prog} {value}'; {hint}`{self.prog} --help` lists them all")
        super()._check_value(action, value)

    def _match_arguments_partial(self, actions: Sequence[argparse.Action], arg_strings_pattern: str) -> list[int]:
        """Words that may be missing wait until the last option is read (O in the pattern); argparse would count them as missing before it."""
        counts = super()._match_arguments_partial(actions, arg_strings_pattern)
        while "O" in arg_strings_pattern and counts and not counts[-1]:
            counts.pop()
        return counts


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bmm", description="Describe your tool. We host the server. AI uses it.",
        epilog="example:\n  bmm deploy shop.json --slug shop", formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON for programs instead of text for people")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    # Only the command that was asked for loads its module; the help needs them all.
    asked = next((word for word in words if not word.startswith("-")), None)
    for name in (asked,) if asked in COMMANDS else COMMANDS:
        module = _module(name)
        sub = commands.add_parser(
            name, help=module.HELP, description=module.HELP, epilog=f"example:\n  {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        sub.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for programs instead of text for people"
        )
        module.arguments(sub)
    return parser


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"bmm.cli.{name.replace('-', '_')}")


def _complain(error: BmmError, *, as_json: bool) -> None:
    _end_output()  # in one terminal or file the reason follows what was said before it
    if as_json:
        print(json.dumps({"error": {"code": error.code, "message": error.user_message, "pointer": error.pointer}}), file=sys.stderr)
    else:
        from bmm.cli.parts.output import tame_lines

        place = f" (at {error.pointer})" if error.pointer else ""
        print(tame_lines(f"error: {error.user_message}{place}"), file=sys.stderr)
