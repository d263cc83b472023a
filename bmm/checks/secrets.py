"""Credentials in text: keys of well-known services, passwords in addresses, and what stands next to a name like `api_key`; also split or encoded."""

import base64
import binascii
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple
from urllib.parse import unquote

from bmm.checks.letters import LATIN


class Hit(NamedTuple):
    """What it looks like, and the line on which it begins; never the value."""

    kind: str
    line: int


_EDGE = r"(?<![A-Za-z0-9])"
# Distinctive enough to be looked for without what stands before or between.
_CLEAR = {
    "an Anthropic key": r"sk-ant-[A-Za-z0-9]{2,8}-?[\w-]{12,}",
    "an OpenAI key": r"sk-(?:proj|svcacct|admin|None)-[\w-]{16,}|sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{16,}",
    "a key of a model's host": r"sk-or-v1-[0-9a-f]{40,}|gsk_[A-Za-z0-9]{40,}|xai-[A-Za-z0-9]{40,}",
    "a GitHub token": r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9]{10,}_?\w{10,}",
    "a GitLab token": r"gl(?:pat|dt|rt|ptt|soat)-[\w-]{18,}",
    "an AWS access key": r"(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}(?![A-Z0-9])",
    "a Google key": r"AIza[\w-]{33,}|GOCSPX-[\w-]{20,}|ya29\.[\w-]{20,}",
    "a Slack token": r"xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-\d-[A-Z0-9]+-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/T\w{6,}/B\w{6,}/\w{16,}",
    "a Stripe key": r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{24,}",
    "a JSON Web Token": r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    "a private key": (
        r"-----BEGIN[A-Z0-9 ]{0,30}PRIVATE ?KEY[A-Z ]{0,10}-----|AGE-SECRET-KEY-1[A-Z0-9]{50,}"
        r"|MII[\w+/]{2,5}IBADANBgkqhkiG9w0BAQEFAASC|MII[\w+/]{2,5}IBAAKC|b3BlbnNzaC1rZXktdjE"
    ),
    "a SendGrid key": r"SG\.[\w-]{16,}\.[\w-]{16,}",
    "a Notion token": r"secret_[A-Za-z0-9]{36,}|ntn_[A-Za-z0-9]{36,}",
    "a Hugging Face token": r"hf_[A-Za-z]{30,}|hf_[A-Za-z0-9]{34,}",
    "an npm or PyPI token": r"npm_[A-Za-z0-9]{34,}|pypi-AgE[\w-]{40,}",
    "a DigitalOcean token": r"do[opr]_v1_[0-9a-f]{40,}",
    "a Shopify token": r"shp(?:at|ss|ca|pa)_[0-9a-fA-F]{24,}",
    "a Linear key": r"lin_(?:api|oauth)_\w{30,}",
    "an Airtable token": r"pat[A-Za-z0-9]{14}\.[0-9a-f]{40,}",
    "a Discord webhook": r"discord(?:app)?\.com/api/webhooks/\d{15,}/[\w-]{40,}",
    "a Telegram token": r"\d{8,10}:AA[\w-]{32,}",
}
_PLAIN = {
    "an OpenAI key": r"sk-(?=[\w-]{0,60}\d)(?=[\w-]{0,60}[A-Z])(?!ant-)[A-Za-z0-9][\w-]{24,}",
    "a Discord token": r"[MNO][A-Za-z\d_-]{23,26}\.[\w-]{6}\.[\w-]{27,}",
    "a Mailgun key": r"key-(?=[a-z]*\d)[0-9a-z]{32}(?![0-9a-z])",
    "a password of curl": r"(?:\bcurl\b[^\n]{0,300}?\s(?:-u|--user)[ =]?[\"']?[\w.@-]{1,80}:)(?P<password>[^\s\"'@]{6,100})",
    "the value of a key": r"(?i:\b(?:api[ _-]?key|auth[ _-]?token|access[ _-]?token|secret[ _-]?key|bot[ _-]?token)\s{1,3})(?P<bearer>[\w~+/-]{24,}=*)",
    "a Twilio key": r"SK[0-9a-f]{32}(?![0-9a-f])",
    "an Azure key": r"(?i:(?:AccountKey|SharedAccessKey))=[\w+/]{40,}={0,2}",
    "a password in an address": r"(?i:\b(?!https?://[^\s/@]{0,200}:\d{1,5}[/@])[a-z][a-z0-9+.-]{1,20}://[^\s:/@'\"]{0,80}:(?P<password>[^\s/@'\"]{3,200})@[\w.\[])",
    "credentials of HTTP": r"(?i:\bBasic\s+(?P<basic>[A-Za-z0-9+/]{12,}={0,2}))",
    "a bearer token": r"(?i:\bBearer\s+)(?P<bearer>[\w.~+/-]{20,}=*)",
}


def _bounded(pattern: str) -> str:
    """Without an end, a search in a long text of one form would take the square of its length."""
    return re.sub(r"\{(\d+),\}", r"{\1,400}", pattern)


_CLEAR_ANY = re.compile("|".join(f"(?P<c{number}>{_bounded(pattern)})" for number, pattern in enumerate(_CLEAR.values())))
_CLEAR_EDGED = re.compile("|".join(f"(?P<c{number}>{_EDGE}(?:{_bounded(pattern)}))" for number, pattern in enumerate(_CLEAR.values())))
_CLEAR_NAMES = tuple(_CLEAR)
_PLAIN_ANY = tuple((name, re.compile(_bounded(each if each.startswith("(?i") else f"{_EDGE}(?:{each})"))) for name, each in _PLAIN.items())
_DATABASE = re.compile(
    r"(?i)(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql|oracle|clickhouse)(?:\+\w+)?://[^\s:/@'\"]{0,80}:(?P<password>[^\s/@'\"${}<%]{3,200})@[\w.\[]"
)
_NAMED = re.compile(
    r"(?i)(?<![a-z0-9])(?P<before>[a-z0-9]{1,30}[ _-]){0,3}?(?:(?:admin|db|ftp|my|pg|root|smb|ssh|user)(?=pass))?(?P<name>"
    r"(?:api|access|secret|auth|private|signing|encryption|master|bot)?[ _-]?(?:key|token|secret|credentials?)"
    r"|pass(?:word|wd|phrase|code)|(?<=[\"'_])pass(?=[\"'=])|pwd|passwor[dt]|kennwort|wachtwoord|contrase\u00f1a|clave|mot de passe|senha"
    r"|\u043f\u0430\u0440\u043e\u043b\u044c|\u5bc6\u7801|\u5bc6\u78bc|\u30d1\u30b9\u30ef\u30fc\u30c9|\ube44\ubc00\ubc88\ud638)"
    r"(?:[ _-](?:value|id))?[\"'`\]*]{0,3}\s{0,3}"
    r"(?:\b(?:is|was|ist|lautet|est|es|\u00e9)\b|[\u662f\u306f\uff1a]|=>|:=|={1,2}|:)\s{0,3}(?:\bbearer\s+)?"
    r"(?P<quote>[rbf]?[\"'`]{0,3})(?P<value>[^\s\"'`,;<>(){}\[\]]{6,300})"
)
_TOLD = re.compile(r"(?i:\bpass(?:word|wort)\s+)(?P<quote>[\"'`]?)(?P<value>[^\s\"'`,;<>(){}\[\]/:.]{8,100})")
_HARMLESS_BEFORE = re.compile(
    r"(?i)(idempotency|primary|foreign|partition|sort|cache|page|pagination|next|previous|continuation|cursor|object|s3|public|max|min|total|"
    r"prompt|completion|input|output|dedupe|deduplication|routing|translation|issue|project|json|dictionary|map|row|group|hash|product|license|sync|"
    r"cancellation|stop|start|end|special|mask|unknown|csrf|xsrf|etag|reset)[ _-]*$"
)
_MADE_UP = re.compile(
    r"(?i)your|example|sample|placeholder|change.?me|dummy|redacted|insert|replace|goes.?here|fake|\$\{|\$\(|^\$\w+$|\{\{|%\(|x{4}|\*{3}|\.{3}|…|#{4}|<.*>"
    r"|^(?:[\w-]*[_-])?(?:x+|\.+|\*+|_+|-+|0+|1234\d*|abc\w{0,6}|test|secret|password|none|null|true|false|string|undefined|pass|user|guest|token|key)$"
)
_BODY = re.compile(r"^(?:sk-ant-[a-z0-9]+-|[a-zA-Z]{2,6}[-_](?:[a-z]{2,8}[-_])?|AKIA|ASIA|AIza)")
_RUN = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_HEXES = re.compile(r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}){20,}(?![0-9a-fA-F])")
_BASE32 = re.compile(r"(?<![A-Z2-7])[A-Z2-7]{32,}(?![A-Za-z2-7])")
_NUMBERS = re.compile(r"(?<![\d.])\d{2,3}(?:[\s,;]{1,3}\d{2,3}){15,400}(?![\d.])")
_ESCAPES = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))")
_PASSWORDS = (
    "pass", "pwd", "kenn", "wacht", "contra", "clave", "mot ", "senha", "\u043f", "\u5bc6", "\u30d1", "\ube44",
)  # fmt: skip
_S = r"[ \t]{0,60}"
_GLUE = re.compile(
    # The end of a line, with what a quotation, a shell or a mail puts around it; or two texts in quotes side by side.
    rf"{_S}(?:[\"'`]{_S}(?:\+|\.|&|\\|,)?{_S})?(?:\\?\r?\n){_S}(?:[>#*|]{_S})?(?:(?:\+|\.|&)?{_S}[\"'`])?"
    rf"|[\"'`]{_S}[+.&]?{_S}[\"'`]"
)
_DASHES = dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE63, 0xFF0D, 0x02D7, 0x2043), "-")
_UNSEEN = frozenset({"Cf", "Cc", "Mn"})
_SIGNS = re.compile(
    r"(?i)[^\x00-\x7f]|key|token|secret|pass|pwd|credential|://|bearer|basic|sk-|gh[pousr]_|github_pat|glpat|A(?:KIA|SIA|IDA|ROA)|AIza|xox|eyJ|-----|[A-Za-z0-9+/_-]{24}"
)
_SHORTEST = 8
_MOST = 20
_LONGEST = 2_000_000


class _View(NamedTuple):
    """A text that was changed, and where each of its characters was before."""

    text: str
    at: list[int]


def hits(text: str, *, code: bool = False, thorough: bool = True) -> list[Hit]:
    """The credentials in a text, one for a line and at most `_MOST`. In `code` a value next to a name must be a literal.

    `thorough` also looks for keys with spaces in them and for keys written backwards.
    """
    text = text[:_LONGEST]
    if len(text) < _SHORTEST or not (thorough or _SIGNS.search(text)):
        return []
    seen: dict[int, Hit] = {}
    for kind, place in _all(text, code=code, thorough=thorough):
        # One for a line: what has a form of its own often stands next to a name as well.
        line = text.count("\n", 0, place) + 1
        seen.setdefault(line, Hit(kind, line))
        if len(seen) == _MOST:
            break
    return [seen[line] for line in sorted(seen)]


def in_pieces(text: str) -> list[Hit]:
    """The clearest forms only, in a text put together from others: words may follow a beginning such as `sk_test_` by chance."""
    found = [(kind, text[place : place + 40]) for kind, place in _clear(text, edged=False) if kind in _CLEAREST]
    return [Hit(kind, 1) for kind, value in found if sum(map(str.isdigit, value)) > 1 or "PRIVATE" in value][:1]


def _all(text: str, *, code: bool, thorough: bool) -> Iterator[tuple[str, int]]:
    plain = _folded(text)
    yield from ((kind, plain.at[place]) for kind, place in _in(plain.text, code=code))
    joined = _without(plain, _GLUE)
    yield from ((kind, joined.at[place]) for kind, place in _clear(joined.text, edged=False))
    yield from (
        ("a password in an address", joined.at[match.start()])
        for match in _DATABASE.finditer(joined.text)
        if not _is_made_up(match["password"])
    )
    for written in _unescaped(plain.text):
        yield from ((kind, 0) for kind, _ in _in(written, code=code))
    if not text.isascii():
        yield from ((kind, plain.at[place]) for kind, place in _clear(plain.text.translate(LATIN), edged=True))
    for view in (plain, joined):
        yield from ((kind, view.at[place]) for kind, place in _encoded(view.text))
    if not thorough:
        return
    # Letters with spaces between them. Words of a long text could meet by chance, so it takes the clearest forms.
    spaced = _without(joined, re.compile(r"[\s\"'`+,|*\u0080-\U0010ffff]+|__+"))
    yield from ((kind, spaced.at[place]) for kind, place in _clear(spaced.text, edged=False) if kind in _CLEAREST)
    yield from ((kind, spaced.at[place]) for kind, place in _encoded(spaced.text))
    backwards = plain.text[::-1]
    yield from ((kind, plain.at[len(backwards) - 1 - place]) for kind, place in _clear(backwards, edged=True) if kind in _CLEAREST)


_CLEAREST = frozenset(
    {
        "an Anthropic key",
        "a GitHub token",
        "an AWS access key",
        "a Google key",
        "a Slack token",
        "a private key",
        "an OpenAI key",
        "a Stripe key",
    }
)


def _folded(text: str) -> _View:
    """Compatibility forms and look-alike hyphens become plain, what nobody sees goes."""
    if text.isascii():
        return _View(text, list(range(len(text))))
    out: list[str] = []
    at: list[int] = []
    for place, each in enumerate(text):
        if not each.isascii():
            if unicodedata.category(each) in _UNSEEN:
                continue
            each = unicodedata.normalize("NFKC", each.translate(_DASHES)).translate(_DASHES)
        out.append(each)
        at += [place] * len(each)
    return _View("".join(out), at)


def _without(view: _View, pattern: re.Pattern[str]) -> _View:
    out: list[str] = []
    at: list[int] = []
    end = 0
    for match in pattern.finditer(view.text):
        out.append(view.text[end : match.start()])
        at += view.at[end : match.start()]
        end = match.end()
    out.append(view.text[end:])
    return _View("".join(out), at + view.at[end:])


def _in(text: str, *, code: bool) -> Iterator[tuple[str, int]]:
    yield from _clear(text, edged=True)
    for kind, pattern in _PLAIN_ANY:
        for match in pattern.finditer(text):
            value = next((each for each in match.groupdict().values() if each), match[0])
            if not _is_made_up(value) and _is_credential(kind, value):
                yield kind, match.start()
    for match in _TOLD.finditer(text):
        value = match["value"].rstrip("!?")
        kinds = (str.islower, str.isupper, str.isdigit, lambda each: not each.isalnum() and each not in "-_")
        if not code and not _is_made_up(value) and all(any(test(each) for each in value) for test in kinds):
            yield "a password", match.start()
    for match in _NAMED.finditer(text):
        if _is_value(match, code=code):
            yield f"the value of a {match['name'].lower().strip(' _-').replace('_', ' ')}", match.start()


def _clear(text: str, *, edged: bool) -> Iterator[tuple[str, int]]:
    for match in (_CLEAR_EDGED if edged else _CLEAR_ANY).finditer(text):
        if not _is_made_up(match[0]):
            yield _CLEAR_NAMES[int(str(match.lastgroup)[1:])], match.start()


def _is_credential(kind: str, value: str) -> bool:
    if kind == "credentials of HTTP":
        decoded = _decoded(value)
        return decoded is not None and ":" in decoded and not _is_made_up(decoded.partition(":")[2])
    if kind in ("a bearer token", "the value of a key"):
        return _is_random(value)
    if kind == "a password of curl":
        return any(each.isdigit() for each in value) and any(each.isalpha() for each in value) and not value.startswith(("$", "{", "%"))
    return not (kind == "a password in an address" and (value.startswith(("$", "{", "%", ":", "<")) or value.isdigit()))


def _is_value(match: re.Match[str], *, code: bool) -> bool:
    value, name = match["value"].rstrip(".:!?"), match["name"].lower()
    before = match.string[max(0, match.start() - 20) : match.start("name")]
    if (code and not match["quote"].strip("rbf")) or _is_made_up(value) or _HARMLESS_BEFORE.search(before):
        return False
    if re.fullmatch(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|(?:https?|urn|file)://?\S*|[A-Z][A-Z0-9_]*|/\S*|[a-z]+(?:[-_][a-z]+)*", value):
        return False
    if name.startswith(_PASSWORDS):
        kinds = sum(any(test(each) for each in value) for test in (str.islower, str.isupper, str.isdigit, lambda each: not each.isalnum()))
        return (
            kinds >= 2
            and any(each.isdigit() for each in value)
            and any(each.isalpha() for each in value)
            and not re.fullmatch(r"[\d.]+\w{0,6}", value)
        )
    return len(value) >= 16 and _is_random(value)


def _is_random(value: str) -> bool:
    """Letters and digits without an order that words have."""
    if not (any(each.isdigit() for each in value) and any(each.isalpha() for each in value)):
        return False
    counts = Counter(value)
    bits = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    return bits >= 3.0 and sum(each.isdigit() for each in value) >= 2


def _is_made_up(value: str) -> bool:
    body = _BODY.sub("", value)
    return bool(_MADE_UP.search(value)) or (bool(body) and set(body.lower()) <= set("x.*-_0"))


def _decoded(value: str) -> str | None:
    try:
        raw = base64.urlsafe_b64decode(value.rstrip("=").replace("+", "-").replace("/", "_") + "=" * (-len(value.rstrip("=")) % 4))
    except (binascii.Error, ValueError):
        return None
    return raw.decode("ascii") if raw and all(32 <= each < 127 or each in (9, 10, 13) for each in raw) else None


def _unescaped(text: str) -> Iterator[str]:
    """What the escapes of addresses, HTML and code stand for."""
    if "%" in text:
        yield unquote(text)
    if "&#" in text:
        yield unescape(text)
    if "\\x" in text or "\\u" in text:
        yield _ESCAPES.sub(lambda match: chr(int(match[1] or match[2], 16)), text)


def _encoded(text: str, *, depth: int = 0) -> Iterator[tuple[str, int]]:
    for match in _RUN.finditer(text) if depth < 1 else ():
        # A word before it, or a cut, shifts what is decoded.
        for shift in range(1, 8):
            if (inner := _decoded(match[0][shift:])) is not None:
                yield from ((kind, match.start()) for kind, _ in _clear(inner, edged=False) if kind in _CLEAREST)
    for pattern, decode in ((_RUN, _decoded), (_HEXES, _from_hex), (_BASE32, _from_base32), (_NUMBERS, _from_numbers)):
        for match in pattern.finditer(text):
            inner = decode(match[0])
            if inner is not None:
                yield from ((kind, match.start()) for kind, _ in _clear(inner, edged=True))
                yield from ((kind, match.start()) for kind, _ in _named_clearly(inner))
                if depth < 1:
                    yield from ((kind, match.start()) for kind, _ in _encoded(inner, depth=depth + 1))


def _named_clearly(text: str) -> Iterator[tuple[str, int]]:
    return (hit for hit in _in(text, code=False) if hit[0] in _PLAIN)


def _from_base32(value: str) -> str | None:
    raw = base64.b32decode(value + "=" * (-len(value) % 8)) if len(value) % 8 in (0, 2, 4, 5, 7) else b""
    return raw.decode("ascii") if raw and all(32 <= each < 127 for each in raw) else None


def _from_numbers(value: str) -> str | None:
    numbers = [int(each) for each in re.findall(r"\d+", value)]
    return "".join(map(chr, numbers)) if all(32 <= each < 127 for each in numbers) else None


def _from_hex(value: str) -> str | None:
    raw = bytes.fromhex(value)
    return raw.decode("ascii") if all(32 <= each < 127 or each in (9, 10, 13) for each in raw) else None
