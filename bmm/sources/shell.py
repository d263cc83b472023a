"""The words of shell commands, as bash would read them; nothing is expanded or run: a variable is marked, not replaced."""

import re

from msgspec import Struct

from bmm.errors import BadInput
from bmm.sources.credentials import CLOSE, OPEN

_ESCAPES = {
    "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v", "\\": "\\", "'": "'", '"': '"', "?": "?",
}  # fmt: skip
_CODED = re.compile(r"x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|c(.)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*|[0-9@*#?$!-]")
_END = frozenset("\n;|&()")
_REDIRECTION = re.compile(r"[0-9&]?>>?(&[0-9-])?|<<<|<<-?(?=\s*[\"'\\]?\w)")
_SPACE = frozenset(" \t\r")


class UnreadableCommand(BadInput):
    """Not a shell command as far as it was read: a quote that never closes, or another shell's way to write it."""


class Words(Struct, frozen=True, kw_only=True):
    """One command: its words, each with whether any of it was quoted and where it stands in the text; `stdin` is what a script gives it."""

    words: tuple[str, ...]
    quoted: tuple[bool, ...]
    starts: tuple[int, ...]
    end: int
    stdin: str | None = None


def split(text: str) -> list[Words]:
    """The commands of a script: separated by line breaks, `;`, `|`, `&&` and `||`; comments and redirections are left out.

    A variable or a substitution outside single quotes becomes `OPEN name CLOSE`.

    Raises:
        UnreadableCommand: a quote is never closed.
    """
    reader, found = _Reader(text), []
    while not reader.done:
        if (words := reader.command()).words:
            found.append(words)
    return found


def first(text: str) -> Words:
    """The command a text begins with, whatever follows it."""
    return _Reader(text).command()


class _Reader:
    def __init__(self, text: str) -> None:
        # Halves of surrogate pairs and our own marks become question marks, one for one.
        self._text = text.encode("utf-8", "replace").decode().translate({ord(OPEN): "?", ord(CLOSE): "?"})
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._text)

    def command(self) -> Words:
        words: list[tuple[str, bool, int]] = []
        end, stdin = self._at, None
        while not self.done:
            here = self._text[self._at]
            if here in _SPACE:
                self._at += 1
            elif self._text.startswith(("\\\n", "\\\r\n"), self._at):
                self._at = self._text.index("\n", self._at) + 1
            elif here == "#":
                self._skip_line()
            elif here in _END:
                self._at += 1
                break
            elif (match := _REDIRECTION.match(self._text, self._at)) is not None:
                self._at = match.end()
                if match.group() == "<<<":
                    self._skip_spaces()
                    stdin = self._word()[0]
                elif match.group().startswith("<<"):
                    stdin = self._document(tabs=match.group().endswith("-"))
                elif match.group(1) is None:
                    self._skip_spaces()
                    self._word()
            else:
                start = self._at
                words.append((*self._word(), start))
                end = self._at
        return Words(
            words=tuple(each[0] for each in words), quoted=tuple(each[1] for each in words), starts=tuple(each[2] for each in words),
            end=end, stdin=stdin,
        )  # fmt: skip

    def _document(self, *, tabs: bool) -> str:
        """A here-document: its lines are taken out of the text, so that the rest of the command's own line is read next."""
        self._skip_spaces()
        begun = self._at
        delimiter, quoted = self._word()
        quoted = quoted or "\\" in self._text[begun : self._at]
        start = self._text.find("\n", self._at) + 1
        if not start:
            raise self._open("<<")
        lines: list[str] = []
        for line in self._text[start:].splitlines(keepends=True):
            start += len(line)
            plain = line.rstrip("\r\n")
            if (plain.lstrip("\t") if tabs else plain) == delimiter:
                break
            lines.append(line.lstrip("\t") if tabs else line)
        newline = self._text.find("\n", self._at)
        # Blanks keep the places of everything else as they are.
        self._text = f"{self._text[:newline]}{' ' * (start - newline - 1)}\n{self._text[start:]}"
        found = "".join(lines).rstrip("\n")
        return found if quoted else _Reader(f'"{_unquoted(found)}"')._double()

    def _skip_spaces(self) -> None:
        while not self.done and self._text[self._at] in _SPACE:
            self._at += 1

    def _skip_line(self) -> None:
        found = self._text.find("\n", self._at)
        self._at = len(self._text) if found < 0 else found

    def _word(self) -> tuple[str, bool]:
        parts: list[str] = []
        quoted = False
        begun = self._at
        while not self.done:
            here = self._text[self._at]
            # `<your token>` is no redirection anybody means, and `&` without spaces is a query somebody forgot to quote.
            if here in _SPACE or here in "\n;|" or (here == "&" and not self._in_a_url(begun)) or (here in "()" and not self._text.count("(", begun, self._at)):
                break
            if self._text.startswith("$'", self._at):
                parts.append(self._ansi())
            elif here == "'":
                parts.append(self._until("'"))
            elif here == '"' or self._text.startswith('$"', self._at):
                self._at += here == "$"
                parts.append(self._double())
            elif here == "\\":
                parts.append(self._escaped())
                continue
            else:
                parts.append(self._plain(here))
                continue
            quoted = True
        return "".join(parts), quoted

    def _in_a_url(self, begun: int) -> bool:
        return "?" in self._text[begun : self._at] and re.compile(r"&[\w.\[\]%$-]+=").match(self._text, self._at) is not None

    def _escaped(self) -> str:
        escaped = self._text[self._at + 1 : self._at + 2]
        self._at += 1 + len(escaped)
        if escaped == "\r" and self._text[self._at : self._at + 1] == "\n":
            self._at += 1
        return "" if escaped in ("\n", "\r") else escaped

    def _plain(self, here: str) -> str:
        if here in "$`" and (found := self._substituted()) is not None:
            return found
        self._at += 1
        return here

    def _until(self, quote: str) -> str:
        end = self._text.find(quote, self._at + 1)
        if end < 0:
            raise self._open(quote)
        inside = self._text[self._at + 1 : end]
        self._at = end + 1
        return inside

    def _open(self, quote: str) -> UnreadableCommand:
        line = self._text.count("\n", 0, self._at) + 1
        return UnreadableCommand(f"The quote {quote} that opens in line {line} is never closed; copy the whole command")

    def _double(self) -> str:
        parts: list[str] = []
        opened = self._at
        self._at += 1
        while not self.done:
            here = self._text[self._at]
            if here == '"':
                self._at += 1
                return "".join(parts)
            if here == "\\" and self._text[self._at + 1 : self._at + 2] in ("$", "`", '"', "\\", "\n"):
                parts.append("" if self._text[self._at + 1] == "\n" else self._text[self._at + 1])
                self._at += 2
            else:
                parts.append(self._plain(here))
        self._at = opened
        raise self._open('"')

    def _ansi(self) -> str:
        parts: list[str] = []
        opened = self._at
        self._at += 2
        while not self.done:
            here = self._text[self._at]
            self._at += 1
            if here == "'":
                # Browsers write what is beyond the first plane as two halves.
                return "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            if here != "\\":
                parts.append(here)
            elif (match := _CODED.match(self._text, self._at)) is not None:
                self._at = match.end()
                parts.append(_coded(match))
            else:
                escaped = self._text[self._at : self._at + 1]
                self._at += 1
                parts.append(_ESCAPES.get(escaped, f"\\{escaped}"))
        self._at = opened
        raise self._open("'")

    def _substituted(self) -> str | None:
        """A marked variable where one begins here; the command inside of a substitution is dropped."""
        start = self._at
        if self._text[start] == "`":
            self._until("`")
            return f"{OPEN}{CLOSE}"
        following = self._text[start + 1 : start + 2]
        if following == "(":
            depth = 0
            for number in range(start + 1, len(self._text)):
                depth += {"(": 1, ")": -1}.get(self._text[number], 0)
                if not depth:
                    self._at = number + 1
                    return f"{OPEN}{CLOSE}"
            raise self._open("$(")
        if following == "{":
            end = self._text.find("}", start)
            if end < 0:
                raise self._open("${")
            self._at = end + 1
            named = _NAME.match(self._text, start + 2)
            return f"{OPEN}{named.group() if named else ''}{CLOSE}"
        if (match := _NAME.match(self._text, start + 1)) is not None:
            self._at = match.end()
            return f"{OPEN}{match.group()}{CLOSE}"
        return None


def _unquoted(text: str) -> str:
    """In a here-document quotes are themselves, while variables and `\\` mean what they do in double quotes."""
    return text.replace('"', '\\"')


def _coded(match: re.Match[str]) -> str:
    if match.group(5) is not None:
        return chr(ord(match.group(5)) & 31)
    digits = next(each for each in match.groups() if each is not None)
    number = int(digits, 8 if match.group(4) is not None else 16)
    return chr(number) if number <= 0x10FFFF else "\ufffd"
