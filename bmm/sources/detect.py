"""What stands in a free text already, before any model is asked: documents, databases, curl commands; and which source fits the words."""

import re
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from bmm.sources.curl import UnreadableCommand, commands_in
from bmm.sources.template import Template, templates

Kind = Literal["openapi", "database", "curl"]

_URL = re.compile(r"(?i)https?://[^\s<>\"'`|\\^{}]+")
_DATABASE = re.compile(r"(?i)\b(?:postgres(?:ql)?|mysql|mariadb|sqlite)(?:\+\w+)?://[^\s<>\"'`]+")
_DOCUMENT = re.compile(
    r"(?i)(open-?api|swagger|api-?docs|apispec)[^/]*$|\.(ya?ml|json)$|/(v[23]/)?(api-docs|openapi|swagger)(/v\d+)?/?$|/schema/?$"
)
_AFTER = ".,;:!?)]}»”\N{RIGHT SINGLE QUOTATION MARK}'\""
_MOST_READ = 1_000_000
"""Characters that are read as commands in one text: each beginning of a command may be read to the end."""
_WORD = re.compile(r"[^\W_]+")
_DATABASE_WORDS = re.compile(
    r"(?i)\b(postgres(ql)?|mysql|mariadb|sqlite|sql|database|datenbank|base de (datos|données)|banco de dados|tables?|tabellen?|rows|schema)\b"
)
_DOCUMENT_WORDS = re.compile(r"(?i)\b(open ?api|swagger|api (spec|specification|definition|documentation|docs))\b")
_API_WORDS = re.compile(r"(?i)\b(api|endpoints?|rest|http|webhooks?|schnittstelle|curl|requests?)\b")
_SITE_WORDS = re.compile(r"(?i)\b(web ?site|web ?app|browser|internal tool|dashboard|har|recorded?|login page)\b")


class Found(Struct, frozen=True, kw_only=True):
    """A description inside a text. `given` is what a source takes: it may hold credentials, so it goes nowhere else; `shown` has none."""

    kind: Kind
    given: str
    shown: str
    start: int
    end: int

    def __repr__(self) -> str:
        return f"Found({self.kind}, {self.shown})"


class Suggestion(Struct, frozen=True, kw_only=True):
    """Something that works without a model: the words after `bmm new` that use it, and why it may fit."""

    source: Literal["openapi", "database", "curl", "har", "template"]
    command: str
    reason: str
    template: str | None = None


def found_in(text: str) -> tuple[Found, ...]:
    """Documents' URLs, database URLs and curl commands, in the order in which they stand; a URL inside a command is part of it."""
    found = list(_commands(text))
    kinds: tuple[tuple[Kind, re.Pattern[str]], ...] = (("database", _DATABASE), ("openapi", _URL))
    for kind, pattern in kinds:
        for match in pattern.finditer(text):
            given = match.group().rstrip(_AFTER)
            inside = any(each.start <= match.start() < each.end for each in found)
            if inside or (kind == "openapi" and not _is_document(given)):
                continue
            found.append(Found(kind=kind, given=given, shown=_shown(given), start=match.start(), end=match.start() + len(given)))
    return tuple(sorted(found, key=lambda each: each.start))


def without(text: str, found: tuple[Found, ...]) -> str:
    """The text with what was found replaced by what may be shown of it: no password, no header."""
    for each in sorted(found, key=lambda one: -one.start):
        text = f"{text[: each.start]}{each.shown}{text[each.end :]}"
    return text


def suggestions(text: str, *, most: int = 3) -> tuple[Suggestion, ...]:
    """What fits the words, the best first: templates by the words they know, then the sources; each with the words that made it so."""
    scored = sorted(((*_fit(text, each), each) for each in templates()), key=lambda each: -each[0])
    found = [
        Suggestion(
            source="template", template=each.name, command=each.command,
            reason=f"{_listed(words)} in your words: {each.about}",
        )
        for score, words, each in scored
        if score >= 2
    ]  # fmt: skip
    named = {each.template for each in found}
    if (match := _DATABASE_WORDS.search(text)) is not None and "postgresql" not in named:
        reason = f"“{match.group()}” in your words: its tables become tools that only read, without a model"
        found.append(Suggestion(source="database", command="--database postgresql://USER@HOST/NAME", reason=reason))
    if (match := _DOCUMENT_WORDS.search(text)) is not None:
        reason = f"“{match.group()}” in your words: each operation of an OpenAPI document becomes a tool"
        found.append(Suggestion(source="openapi", command="--openapi URL", reason=reason))
    elif (match := _API_WORDS.search(text)) is not None:
        reason = f"“{match.group()}” in your words: the API's OpenAPI document, or a request you know to work, is enough"
        found.append(Suggestion(source="curl", command="--curl 'curl https://…'", reason=reason))
    if (match := _SITE_WORDS.search(text)) is not None:
        reason = f"“{match.group()}” in your words: what a browser recorded while you used it (Save all as HAR) becomes tools"
        found.append(Suggestion(source="har", command="--har FILE", reason=reason))
    return tuple(found[:most])


def _commands(text: str) -> Iterator[Found]:
    last, left = 0, _MOST_READ
    for match in re.finditer(r"(?<![\w./-])curl(?:\.exe)?(?=\s+(?:[\"'$^-]|https?://|[\w.-]+\.[a-z]{2,}))", text):
        if match.start() < last:
            continue  # a value of the command before
        # Prose quotes a command between backticks; inside a command they would be a substitution.
        before = text[: match.start()]
        fence = re.search(r"(`{3,}|`)[^`]*$", before) if before.count("`") % 2 or before.count("```") % 2 else None
        limit = text.find(fence.group(1), match.end()) if fence else -1
        piece = text[match.start() : limit if limit >= 0 else len(text)]
        try:
            command = next(iter(commands_in(piece, prose=True)), None)
        except UnreadableCommand:
            command = None
        # A command is read to the end of its line, one that cannot be read perhaps to the end of the text.
        left -= len(piece) if command is None else f"{piece}\n".index("\n", command.end)
        if left < 0:
            return
        if command is None or not command.urls:
            continue
        end = match.start() + command.end
        given = re.sub(r"(?<=['\"])[.,;:!?)]+$", "", text[match.start() : end].rstrip())
        shown = f"curl {' '.join(_shown(url) for url in command.urls)}"
        last = match.start() + len(given)
        yield Found(kind="curl", given=given, shown=shown, start=match.start(), end=last)


def shown(given: str) -> str:
    """What a source was given, without credentials: of a URL neither user name nor query, of commands their URLs."""
    if "://" not in given:
        return given[:80]
    commands = [each.shown for each in _commands(given)]
    return ", ".join(commands) if commands else _shown(given)


def without_queries(text: str) -> str:
    """A sentence with no more of its http addresses than may be shown: a redirect repeats what stood in the first, and may be signed itself."""
    return _URL.sub(lambda match: _shown(match.group()), text)


def _is_document(url: str) -> bool:
    path = re.sub(r"[?#].*", "", url.partition("://")[2].partition("/")[2])
    return _DOCUMENT.search(f"/{path}") is not None


_PLACE = re.compile(r"(?i)([a-z][a-z0-9+]*://)[^/?#@]*@([a-z0-9.:\[\]-]+(?:/[^/?#@:]*)?)(?:[?#].*)?", re.DOTALL)


def _shown(url: str) -> str:
    """Without user name, password and query, each of which may be a credential."""
    scheme, _, rest = url.partition("://")
    if _DATABASE.match(url) and "@" in url:
        # A password with a character that should be encoded ends where nobody can tell: then nothing of it is shown.
        whole = _PLACE.fullmatch(url)
        return f"{whole[1]}{whole[2]}" if whole else f"{scheme}://…"
    authority, slash, path = rest.partition("/")
    place = f"{authority.rpartition('@')[2]}{slash}{path}".partition("?")[0].partition("#")[0]
    return f"{scheme}://{place}" if rest else url.partition("?")[0]


def _fit(text: str, template: Template) -> tuple[int, list[str]]:
    """How well the words fit: the name of a service counts for itself, other words only together."""
    low = text.lower()
    words = set(_WORD.findall(low))
    named = [each for each in template.names if each in words or (" " in each and each in low)]
    more = [each for each in template.words if each in words or (" " in each and each in low)]
    return len(named) * 2 + len(more), [*named, *more]


def _listed(words: list[str]) -> str:
    return ", ".join(f"“{each}”" for each in words[:3])
