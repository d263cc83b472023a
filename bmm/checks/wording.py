"""What texts that a model reads must not hold: characters nobody sees, orders to the model, padding, words about other tools."""

import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import Literal

from bmm.checks.letters import LATIN
from bmm.checks.orders import orders
from bmm.core.finding import Finding
from bmm.sources.openapi.texts import gives_orders

MAX_DESCRIPTION = 1024
Kind = Literal["text", "value", "document"]
"""Words about a tool; a value that may be data; a document or a prompt, which may speak to the model."""
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u180e\u00ad")
_SELECTORS = re.compile("[\ufe00-\ufe0e\U000e0100-\U000e01ef]{2,}|\ufe0f{2,}|[\U000e0100-\U000e01ef]")
_PADDING = re.compile(r"[ \t\u00a0\u2000-\u200a\u202f\u3000]{60,}\S|(?:[ \t]*\n){12,}[ \t]*\S")
_ENCODED = re.compile(r"(?<![A-Za-z0-9+/=])(?=[A-Za-z0-9+/]*[a-z])(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*\d)[A-Za-z0-9+/]{160,}={0,2}")
# Letters of other alphabets that look like Latin ones.
_LOOKALIKES = "аеорсухіјѕԁһԛԝьАВЕКМНОРСТХІЈЅοαινρτυκΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"
_MIXED = re.compile(rf"(?<![^\W\d_])[^\W\d_]*(?:[a-zA-Z]{{2,}}[{_LOOKALIKES}]|[{_LOOKALIKES}][a-zA-Z]{{2,}})[^\W\d_]*")
_URGES = re.compile(
    r"""(?ix)
    \b(?:always|first|must)\s+(?:be\s+)?(?:call(?:ed)?|use[d]?|invoke[d]?|run)\s+(?:this(?:\s+tool)?\s+)?(?:before|prior\s+to|instead\s+of)\s+(?:any|all|every|each|the\s+other)\b
    | \b(?:do\s+not|don't|never|without)\s+ask(?:ing)?\s+(?:the\s+user\s+)?for\s+(?:confirmation|permission|approval|consent)\b
    | \b(?:full|entire|whole|complete)\s+(?:conversation|chat(?:\s+history)?|system\s+prompt|context\s+window)\b
    | \byou\s+are\s+now\b | \bnew\s+(?:system\s+)?instructions?\s*: | \bas\s+an?\s+(?:ai|language\s+model|llm)\b
    | \b(?:contents?\s+of|read|open|cat)\s+(?:the\s+file\s+)?[`'"]?(?:~/|/etc/|/root/|/home/\w+/\.|\.env\b|\.ssh)
    | \b(?:pass|send|include|put|provide|append)\s+(?:\w+\s+){0,6}(?:api\s+keys?|passwords?|credentials|private\s+keys?|environment\s+variables)\s+
        (?:\w+\s+){0,4}(?:as|in|to|into)\s+(?:the\s+)?[`'"]?\w+[`'"]?\s+(?:parameter|argument|field|note)
    | \b(?:user|human)\s+(?:must|should|need)\s*(?:not|n't)\s+(?:see|know|be\s+(?:told|shown|informed))
    """
)
_DIRECTING = re.compile(
    r"\b(?i:instead\s+of|rather\s+than|do\s+not\s+(?:use|call)|don't\s+(?:use|call)|never\s+(?:use|call)|whenever|every\s+time|before|after|when)\s+"
    r"(?:(?i:using|calling|you\s+call|you\s+use)\s+)?(?i:the\s+)?[`'\"]?(?P<name>[a-z][a-z0-9]*(?:[_-][a-z0-9]+)+|[a-z]+[A-Z]\w+)[`'\"]?(?P<tool>\s+tool\b)?"
)


def hidden(text: str) -> str | None:
    """The first character that nobody sees, as U+XXXX; None where there is none."""
    if text.isascii() and (text.isprintable() or not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text.replace("\r\n", "\n"))):
        return None
    text = text.replace("\r\n", "\n")
    for place, each in enumerate(text):
        if (each not in "\n\t" and unicodedata.category(each) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")) or each in _FILLERS:
            if each == "\u200d" and _joins(text, place):
                continue
            if each == "\u200c" and 0 < place < len(text) - 1 and not (text[place - 1].isascii() or text[place + 1].isascii()):
                continue
            return f"U+{ord(each):04X}"
    match = _SELECTORS.search(text)
    return f"U+{ord(match[0][-1]):04X}" if match else None


def _joins(text: str, place: int) -> bool:
    """Whether a joiner stands between parts of one picture, or between letters of scripts that need it."""
    around = text[max(0, place - 1) : place] + text[place + 1 : place + 2]
    return len(around) == 2 and all(unicodedata.category(each) in ("So", "Sk", "Mn", "Lo", "Mc") or each == "\ufe0f" for each in around)


def scan(text: str, place: str, *, kind: Kind = "text", others: Collection[str] = ()) -> Iterator[Finding]:
    """What is wrong with one text; `others` are the names of the server's other tools."""
    if (code := hidden(text)) is not None:
        level: Literal["block", "ask"] = "ask" if kind == "document" else "block"
        if not (kind == "value" and code in ("U+000D", "U+000B", "U+000C", "U+001B", "U+001F", "U+0000", "U+00AD")):
            yield Finding(
                level=level, id="wording.hidden", place=place, message=f"There is a character that nobody sees ({code}).", fix="Take it out"
            )
    if kind == "document":
        return
    folded = unicodedata.normalize("NFKC", "".join(each for each in text if unicodedata.category(each) not in ("Cf", "Mn"))).translate(
        LATIN
    )
    if orders(text) or gives_orders(folded):
        message = "This text gives orders to the model that reads it."
        yield Finding(
            level="block", id="wording.imperative", place=place, message=message, fix="Say what the tool does, and nothing to the model"
        )
    if kind == "value":
        return
    if len(text) > MAX_DESCRIPTION:
        message = f"This text has {len(text):,} characters; models and people read at most {MAX_DESCRIPTION:,}."
        yield Finding(level="block", id="wording.long", place=place, message=message, fix="Say the same in fewer words")
    if _PADDING.search(text):
        yield Finding(
            level="block",
            id="wording.padding",
            place=place,
            message="Empty space pushes the rest of this text out of sight.",
            fix="Take it out",
        )
    if _URGES.search(folded):
        message = "This text tells the model what to do beside the tool."
        yield Finding(level="ask", id="wording.urging", place=place, message=message, fix="Say what the tool does")
    if _MIXED.search(text):
        message = "A word mixes letters of two alphabets that look alike."
        yield Finding(level="ask", id="wording.letters", place=place, message=message, fix="Write it in one alphabet")
    if _ENCODED.search(text):
        yield Finding(
            level="ask", id="wording.encoded", place=place, message="There is a long encoded text in here.", fix="Say it in words"
        )
    own = {each.lower() for each in others}
    for match in _DIRECTING.finditer(text):
        weight: Literal["ask", "note"]
        if match["name"].lower() in own:
            message, weight = f"This text directs the use of another tool, {match['name']!r}.", "note"
        elif match["tool"]:
            message, weight = f"This text directs the use of {match['name']!r}, a tool that this server does not have.", "ask"
        else:
            continue
        yield Finding(level=weight, id="wording.other_tool", place=place, message=message, fix="Describe this tool only")
        break
