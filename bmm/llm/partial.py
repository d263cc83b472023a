"""Reads a spec while it is still being written: each tool as soon as its object is closed, wherever the text is split."""

import json
import re
from typing import Any

import msgspec

MAX_BYTES = 512 * 1024
MAX_DEPTH = 32
_OUTSIDE = re.compile(r'["{}\[\]:]')
_INSIDE = re.compile(r'["\\]')


class Unusable(ValueError):
    """An answer that cannot be a spec. `pointer` is the place in it (RFC 6901), `""` for the whole."""

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(f"{message} (at {pointer})" if pointer else message)
        self.message, self.pointer = message, pointer


class SpecReader:
    """Follows strings and brackets only. Whether the whole is a spec is decided when it is complete (`strict.read_spec`)."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._open_text = ""
        """What is still needed: from the open tool or string on."""
        self._at = 0
        self._size = 0
        self._depth = 0
        self._string: int | None = None
        """Where the open string began."""
        self._key: str | None = None
        """The last string of the top-level object: a key, once a colon follows."""
        self._section: str | None = None
        """Under which top-level key the reader is."""
        self._tool: int | None = None
        """Where the open tool began."""

    @property
    def text(self) -> str:
        """All that was fed."""
        return "".join(self._pieces)

    def feed(self, piece: str) -> list[dict[str, Any]]:
        """The tools that this piece closes, in order.

        Raises:
            Unusable: larger than `MAX_BYTES` or deeper than `MAX_DEPTH`.
        """
        self._size += len(piece.encode(errors="surrogatepass"))
        if self._size > MAX_BYTES:
            raise Unusable(f"the answer is larger than {MAX_BYTES // 1024} KB; make fewer or shorter tools")
        self._pieces.append(piece)
        self._open_text += piece
        found = []
        while (closed := self._next()) is not None:
            if (tool := _tool_in(closed)) is not None:
                found.append(tool)
        self._forget()
        return found

    def _next(self) -> str | None:
        """The text of the next closed tool, or None where more text is needed."""
        text = self._open_text
        while True:
            if self._string is not None and not self._end_of_string():
                return None
            match = _OUTSIDE.search(text, self._at)
            if match is None:
                self._at = len(text)
                return None
            self._at, sign = match.end(), match.group()
            if sign == '"':
                self._string = match.start()
            elif sign in "{[":
                self._open(sign, match.start())
            elif sign in "}]":
                self._depth -= 1
                if self._tool is not None and self._depth == 2:
                    start, self._tool = self._tool, None
                    return text[start : self._at]
            elif self._depth == 1:
                self._section = self._key

    def _forget(self) -> None:
        done = min(each for each in (self._at, self._tool, self._string) if each is not None)
        self._open_text, self._at = self._open_text[done:], self._at - done
        self._tool = None if self._tool is None else self._tool - done
        self._string = None if self._string is None else self._string - done

    def _open(self, sign: str, at: int) -> None:
        if sign == "{" and self._depth == 2 and self._section == "tools":
            self._tool = at
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unusable(f"the answer is nested deeper than {MAX_DEPTH} levels; make the schemas flatter")

    def _end_of_string(self) -> bool:
        text = self._open_text
        while match := _INSIDE.search(text, self._at):
            if match.group() == "\\":
                if match.end() == len(text):
                    self._at = match.start()  # what is escaped has not come yet
                    return False
                self._at = match.end() + 1
                continue
            self._at = match.end()
            if self._depth == 1:
                self._key = _string_in(text[self._string : self._at])
            self._string = None
            return True
        self._at = len(text)
        return False


def _tool_in(text: str) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError):
        return None  # the whole answer is refused for it later


def _string_in(text: str) -> str | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, str) else None
