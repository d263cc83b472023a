"""The text of code before it is parsed: what would show a reader something else than what runs."""

import ast
import io
import re
import tokenize
import unicodedata

from bmm.checks.reader.nodes import is_generator
from bmm.checks.reader.rules import Said

_COOKIE = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.ASCII)


def faults(code: str) -> list[Said]:
    """Control, bidirectional and invisible characters, cookies, and letters that look like others."""
    found: list[Said] = []
    for number, line in enumerate(code.split("\n"), 1):
        odd = next((each for each in line if _is_hidden(each)), None)
        if odd is not None:
            found.append(
                _block(
                    "hidden",
                    number,
                    f"There is a character that nobody sees (U+{ord(odd):04X}).",
                    "Write it as an escape, such as \\u200b.",
                )
            )
        elif number <= 2 and _COOKIE.match(line):
            found.append(_block("coding", number, "The code names an encoding.", "Leave it out; code is UTF-8."))
    if not unicodedata.is_normalized("NFC", code):
        found.append(_block("hidden", 1, "The code is not in the normal form NFC.", "Normalise it."))
    indents = {line[0] for line in code.split("\n") if line[:1] in (" ", "\t")}
    if len(indents) > 1:
        found.append(_block("tabs", 1, "Lines are indented with tabs and with spaces.", "Use spaces."))
    return found


def _is_hidden(each: str) -> bool:
    if each in "\t" or " " <= each <= "~":
        return False
    return unicodedata.category(each) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") or "\U000e0100" <= each <= "\U000e01ef"


def letters(code: str) -> list[Said]:
    """Names in other letters than ASCII, which Python may take for names in ASCII. The code must be one that parses."""
    if code.isascii():
        return []
    found = []
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        # An f-string is one token, with names inside.
        in_text = token.type == tokenize.STRING and "f" in token.string[:3].lower() and _looks_ascii(token.string)
        if (token.type == tokenize.NAME and not token.string.isascii()) or in_text:
            found.append(_block("hidden", token.start[0], "A name is written in letters that look like others.", "Use the letters A to Z."))
    return found


def _looks_ascii(text: str) -> bool:
    return any(
        not each.isascii() and unicodedata.normalize("NFKC", each).isascii() and unicodedata.normalize("NFKC", each).isalpha()
        for each in text
    )


def _block(rule: str, line: int, message: str, fix: str) -> Said:
    return Said("block", f"code.{rule}", line, message, fix)


def signature(tree: ast.Module) -> Said | None:
    """What keeps `run` from being called as the worker calls it."""
    runs = [each for each in tree.body if isinstance(each, ast.AsyncFunctionDef | ast.FunctionDef) and each.name == "run"]
    if not runs:
        return _block("run", 1, "It does not define `async def run(args, ctx)`.", "Define it at the left margin.")
    run = runs[-1]
    if run.decorator_list:
        return _block(
            "run", run.lineno, "`run` has a decorator, which may put another function in its place.", "Decorate a function that it calls."
        )
    if len(runs) > 1 or any(isinstance(each, ast.Name | ast.alias) and _names_run(each) for each in ast.walk(tree)):
        return _block("run", run.lineno, "`run` is more than this function.", "Use the name only once.")
    if is_generator(run):
        return _block(
            "run", run.lineno, "`run` yields, and its one answer is what it returns.", "Collect the parts in a list and return it."
        )
    if isinstance(run, ast.FunctionDef):
        return _block("run", run.lineno, "`run` must be `async def run(args, ctx)`.", "Write `async` before it.")
    named = run.args
    given = len(named.posonlyargs) + len(named.args)
    keywords = [each for each, default in zip(named.kwonlyargs, named.kw_defaults, strict=True) if default is None]
    if given - len(named.defaults) > 2 or (given < 2 and named.vararg is None) or keywords:
        return _block("run", run.lineno, "`run` must take two arguments: `async def run(args, ctx)`.", "Give it `args` and `ctx`.")
    return None


def _names_run(node: ast.Name | ast.alias) -> bool:
    if isinstance(node, ast.Name):
        return node.id == "run" and not isinstance(node.ctx, ast.Load)
    return (node.asname or node.name) == "run"


def literals(tree: ast.Module) -> str:
    """Every text of the code after the other, and every list of numbers that is one: what a key may be made of."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and len(node.value) < 500:
            found.append(node.value if isinstance(node.value, str) else node.value.decode("latin-1"))
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            numbers = [
                each.value
                for each in node.elts
                if isinstance(each, ast.Constant) and isinstance(each.value, int) and 32 <= each.value < 127
            ]
            if len(numbers) >= 12 and len(numbers) == len(node.elts):
                found.append("".join(map(chr, numbers)))
    return "".join(found)[:500_000]
