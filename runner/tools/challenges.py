"""The challenges of a `WWW-Authenticate` header, read in one pass (RFC 9110 section 11.6.1)."""

from msgspec import Struct

MAX_CHARACTERS = 8192
"""Of one header; what is longer is no challenge worth answering."""
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TOKEN68 = _TOKEN | {"/"}


class Challenge(Struct, frozen=True, kw_only=True):
    """Scheme and names of parameters in lower case; values without their quotes and escapes, as Latin-1 text like every header."""

    scheme: str
    parameters: dict[str, str]


def challenges(header: str) -> list[Challenge]:
    """The challenges in the order they came. What cannot be read ends the list: nothing behind it is sure to mean what it says."""
    found: list[Challenge] = []
    reader = _Reader(header if len(header) <= MAX_CHARACTERS else "")
    while name := reader.member():
        if reader.takes("="):
            # Only a parameter of the challenge before it; one that is named twice makes the challenge mean two things.
            value = reader.value()
            if value is None or not found or name.lower() in found[-1].parameters:
                return found[:-1]
            found[-1].parameters[name.lower()] = value
        else:
            found.append(Challenge(scheme=name.lower(), parameters={}))
            reader.skip_token68()
    return found if reader.ended else found[:-1]


def parameters(header: str) -> dict[str, str]:
    """The parameters of a header without a scheme, such as `Authentication-Info`; none where it cannot be read."""
    found = challenges(f"x {header}")
    return found[0].parameters if len(found) == 1 else {}


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    @property
    def ended(self) -> bool:
        self._skip(" \t,")
        return self._at >= len(self._text)

    def member(self) -> str:
        """The next token, behind commas and blanks; empty where there is none."""
        self._skip(" \t,")
        return self._while(_TOKEN)

    def takes(self, char: str) -> bool:
        """Whether this comes next, blanks allowed; then it is read."""
        back = self._at
        self._skip(" \t")
        if self._text[self._at : self._at + 1] == char:
            self._at += 1
            return True
        self._at = back
        return False

    def value(self) -> str | None:
        """A token or a quoted string; None where it is neither."""
        self._skip(" \t")
        if self._text[self._at : self._at + 1] != '"':
            return self._while(_TOKEN) or None
        pieces, start = list[str](), self._at + 1
        while True:
            end = self._text.find('"', start)
            if end < 0:
                return None
            escape = self._text.find("\\", start, end)
            if escape < 0:
                self._at = end + 1
                return "".join((*pieces, self._text[start:end]))
            pieces += (self._text[start:escape], self._text[escape + 1 : escape + 2])
            start = escape + 2

    def skip_token68(self) -> None:
        """What some schemes have in place of parameters (`Negotiate YII=`); it is not taken for the name of one."""
        back = self._at
        self._skip(" \t")
        self._while(_TOKEN68)
        padded = self._while(frozenset("="))
        self._skip(" \t")
        if not (padded or "/" in self._text[back : self._at]) or self._text[self._at : self._at + 1] not in ("", ","):
            self._at = back

    def _skip(self, chars: str) -> None:
        self._while(frozenset(chars))

    def _while(self, chars: frozenset[str]) -> str:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in chars:
            self._at += 1
        return self._text[start : self._at]
