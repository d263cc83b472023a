"""Credentials in requests that somebody recorded: where they stand, and a place for their values that nothing writes down."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from msgspec import Struct

from bmm.checks.secrets import hits

# What a shell would put in place of a variable, between these two; private use, so no text has them by itself.
OPEN, CLOSE = "\ue000", "\ue001"
_SHORTEST = 8
"""Characters of a credential that is looked for where it should not be; a shorter one is a word."""
VARIABLE = re.compile(f"{OPEN}([^{CLOSE}]*){CLOSE}")

_HEADERS = re.compile(
    r"(?i)^(proxy-)?authorization$|(^|[-_])(x-)?(api|app|access|auth|secret|private|subscription|license|client|functions)[-_]?(key|token|secret)$"
    r"|(^|[-_])(token|secret|apikey|password|passwd|jwt|session|sessionid|credential|csrf|xsrf|signature)$|[-_](csrf|xsrf)[-_]token$"
)
_QUERY = re.compile(
    r"(?i)^(api|app|access|auth|secret|private|subscription|client|developer)?[-_]?(key|secret)$|^(apikey|appid|app_id|appkey|jwt|sig|signature|sid|pwd)$"
    r"|^(api|app|access|auth|id|refresh|oauth|session|csrf|xsrf|bearer)[-_]?token$|^token$|^(x-amz-(credential|signature|security-token))$"
    r"|pass(word|wd|phrase)$"
)
_MEMBERS = re.compile(
    r"(?i)^(pass(word|wd|phrase)?|pwd|pin|otp|secret|api_?key|client_?secret|(access|refresh|id|auth|bearer|csrf|session)_?token|private_?key"
    r"|(api|app)_?token|(access|secret|app)_?key|assertion|client_?assertion|current_?password|new_?password|password_?confirmation|cvv|cvc|card_?number|ssn)$"
)
# In a body as often what the request is about: the token of a device, the key of an entry.
_DOUBTFUL = re.compile(r"(?i)^(token|key|auth|authorization|apikey|signature|session(_?id)?|sid)$")
_COOKIES = re.compile(r"(?i)sess|(^|[._-])sid$|auth|token|jwt|login|remember|csrf|xsrf|^__(host|secure)-|identity|credential|^user_?id$")
# In a path there is no place for a secret: `/bot123:AA…/sendMessage`, `/services/T0/B0/…`.
_IN_PATH = re.compile(r"/bot\d{6,}:[\w-]{20,}|/services/T\w{6,}/B\w{6,}/\w{16,}|/api/webhooks/\d{10,}/[\w-]{20,}")
_MADE_UP = re.compile(
    r"(?i)^(\$\{?\w+\}?|<[^<>]*>|\{\{?[\w .-]*\}?\}|\[[\w .-]*\]|%\w+%|x{3,}|\*{3,}|\.{3,}|…|(your|my|insert|enter|replace)[-_ ].*|.*[-_](here|goes[-_]here)"
    r"|(api[-_]?key|token|access[-_]?token|secret|password|key|bearer)|\.\.\.)$"
)


class Credentials(Mapping[str, str]):
    """Secret key -> the value that was seen. Prints as its keys; what encodes or compares values has to take them one by one."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Credentials({', '.join(self._values)})"

    def line_in(self, text: str) -> int | None:
        """The first line of a text in which a value stands, as it is or percent-encoded; user names and short values are words."""
        looked_for = [value for key, value in self._values.items() if len(value) >= _SHORTEST and not key.endswith("USERNAME")]
        lines = enumerate(text.splitlines(), 1) if looked_for else ()
        return next((number for number, line in lines if any(each in line or each in unquote(line) for each in looked_for)), None)


class Value(Struct, frozen=True):
    """What stood where a credential goes: its text, none where a shell variable or a placeholder stood for it."""

    text: str
    variable: str = ""

    def __repr__(self) -> str:
        return f"Value({self.variable or 'hidden'})"


def value_of(text: str) -> Value:
    """`$TOKEN` and `<your token>` name or stand for a value; anything else is one."""
    text = text.strip()
    if (found := VARIABLE.search(text)) is not None:
        return Value("", variable=found.group(1))
    if (named := re.fullmatch(r"\$\{?([A-Za-z_]\w*)\}?|%([A-Za-z_]\w*)%|\{\{([A-Za-z_]\w*)\}\}", text)) is not None:
        return Value("", variable=next(each for each in named.groups() if each))
    return Value("") if _MADE_UP.match(text) or not text else Value(text)


def is_header(name: str, value: str) -> bool:
    return _HEADERS.search(name) is not None or looks_like_one(value)


def is_query(name: str, value: str) -> bool:
    return _QUERY.search(name) is not None or looks_like_one(value)


def is_cookie(name: str) -> bool:
    return _COOKIES.search(name) is not None


def is_member(name: str, value: object = None) -> bool:
    return _MEMBERS.match(name) is not None or (isinstance(value, str) and looks_like_one(value))


def is_doubtful_member(name: str) -> bool:
    """Whether a member of a body may be a credential: an argument without the value that was seen."""
    return _DOUBTFUL.match(name) is not None


def looks_like_one(text: str) -> bool:
    """Whether a text holds a key by its form alone."""
    return bool(hits(text, thorough=False))


def in_path(path: str) -> bool:
    return _IN_PATH.search(path) is not None or looks_like_one(path)
