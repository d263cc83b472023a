"""The text of a `sql` tool's query taken apart: where its named parameters stand, and that it is one statement of a kind that may run.

The only text that is not looked at is what the database would not read as SQL either: strings, quoted names and comments.
"""

import re
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

DatabaseKind = Literal["postgresql", "mysql", "sqlite"]

READS = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC"})
WRITES = READS | {"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"}
MAX_QUERY = 64 * 1024

_WORD = r"(?P<word>[^\W\d][\w$]*)"
# And nothing more: `1.INTO` and `1.e5INTO` are a number and a word to MySQL.
_NUMBER = r"(?P<number>\d+(?:\.?[eE][+-]?\d+)?)"
_NAME = r"(?<![:\w])(?P<name>:[^\W\d]\w*)"
_END = r"(?P<end>;)"
_BACKSLASHED = r"(?:[^{0}\\]|\\.|{0}{0})*{0}"
# In order; the first that fits is taken. `open` is what begins one of them and never ends.
_PATTERNS: dict[DatabaseKind, str] = {
    "postgresql": r"|".join((
        r"(?P<skip>--[^\n\r]*"
        # A string goes on after a line break, in the manner it began.
        r"|(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'(?:[ \t\f]*[\r\n]\s*'(?:[^'\\]|\\.|'')*')*|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""
        r"|(?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$|::)",
        r"(?P<nested>/\*)", r"(?P<position>(?<![\w$])\$\d+)", r"(?P<open>(?<!\w)[eE]'|['\"]|(?<![\w$])\$(?:[^\W\d]\w*)?\$)", _NAME, _END, _WORD, _NUMBER,
    )),
    "mysql": r"|".join((
        # What such a comment holds is run (MySQL and MariaDB manual, "Comments").
        r"(?P<run>/\*M?!)",
        r"(?P<skip>--(?=[\x00-\x20\x7f]|\Z)[^\n]*|#[^\n]*|/\*.*?\*/|'" + _BACKSLASHED.format("'") + r'|"' + _BACKSLASHED.format('"')
        # `\NINTO` is NULL and a word (MariaDB).
        + r"|`(?:[^`]|``)*`|\\N)",
        r"(?P<open>['\"`]|/\*)", _NAME, _END, _WORD, _NUMBER,
    )),
    "sqlite": r"|".join((
        r"(?P<skip>--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\])",
        r"(?P<position>\?\d*|(?<!\w)[@$][^\W\d]\w*)", r"(?P<open>['\"`\[])", _NAME, _END, _WORD, _NUMBER,
    )),
}  # fmt: skip
_COMMENTS = re.compile(r"/\*|\*/")
_TOKENS = {kind: re.compile(pattern, re.DOTALL) for kind, pattern in _PATTERNS.items()}


class StatementError(ValueError):
    """The query cannot be used; the sentence says why and what to write instead."""


class Statement(Struct, frozen=True, kw_only=True):
    """`parts` is the text around the parameters, one more than there are `names`."""

    parts: tuple[str, ...]
    names: tuple[str, ...]
    words: tuple[str, ...]
    """All bare words in upper case: what is neither quoted nor a parameter."""

    @property
    def distinct(self) -> tuple[str, ...]:
        """Each name once, in the order of first use."""
        return tuple(dict.fromkeys(self.names))

    def numbered(self) -> str:
        """With `$1`, `$2` … in place of the names, as PostgreSQL counts parameters."""
        number = {name: at for at, name in enumerate(self.distinct, 1)}
        return self.with_each(lambda name: f"${number[name]}")

    def with_each(self, said: Callable[[str], str]) -> str:
        """The text with something in place of each name."""
        return self.parts[0] + "".join(said(name) + part for name, part in zip(self.names, self.parts[1:], strict=True))


def parse_query(query: str, kind: DatabaseKind, *, read_only: bool = True) -> Statement:
    """One statement that reads, or, where `read_only` is False, changes rows.

    Raises:
        StatementError: several statements, another kind of statement, or text that has no end.
    """
    if len(query) > MAX_QUERY or "\0" in query:
        raise StatementError(f"a query has at most {MAX_QUERY:,} characters, and no NUL among them")
    parts, names, words, begun, ended = [], [], [], 0, None
    at = 0
    while (found := _TOKENS[kind].search(query, at)) is not None:
        at = found.end()
        kind_of = found.lastgroup
        if kind_of == "nested":
            at = _end_of_comment(query, at)
        elif kind_of in ("open", "run", "position"):
            raise _refused(kind_of or "", found.group())
        elif kind_of == "end":
            ended = found.start() if ended is None else ended
        elif kind_of in ("word", "name", "number") and ended is not None:
            raise StatementError("a tool runs one statement; make a tool of each")
        elif kind_of == "word":
            words.append(found.group().upper())
        elif kind_of == "name":
            parts.append(query[begun : found.start()])
            names.append(found.group()[1:])
            begun = at
    last = query[begun:] if ended is None else query[begun:ended]
    _check_verb(words, kind, read_only=read_only)
    # A comment at the end may lack its line break, and nothing follows.
    return Statement(parts=(*parts, last.rstrip()), names=tuple(names), words=tuple(words))


def _end_of_comment(query: str, at: int) -> int:
    """PostgreSQL's comments nest."""
    depth = 1
    for found in _COMMENTS.finditer(query, at):
        depth += 1 if found.group() == "/*" else -1
        if depth == 0:
            return found.end()
    raise StatementError("a comment has no end")


def _refused(kind_of: str, text: str) -> StatementError:
    if kind_of == "open":
        return StatementError(f"what begins with {text} has no end")
    if kind_of == "run":
        return StatementError(f"comments that begin with {text} are run by the database; write their content as it is")
    return StatementError(f"{text} is a positional parameter; parameters are named, such as :id")


def _check_verb(words: list[str], kind: DatabaseKind, *, read_only: bool) -> None:
    allowed = READS if read_only else WRITES
    if not words or words[0] not in allowed:
        known = ", ".join(sorted(allowed - {"TABLE", "DESC"}))
        also = " with read_only false" if read_only and words and words[0] in WRITES else ""
        raise StatementError(f"a query begins with one of {known}; this one is {words[0] if words else 'empty'}{also and f' (allowed{also})'}")
    # A transaction that only reads still lets MySQL write files on its server.
    if read_only and kind == "mysql" and "INTO" in words:
        raise StatementError("a query that reads has no INTO")
