"""Text from a document as a model and a person should read it: without HTML and invisible characters, of bounded length."""

import re
import unicodedata
from html import unescape

MAX_DESCRIPTION = 1024

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co"})
_ELEMENTS = (
    "a abbr b blockquote body br center code dd details div dl dt em font h1 h2 h3 h4 h5 h6 head hr html i img kbd li ol p pre s "
    "small span strike strong sub summary sup table tbody td tfoot th thead title tr tt u ul var"
)
_DROPPED = re.compile(r"(?is)<(script|style|iframe|object|svg)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)")
_BREAKS = re.compile(r"(?i)<(?:br|/p|/div|/li|/tr|/h[1-6]|/pre|/ul|/ol|/table|hr)\b[^<>]*>")
# Only names that HTML knows: `<id>` in a description is a placeholder its author wants to be read.
_TAGS = re.compile(rf"(?i)</?(?:{'|'.join(_ELEMENTS.split())})(?:\s[^<>]*)?/?>")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n[ \n]*\n ?")


def clean(text: object, limit: int = MAX_DESCRIPTION) -> str:
    """Text without HTML, controls, zero-width and bidirectional characters, at most `limit` characters; `""` for anything but text."""
    if not isinstance(text, str):
        return ""
    # What is far beyond the limit cannot be seen in the result, and some descriptions are books.
    text = text[: limit * 16]
    if "&" in text:
        text = unescape(text)
    if "<" in text:
        text = _TAGS.sub("", _BREAKS.sub("\n", _DROPPED.sub(" ", text)))
    if not text.isascii() or not text.isprintable():
        text = "".join(each for each in text.replace("\r\n", "\n") if each in "\n\t" or unicodedata.category(each) not in _UNSEEN)
    text = _LINES.sub("\n\n", _SPACES.sub(" ", text)).strip()
    return shorten(text, limit)


def one_line(text: object, limit: int) -> str:
    return shorten(" ".join(clean(text, limit * 4).split()), limit)


def shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    at = max(cut.rfind(" "), cut.rfind("\n"))
    return f"{cut[: at if at > limit * 3 // 4 else limit - 1].rstrip()}…"


def sentence_of(summary: object, description: object, otherwise: str) -> str:
    """What a tool says about itself: the summary, then what the description adds to it."""
    first, more = clean(summary, 300), clean(description)
    if not first or more.lower().startswith(first.rstrip(".").lower()):
        return more or otherwise
    if not more:
        return first
    return shorten(f"{first if first.endswith(('.', '!', '?', ':')) else first + '.'}\n\n{more}", MAX_DESCRIPTION)
