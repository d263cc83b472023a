"""Text from a document as a model and a person should read it: without HTML, Markdown's marks, invisible characters and orders to a
model, of bounded length."""

import re
import unicodedata
from functools import lru_cache
from html import unescape

MAX_DESCRIPTION = 1024
MAX_ARGUMENT = 500
MAX_PROPERTY = 300

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co"})
_ELEMENTS = (
    "a abbr b blockquote body br center code dd details div dl dt em font h1 h2 h3 h4 h5 h6 head hr html i img important note kbd li ol p pre s "
    "small span strike strong sub summary sup table tbody td tfoot th thead title tr tt u ul var"
)
_DROPPED = re.compile(r"(?is)<(script|style|iframe|object|svg)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)")
_BREAKS = re.compile(r"(?i)<(?:br|/p|/div|/li|/tr|/h[1-6]|/pre|/ul|/ol|/table|hr)\b[^<>]*>")
# Only names that HTML knows: `<id>` in a description is a placeholder its author wants to be read.
_TAGS = re.compile(rf"(?i)</?(?:{'|'.join(_ELEMENTS.split())})(?:\s[^<>]*)?/?>")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n[ \n]*\n ?")


_IMAGES = re.compile(r"!\[([^\]\n]{0,200})\]\([^()\s]{0,2000}\)")
_LINKS = re.compile(r"\[([^\]\n]{1,300})\](?:\((?:[^()\s]|\([^()\s]*\)){0,2000}(?:\s+\"[^\"\n]*\")?\)|\[[^\]\n]{0,100}\])")
_HEADINGS = re.compile(
    r"(?m)^[ \t]{0,3}#{1,6}[ \t]+|^[ \t]{0,3}(?:=|-|\*|_){3,}[ \t]*$|^[ \t]*\|?[ \t]*:?-{3,}[-| :\t]*$|^[ \t]{0,3}(?:```|~~~).*$"
)
_STRONG = re.compile(r"\*\*(?=\S)([^*\n]{1,300}?)(?<=\S)\*\*")
_MARKS = re.compile(r"[#*_\[`~|=-]")
# Whole elements that address a model. Amazon's documents use <important> in lower case for remarks to people.
_ORDERING_ELEMENTS = re.compile(
    r"(?s)<\s*(IMPORTANT|SYSTEM)\b[^<>]*>.*?(?:<\s*/\s*\1\s*>|\Z)"
    r"|(?i:<\s*(system|instructions?|secret|assistant|prompt|hidden)\b[^<>]*>.{0,4000}?<\s*/\s*\2\s*>|\[/?INST\]|<\|(?:im_start|im_end|system|user|assistant|start_header_id)\|>)"
)
_ORDERS = re.compile(
    r"""(?ix)
    \b(?:ignore|disregard|forget|override)\s+(?:(?:all|any|the|your|these|of|every)\s+)*
        (?:previous|prior|above|earlier|preceding|other|existing|system)\s+(?:\w+\s+)?(?:instructions?|prompts?|messages?|rules?|context|directives?|tools?|guidelines)
    | \b(?:do\s+not|don't|never)\s+(?:tell|mention|inform|reveal|show|notify|ask|alert)\b[^.!?\n]{0,60}\b(?:user|human|person|operator)s?\b
    | \bwithout\s+(?:telling|asking|informing|notifying)\s+(?:the\s+)?(?:user|human)s?\b
    | (?:^|[\n.!?]\s*)(?:(?-i:SYSTEM|ASSISTANT)\s*:\s|(?:system|assistant)\s*:\s+(?:also|always|call|do|ignore|i\s|never|now|please|send|use|you)\b)
    | \b(?:before|after|when(?:ever)?)\s+(?:using|calling|invoking|you\s+(?:use|call|invoke))\s+(?:this|any|other|the)\s+tools?\b
    | \b(?:you|the\s+(?:assistant|model|agent|ai|llm))\s+(?:must|should|shall|have\s+to|are\s+required\s+to)\s+(?:\w+\s+){0,3}
        (?:read|send|call|use|include|pass|forward|post|upload)\b[^.!?\n]{0,120}(?:\bother\s+tools?\b|~/|\.ssh|\.env\b|/etc/|\bconversation\s+history\b|\bsystem\s+prompt\b|\bprevious\s+messages?\b)
    | \b(?:send|post|upload|forward|exfiltrate|leak)\b[^.!?\n]{0,80}
        \b(?:all\s+(?:the\s+|your\s+)?env(?:ironment)?|system\s+prompt|conversation\s+history|chat\s+history|private\s+keys?)\b
    | ~/\.(?:ssh|aws|env|config)\b | \bid_rsa\b | /etc/(?:passwd|shadow)\b
    """
)
_SIGNS = (
    "ignore", "disregard", "forget", "override", "tool", "exfiltrate", "leak", "all ", "system prompt",
    "conversation history", "chat history", "private key", "~/.", "id_rsa", "/etc/", "<important", "<system", "<instruction", "<secret",
    "<assistant", "<prompt", "<hidden", "[inst", "[/inst", "<|", ".ssh", ".env", "previous message",
)  # fmt: skip
_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")


def clean(text: object, limit: int = MAX_DESCRIPTION) -> str:
    """Text without HTML, Markdown's marks, controls, zero-width and bidirectional characters and orders to a model, at most `limit`
    characters; `""` for anything but text."""
    return shorten(_cleaned(text)[0], limit) if isinstance(text, str) and text else ""


def gives_orders(text: object) -> bool:
    """Whether something was taken out of a text because it speaks to a model."""
    return isinstance(text, str) and _cleaned(text)[1]


def _suspect(text: str) -> bool:
    """Whether a closer look is worth it: plain searches are much cheaper than the expressions."""
    low = text.lower()
    for sign in _SIGNS:
        if sign in low:
            return True
    if ("system" in low or "assistant" in low) and ":" in low:
        return True
    return any(who in low for who in ("user", "human", "person", "operator")) and any(
        word in low for word in ("not ", "don't", "never", "without")
    )


class _Visible(dict[int, int | None]):
    """For `str.translate`: what can be seen stays, the rest goes; looked up once for each character."""

    def __missing__(self, code: int) -> int | None:
        self[code] = code if chr(code) in "\n\t" or unicodedata.category(chr(code)) not in _UNSEEN else None
        return self[code]


_VISIBLE = _Visible()


@lru_cache(maxsize=20_000)
def _cleaned(text: str) -> tuple[str, bool]:
    # What is far beyond any limit cannot be seen in the result, and some descriptions are books.
    text = text[: MAX_DESCRIPTION * 8]
    if "&" in text:
        text = unescape(text)
    if not text.isascii() or not text.isprintable():
        # Before orders are looked for: a zero-width space inside a word would hide them.
        text = text.replace("\r\n", "\n").translate(_VISIBLE)
    ordered = False
    if _suspect(text):
        text, ordered = _without_orders(text)
    if "<" in text:
        text = _TAGS.sub("", _BREAKS.sub("\n", _DROPPED.sub(" ", text)))
    if _MARKS.search(text):
        text = _without_marks(text)
    if "  " in text or not text.isprintable():
        text = _LINES.sub("\n\n", _SPACES.sub(" ", text))
    return text.strip(), ordered


def _without_orders(text: str) -> tuple[str, bool]:
    rest = _ORDERING_ELEMENTS.sub(" ", text)
    if _ORDERS.search(rest):
        kept = [each for each in _pieces(rest) if not _ORDERS.search(each)]
        # An order that spans two sentences is still there: then nothing of the text is safe to keep.
        rest = " ".join(kept)
        if _ORDERS.search(rest):
            rest = ""
    return rest, rest != text


def _pieces(text: str) -> list[str]:
    return [each for each in _SENTENCES.split(text) if each]


def _without_marks(text: str) -> str:
    if "[" in text:
        text = _LINKS.sub(r"\1", _IMAGES.sub(r"\1", text))
    if "**" in text:
        text = _STRONG.sub(r"\1", text)
    return _HEADINGS.sub("", text)


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
