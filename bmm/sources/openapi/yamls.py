"""YAML -> plain JSON values, with the scalars of YAML 1.2 and a bound on what aliases may expand to.

Built from the parser's events: libyaml's composer, which PyYAML would use, overflows the C stack on deep nesting, and PyYAML's
constructor reads `on`, `yes` and dates as YAML 1.1 does.
"""

import re
from typing import Any, NoReturn

import yaml

from bmm.sources.finding import Finding, UnusableDocument

MAX_DEPTH = 200
MAX_ALIASED = 1_000_000
"""How many values aliases may add to those that are written out."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]{1,400}")
_BASED = re.compile(r"0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NUMBER_START = frozenset("0123456789+-.")

_Parser: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_SYNTAX = "The document is not valid YAML"


def load_yaml(text: str) -> tuple[object, list[Finding]]:
    """The only document of a YAML text, with a finding for each repeated key.

    Raises:
        UnusableDocument: not YAML, several documents, too deep, or an alias bomb; names the line.
    """
    parser = _Parser(text)
    try:
        return _Builder(parser).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        column = f", column {mark.column + 1}" if mark else ""
        raise UnusableDocument(f"{_SYNTAX}: {problem}{column}", line=mark.line + 1 if mark else None) from error
    except yaml.YAMLError as error:
        raise UnusableDocument(f"{_SYNTAX}: {str(error).splitlines()[0]}") from error
    finally:
        parser.dispose()


class _Builder:
    def __init__(self, parser: Any) -> None:
        self._next = parser.get_event
        self._anchors: dict[str, tuple[object, int]] = {}
        self._open: set[str] = set()
        self._path: list[str] = []
        self._aliased = 0
        self._findings: list[Finding] = []

    def document(self) -> tuple[object, list[Finding]]:
        self._next()  # the stream starts
        if isinstance(self._next(), yaml.StreamEndEvent):
            raise UnusableDocument("The document is empty.")
        value, _ = self._value(self._next())
        self._next()  # the document ends
        following = self._next()
        if not isinstance(following, yaml.StreamEndEvent):
            raise UnusableDocument("The file holds several YAML documents; give one", line=_line(following))
        return value, self._findings

    def _value(self, event: yaml.Event) -> tuple[object, int]:
        """A value and how many values it holds, itself included and aliases expanded."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        name = event.anchor if isinstance(event, yaml.NodeEvent) else None
        if isinstance(event, yaml.ScalarEvent):
            built: tuple[object, int] = _scalar(event), 1
        else:
            if len(self._path) > MAX_DEPTH:
                _refuse(event, f"The document is nested deeper than {MAX_DEPTH} levels")
            if name:
                self._open.add(name)
            built = self._mapping(event) if isinstance(event, yaml.MappingStartEvent) else self._sequence()
        if name:
            self._open.discard(name)
            self._anchors[name] = built
        return built

    def _alias(self, event: yaml.AliasEvent) -> tuple[object, int]:
        if event.anchor in self._open:
            _refuse(event, f"The alias *{event.anchor} stands inside what it names")
        if event.anchor not in self._anchors:
            _refuse(event, f"The alias *{event.anchor} has no anchor before it")
        value, size = self._anchors[event.anchor]
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            _refuse(event, f"Aliases expand to more than {MAX_ALIASED:,} values, the limit for documents")
        return value, size

    def _sequence(self) -> tuple[object, int]:
        values: list[object] = []
        total = 1
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            self._path.append(str(len(values)))
            value, size = self._value(event)
            self._path.pop()
            values.append(value)
            total += size
        return values, total

    def _mapping(self, start: yaml.Event) -> tuple[object, int]:
        found: dict[str, object] = {}
        lines: dict[str, int] = {}
        merged: list[object] = []
        total = 1
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event)
            self._path.append(key)
            value, size = self._value(self._next())
            if key == "<<" and getattr(event, "implicit", (False,))[0]:
                merged.append(value)
            elif key in found:
                self._repeated(key, lines[key], _line(event))
                found[key] = value
            else:
                found[key], lines[key] = value, _line(event)
            self._path.pop()
            total += size
        for value in merged:
            found = _merge(value, start) | found
        return found, total

    def _key(self, event: yaml.Event) -> str:
        if isinstance(event, yaml.AliasEvent):
            value, _ = self._alias(event)
            return str(value)
        if not isinstance(event, yaml.ScalarEvent):
            _refuse(event, "A key must be text, not a list or a mapping")
        if event.anchor:
            self._anchors[event.anchor] = event.value, 1
        return str(event.value)  # `200:` and `on:` are names in OpenAPI, whatever YAML makes of them

    def _repeated(self, key: str, first: int, again: int) -> None:
        pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in self._path)
        message = f"the key {key!r} occurs twice, in line {first} and in line {again}; the last one is used"
        self._findings.append(Finding(level="warning", pointer=pointer, message=message, fix="remove or rename one of them"))


def _merge(value: object, event: yaml.Event) -> dict[str, object]:
    """What `<<` brings in; of several mappings the first wins."""
    parts = value if isinstance(value, list) else [value]
    together: dict[str, object] = {}
    for part in reversed(parts):
        if not isinstance(part, dict):
            _refuse(event, "`<<` must name a mapping or a list of mappings")
        together |= part
    return together


def _scalar(event: yaml.ScalarEvent) -> object:
    """By the core schema of YAML 1.2: dates, `on`, `yes` and `1_000` are text."""
    value: str = event.value
    plain = event.implicit[0]
    tag = (event.tag or "").removeprefix("tag:yaml.org,2002:")
    if not plain and tag not in ("int", "float", "bool", "null"):
        return value
    if value in _NULL:
        return None
    if value in _BOOL:
        return _BOOL[value]
    if value[0] not in _NUMBER_START:
        return value
    if _INT.fullmatch(value):
        return int(value)
    if _BASED.fullmatch(value):
        return int(value, 0)
    return float(value) if _FLOAT.fullmatch(value) else value


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _refuse(event: yaml.Event, sentence: str) -> NoReturn:
    raise UnusableDocument(sentence, line=_line(event))
