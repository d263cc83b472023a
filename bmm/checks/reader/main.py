"""The loop of the process: codes come in as JSON lines, findings go out as JSON lines. Nothing is opened, started or run."""

import ast
import io
import json
import resource
import sys
import warnings

from bmm.checks.reader import source
from bmm.checks.reader.grammar import Grammar
from bmm.checks.reader.rules import Said
from bmm.checks.reader.scopes import Scopes
from bmm.checks.reader.uses import Reader
from bmm.checks.reader.values import Values

SECONDS = 2
MEMORY = 256 << 20
LONGEST = 256 * 1024


def read(code: str) -> dict[str, object]:
    """The findings about one module and what it uses."""
    if len(code) > LONGEST:
        return {"said": [Said("block", "code.unreadable", 1, "It is too long to be read.", "Make several tools of it.")], "uses": None}
    said = source.faults(code)
    if said:
        return {"said": said, "uses": None}
    try:
        tree = ast.parse(code)
        said += source.letters(code)
        scopes = Scopes(tree)
        values = Values(scopes)
        reader = Reader(tree, scopes, values)
        fault = source.signature(tree)
        said += [*Grammar(tree, scopes, values).said, *reader.said, *(() if fault is None else (fault,))]
    except SyntaxError as error:
        return {
            "said": [Said("block", "code.syntax", error.lineno or 1, f"It does not parse: {error.msg}.", "Correct this line.")],
            "uses": None,
        }
    except (ValueError, RecursionError, MemoryError) as error:
        return {
            "said": [Said("block", "code.unreadable", 1, f"It cannot be read: {type(error).__name__}.", "Write it with less nesting.")],
            "uses": None,
        }
    return {"said": sorted(set(said), key=lambda each: (each.line, each.id)), "uses": reader.uses, "literals": source.literals(tree)}


def main() -> None:
    """Answer every line of standard input with one of standard output."""
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(10_000)
    lines = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
    # No file, socket or process can be had from here on.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in lines:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime) + SECONDS + 1, resource.RLIM_INFINITY))
        # Half a surrogate pair, which a text in code may hold, is no JSON for others.
        sys.stdout.buffer.write(json.dumps(read(json.loads(line)), ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        sys.stdout.buffer.flush()
