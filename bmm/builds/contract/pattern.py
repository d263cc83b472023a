"""A text that a regular expression accepts, for the plain expressions that schemas hold; whether it fits, the schema says afterwards."""

_CLASSES = {
    "d": "1",
    "w": "a",
    "s": " ",
    "D": "a",
    "W": "-",
    "S": "a",
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "b": "",
    "B": "",
    "A": "",
    "Z": "",
    "z": "",
}
_LETTERS = "a1A-_. /:"
_MOST = 1000


class CannotSample(ValueError):
    """The expression has something this does not know, such as a back-reference."""


def sample(pattern: str, times: int = 1) -> str:
    """A text for an expression; `times` is how often what may be repeated without end is repeated.

    Lookarounds are skipped, so the text may break what they ask for.

    Raises:
        CannotSample: as it says.
    """
    reader = _Reader(pattern, times)
    text = reader.choice()
    if not reader.ended:
        raise CannotSample(pattern)
    return text


class _Reader:
    def __init__(self, pattern: str, times: int) -> None:
        self._pattern, self._times, self._at = pattern, times, 0

    @property
    def ended(self) -> bool:
        return self._at >= len(self._pattern)

    def choice(self) -> str:
        """The first of the alternatives that says something."""
        found = [self._sequence()]
        while self._next("|"):
            found.append(self._sequence())
        return next(filter(None, found), "")

    def _sequence(self) -> str:
        text = ""
        while not self.ended and self._pattern[self._at] not in "|)":
            text += self._repeated(self._atom())
            if len(text) > _MOST:
                raise CannotSample(self._pattern)
        return text

    def _atom(self) -> str:
        char = self._take()
        match char:
            case "(":
                return self._group()
            case "[":
                return self._set()
            case "\\":
                return self._escape()
            case "^" | "$":
                return ""
            case ".":
                return "a"
            case _:
                return char

    def _group(self) -> str:
        skipped = False
        if self._next("?"):
            for start in ("<=", "<!", "=", "!"):
                if self._next(start):
                    skipped = True
                    break
            else:
                if self._next("P<") or self._next("<"):
                    self._at = self._pattern.index(">", self._at) + 1 if ">" in self._pattern[self._at :] else len(self._pattern)
                elif not self._next(":"):
                    raise CannotSample(self._pattern)
        text = self.choice()
        if not self._next(")"):
            raise CannotSample(self._pattern)
        return "" if skipped else text

    def _set(self) -> str:
        """A character of the set: its first, or one that a negated set leaves."""
        negated, held, ranges = self._next("^"), "", list[tuple[str, str]]()
        first = True
        while first or not self._next("]"):
            first = False
            char = self._take()
            char = self._escape() if char == "\\" else char
            if self._pattern[self._at : self._at + 1] == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", ""):
                self._take()
                ranges.append((char, self._take()))
            held += char
        if not negated:
            return held[:1]
        for char in _LETTERS:
            if char not in held and not any(low <= char <= high for low, high in ranges):
                return char
        raise CannotSample(self._pattern)

    def _escape(self) -> str:
        char = self._take()
        if char in "xu" and (digits := self._pattern[self._at : self._at + (2 if char == "x" else 4)]).isalnum():
            self._at += len(digits)
            try:
                return chr(int(digits, 16))
            except ValueError:
                raise CannotSample(self._pattern) from None
        if char in "pP" and self._next("{"):
            name = self._pattern[self._at : self._pattern.find("}", self._at)]
            self._at += len(name) + 1
            return "1" if name.startswith("N") == (char == "p") else "a"
        if char.isdigit() or char == "k":
            raise CannotSample(self._pattern)
        return _CLASSES.get(char, char)

    def _repeated(self, atom: str) -> str:
        if self._next("?"):
            least, most = 0, 1
        elif self._next("*"):
            least, most = self._times, None
        elif self._next("+"):
            least, most = max(1, self._times), None
        elif found := self._bounds():
            least, most = found
        else:
            return atom
        self._next("?")
        return atom * (least if most is None else min(max(least, self._times if most > 1 else least), most))

    def _bounds(self) -> tuple[int, int | None] | None:
        end = self._pattern.find("}", self._at)
        if self._pattern[self._at : self._at + 1] != "{" or end < 0:
            return None
        low, comma, high = self._pattern[self._at + 1 : end].partition(",")
        if not low.isdigit() or (high and not high.isdigit()):
            return None
        self._at = end + 1
        if not comma:
            return int(low), int(low)
        return (int(low), int(high)) if high else (max(int(low), self._times), None)

    def _take(self) -> str:
        if self.ended:
            raise CannotSample(self._pattern)
        self._at += 1
        return self._pattern[self._at - 1]

    def _next(self, text: str) -> bool:
        if not self._pattern.startswith(text, self._at):
            return False
        self._at += len(text)
        return True
