"""URI templates of RFC 6570 level 1: `{name}` and nothing else; and texts with such places, where `{{` and `}}` are braces."""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from msgspec import Struct

MAX_URI = 8192
"""Longer ones name nothing. Matching takes at most a few passes over a URI."""
_NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"
_PLACE = re.compile(rf"\{{\{{|\}}\}}|\{{({_NAME})\}}|[{{}}]")
_WIDEST = 12
"""Characters that one character of a value may take: four bytes, each as `%XX`."""


class Malformed(ValueError):
    """A text with a brace that is neither doubled nor part of `{name}`, or a URI template that cannot be matched."""


def places(text: str) -> list[str]:
    """The names in a text, in order and as often as they occur.

    Raises:
        Malformed: names the character.
    """
    names = []
    for found in _PLACE.finditer(text):
        if found.group(1) is not None:
            names.append(found.group(1))
        elif len(found.group()) == 1:
            raise Malformed(f"the brace at character {found.start() + 1} belongs to no {{name}}; a brace itself is written twice")
    return names


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its values in place; a name without a value becomes nothing, and what a value holds is not read again."""
    return _PLACE.sub(lambda found: values.get(name, "") if (name := found.group(1)) else found.group()[0], text)


def longest(text: str, values: Mapping[str, str]) -> int:
    """Characters that `filled` gives, or a few more."""
    return len(text) + sum(len(values.get(name, "")) for name in places(text))


def expanded(uri: str, values: Mapping[str, str]) -> str:
    """The URI with its values percent-encoded (RFC 6570, 3.2.2); a URI that is one place and nothing else is the value itself."""
    found = _PLACE.fullmatch(uri)
    if found is not None and found.group(1):
        return filled(uri, values)
    return filled(uri, {name: quote(value, safe="") for name, value in values.items()})


class UriTemplate(Struct, frozen=True):
    """A template taken apart: the text before the first variable, then each variable with the text that follows it."""

    start: str
    rest: tuple[tuple[str, str], ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.rest)

    def match(self, uri: str, allowed: Mapping[str, tuple[str, ...]]) -> dict[str, str] | None:
        """The variables of a URI, percent-decoded; None where it is not of this family.

        A variable with allowed values is one of them; another takes anything but nothing and a slash, up to the first place where the
        text after it follows.
        """
        if len(uri) > MAX_URI or not uri.startswith(self.start):
            return None
        at, found = len(self.start), dict[str, str]()
        for number, (name, after) in enumerate(self.rest):
            last = number == len(self.rest) - 1
            taken = _taken(uri, at, after, last=last, allowed=allowed.get(name))
            if taken is None:
                return None
            found[name], at = taken
        return found if at == len(uri) else None


def parsed(uri: str) -> UriTemplate:
    """A URI template.

    Raises:
        Malformed: a variable occurs twice, or two stand side by side, so that nobody could tell where one ends.
    """
    names = places(uri)
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise Malformed(f"the variable {{{twice}}} occurs twice")
    if "{{" in uri or "}}" in uri:
        raise Malformed("a URI has no braces but those of its variables")
    start, *pieces = re.split(rf"\{{({_NAME})\}}", uri)
    rest = tuple(zip(pieces[::2], pieces[1::2], strict=True))
    for name, after in rest[:-1]:
        if not after:
            raise Malformed(f"text must stand between the variable {{{name}}} and the next one")
    return UriTemplate(start, rest)


def _taken(uri: str, at: int, after: str, *, last: bool, allowed: tuple[str, ...] | None) -> tuple[str, int] | None:
    """A variable's value and where the text after it ends."""
    if last:
        end = len(uri) - len(after)
        value = _value(uri, at, end, allowed) if uri.endswith(after) else None
        return None if value is None else (value, len(uri))
    # Of a variable that is free the first place decides; a value that is allowed may hold the text that follows.
    furthest = at + _WIDEST * max(map(len, allowed)) if allowed else at
    end = uri.find(after, at + 1)
    while end != -1:
        if (value := _value(uri, at, end, allowed)) is not None:
            return value, end + len(after)
        if end >= furthest:
            return None
        end = uri.find(after, end + 1)
    return None


def _value(uri: str, at: int, end: int, allowed: tuple[str, ...] | None) -> str | None:
    if end <= at:
        return None
    try:
        value = unquote(uri[at:end], errors="strict")
    except UnicodeDecodeError:
        return None
    good = value in allowed if allowed else "/" not in value
    return value if good else None
