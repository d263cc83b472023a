"""curl commands → requests: the options of curl, read by the rules of the shell; nothing is run and no file is opened."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote, urlsplit

import msgspec
from msgspec import Struct

from bmm.errors import BadInput
from bmm.sources.credentials import CLOSE, OPEN
from bmm.sources.curl_options import REFUSED, TOLD, options_in
from bmm.sources.finding import Compiled, Remarks
from bmm.sources.openapi.options import Options
from bmm.sources.recorded import compile_recorded
from bmm.sources.seen import FORM, MULTIPART, FormPart, Seen, Sent
from bmm.sources.shell import UnreadableCommand, Words, first, split

__all__ = ["UnreadableCommand", "commands_in", "compile_curl"]

MAX_CURL_BYTES = 1024 * 1024
MAX_REQUESTS = 500
_CARET = re.compile(r"\^(?:(\r?\n)(\r?\n)?|(.))", re.DOTALL)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")


class Command(Struct, frozen=True, kw_only=True):
    """The options of one curl command, and where it ends in the text."""

    urls: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    end: int = 0
    stdin: str | None = None


def compile_curl(texts: list[str] | str, *, options: Options | None = None) -> Compiled:
    """The spec of curl commands; each becomes a tool, those for the same endpoint one together.

    Raises:
        UnreadableCommand: a command cannot be read; names it and what to do.
        BadInput: there is none, or no tool comes out of them.
    """
    remarks = Remarks()
    seen: list[Seen] = []
    number = 0
    for text in [texts] if isinstance(texts, str) else texts:
        if len(text) > MAX_CURL_BYTES:
            raise BadInput(f"The commands are larger than {MAX_CURL_BYTES // 1024:,} KiB, the limit for curl")
        for command in commands_in(text):
            number += 1
            seen += requests_of(command, f"command {number}", remarks)
            if len(seen) > MAX_REQUESTS:
                raise BadInput(f"There are more than {MAX_REQUESTS} requests, the limit for curl; give fewer commands")
    if not seen:
        raise BadInput("There is no curl command; it begins with `curl` and names a URL")
    return compile_recorded(seen, options=options or Options(), remarks=remarks)


def commands_in(text: str, *, prose: bool = False) -> list[Command]:
    """The curl commands of a script, `--next` counted as a new one. In `prose` the text begins with the only one and goes on after it.

    Raises:
        UnreadableCommand: an option is unknown, a quote open, or it is written for another shell.
    """
    if re.match(r"(?i)\s*(Invoke-(WebRequest|RestMethod)|iwr|irm|\$session\s*=)\b", text):
        raise UnreadableCommand("This is PowerShell; choose “Copy as cURL (bash)” in the browser's network tools instead")
    if re.match(r"\s*fetch\(", text):
        raise UnreadableCommand("This is JavaScript; choose “Copy as cURL (bash)” in the browser's network tools instead")
    given, text = text, _without_carets(text)
    found: list[Command] = []
    for words in [first(text)] if prose else split(text):
        at = next((number for number, word in enumerate(words.words) if re.fullmatch(r"(.*[/\\])?curl(\.exe)?", word)), None)
        if at is None:
            continue
        # A prompt before it (`$ curl`, `sudo curl`, `A=1 curl`) is not part of it; a word before it in prose would be.
        found += _parsed(words, at + 1, prose=prose)
    return found if text == given else [msgspec.structs.replace(each, end=_end_in(given, each.end)) for each in found]


def _without_carets(text: str) -> str:
    """What Windows' cmd makes of a text: `^` takes the meaning off the next character, and before a line's end joins it to the next."""
    return _CARET.sub(_meant, text) if re.search(r"curl(\.exe)?\s+(-\S+\s+)*\^\"|\^\r?\n", text) else text


def _meant(match: re.Match[str]) -> str:
    return match[3] or ("\n" if match[2] else " ")


def _end_in(text: str, end: int) -> int:
    """Where in the text is what ends at `end` without its carets."""
    for match in _CARET.finditer(text):
        shorter = len(match[0]) - len(_meant(match))
        if match.start() >= end:
            break
        end += shorter
    return min(end, len(text))


def _parsed(words: Words, start: int, *, prose: bool) -> Iterator[Command]:
    urls: list[str] = []
    options: list[tuple[str, str]] = []
    end, at = words.end, start
    while at < len(words.words):
        word = words.words[at]
        if word == "--next" or word == "-:":
            yield Command(urls=tuple(urls), options=tuple(options), end=words.end, stdin=words.stdin)
            urls, options = [], []
        elif len(word) > 1 and word.startswith("-") and not (prose and word == "--"):
            given = iter(words.words[at + 1 :])
            used = 0
            for name, value, took in options_in(word, given):
                used += took
                if name == "--url":
                    urls.append(value)
                else:
                    options.append((name, value))
            at += used
        elif prose and ((at > start and not words.quoted[at] and "://" not in word) or (urls and not words.quoted[at] and not _is_url(word))):
            end = words.starts[at]
            break
        else:
            urls.append(word.rstrip(".,;") if prose and not words.quoted[at] else word)
        at += 1
    yield Command(urls=tuple(urls), options=tuple(options), end=end, stdin=words.stdin)


def _is_url(word: str) -> bool:
    return re.match(r"(?i)https?://", word) is not None


def requests_of(command: Command, where: str, remarks: Remarks) -> list[Seen]:
    """What a command would send, one for each of its URLs.

    Raises:
        UnreadableCommand: it signs in in a way a server cannot, or names no URL.
    """
    if not command.urls:
        raise UnreadableCommand(f"The {where} names no URL; copy the whole command, or take the line out")
    request = _Request(where, remarks, command.stdin)
    for name, value in command.options:
        if name in REFUSED:
            raise UnreadableCommand(f"The {where} uses {name} ({REFUSED[name]}), which a server cannot do; leave it out and sign in with a header")
        if name in TOLD:
            remarks.note("", f"{where}: {TOLD[name]}")
        elif (act := _ACTS.get(name)) is not None:
            act(request, value)
    return [request.seen(url) for url in command.urls]


class _Request:
    """What the options of one command add up to."""

    def __init__(self, where: str, remarks: Remarks, stdin: str | None) -> None:
        self.where, self._remarks, self._stdin = where, remarks, stdin
        self.method = ""
        self.headers: list[tuple[str, str]] = []
        self.cookies: list[tuple[str, str]] = []
        self.data: list[str] = []
        self.query: list[str] = []
        self.parts: list[FormPart] = []
        self.basic: tuple[str, str] | None = None
        self.bearer: str | None = None
        self.certificate = self.has_key = self.digest = self.as_query = self.head = self.as_json = self.upload = self.from_file = False

    def header(self, value: str) -> None:
        name, colon, text = value.partition(":")
        if value.startswith("@"):
            self._remarks.warn("", f"{self.where}: headers from a file are not read", "write them out with -H")
        elif name.strip().lower() == "cookie":
            self.cookie(text)
        elif colon and text.strip():
            self.headers.append((name.strip(), text.strip()))

    def cookie(self, value: str) -> None:
        if "=" not in value:
            self._remarks.warn("", f"{self.where}: cookies from a file are not read", "write them out: -b 'name=value'")
            return
        pairs = [each.strip().partition("=") for each in value.split(";") if each.strip()]
        self.cookies += [(name.strip(), text.strip()) for name, _, text in pairs]

    def datum(self, value: str) -> None:
        self._file(value) if value.startswith("@") else self.data.append(value)

    def encoded(self, value: str) -> None:
        self.data.append(self._encoded(value))

    def url_query(self, value: str) -> None:
        self.query.append(value[1:] if value.startswith("+") else self._encoded(value))

    def json(self, value: str) -> None:
        self.as_json = True
        self._file(value) if value.startswith("@") else self.data.append(value)

    def form(self, value: str) -> None:
        name, _, text = value.partition("=")
        text, *more = text.split(";") if not text.startswith('"') else [text.strip('"')]
        content_type = next((each.strip()[5:] for each in more if each.strip().lower().startswith("type=")), None)
        file = text.startswith(("@", "<"))
        self.parts.append(FormPart(name=name, text="" if file else text, file=text.startswith("@"), content_type=content_type))

    def form_string(self, value: str) -> None:
        name, _, text = value.partition("=")
        self.parts.append(FormPart(name=name, text=text))

    def user(self, value: str) -> None:
        name, _, password = value.partition(":")
        self.basic = name, password

    def certificate_file(self, value: str) -> None:
        self.certificate = True
        file, locked, _ = value.partition(":")
        how = "set the secret from the file, its key as `openssl pkey -in FILE` prints it" if locked else "set the secret from the file"
        self._remarks.note("", f"{self.where}: the certificate {file[:80]} is not read; its content is a secret", how)

    def upload_file(self, _: str) -> None:
        self.upload = self.from_file = True

    def _file(self, value: str) -> None:
        if value == "@-" and self._stdin is not None:
            self.data.append(self._stdin)
            return
        self.from_file = True
        self._remarks.note("", f"{self.where}: the file {value[:80]} is not read; its content is an argument")

    def _encoded(self, value: str) -> str:
        # `content`, `=content`, `name=content`, `@file`, `name@file`
        name, sign, text = re.fullmatch(r"([^=@]*)([=@]?)(.*)", value, re.DOTALL).groups()  # type: ignore[union-attr]
        if sign == "@":
            self._remarks.note("", f"{self.where}: the file {text[:80]} is not read; its content is an argument")
            text = ""
        elif not sign:
            return quote(name, safe=OPEN + CLOSE)
        content = quote(text, safe=OPEN + CLOSE)
        return f"{name}={content}" if name else content

    def seen(self, url: str) -> Seen:
        url = url if re.match(r"(?i)[a-z][a-z0-9+.-]*://", url) else f"http://{url}"
        basic = self.basic
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise UnreadableCommand(f"The URL of the {self.where} cannot be used: {error}") from error
        if "@" in parts.netloc:
            name, _, password = parts.netloc.rpartition("@")[0].partition(":")
            basic = basic or (unquote(name), unquote(password))
            url = url.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1)
        if self.digest and basic is None:
            self._remarks.warn("", f"{self.where}: --digest means nothing without a user and is left out", "add -u USER:PASSWORD")
        if self.has_key and not self.certificate:
            self._remarks.warn("", f"{self.where}: --key means nothing without a certificate and is left out", "add --cert FILE")
        added = [*(self.data if self.as_query else []), *self.query]
        if added:
            url, _, fragment = url.partition("#")
            url += f"{'&' if '?' in url else '?'}{'&'.join(added)}{f'#{fragment}' if fragment else ''}"
        body = None if self.as_query else self._body()
        method = (self.method or ("HEAD" if self.head else "PUT" if self.upload else "POST" if body or (self.data and not self.as_query) else "GET")).upper()
        if method not in _METHODS:
            raise UnreadableCommand(f"The {self.where} uses the method {method[:20]!r}, which a server cannot send")
        return Seen(
            where=self.where, method=method, url=url, headers=tuple(self.headers), cookies=tuple(self.cookies), basic=basic,
            digest=self.digest, certificate=("pair" if self.has_key else "file") if self.certificate else None, bearer=self.bearer, body=body,
        )  # fmt: skip

    def _body(self) -> Sent | None:
        given = next((value for name, value in reversed(self.headers) if name.lower() == "content-type"), None)
        if self.parts:
            return Sent(media_type=MULTIPART, parts=tuple(self.parts))
        if not self.data and not self.from_file:
            return None
        text = ("" if self.as_json else "&").join(self.data)
        if not text and not self.from_file:
            return None  # `-d ''` only makes it a POST
        if given is None and not self.as_json and text.lstrip()[:1] in ("{", "["):
            # Sent as a form by curl; whoever writes JSON after -d means JSON, and APIs that read it so are many.
            self._remarks.note("", f"{self.where}: the body is JSON and is sent as such, though the command does not say so")
            given = "application/json"
        default = "application/json" if self.as_json else "application/octet-stream" if self.upload else FORM
        media_type = (given or default).strip()
        return Sent(media_type=media_type, text=text, file=self.from_file and not self.data)


def _set(name: str, value: object) -> Callable[[_Request, str], None]:
    return lambda request, _: setattr(request, name, value)


_ACTS: dict[str, Callable[[_Request, str], None]] = {
    "--request": lambda request, value: setattr(request, "method", value),
    "--oauth2-bearer": lambda request, value: setattr(request, "bearer", value),
    "--user-agent": lambda request, value: request.headers.append(("User-Agent", value)),
    "--header": _Request.header, "--cookie": _Request.cookie, "--data": _Request.datum, "--data-binary": _Request.datum,
    "--data-raw": lambda request, value: request.data.append(value),
    "--data-urlencode": _Request.encoded, "--url-query": _Request.url_query, "--json": _Request.json, "--form": _Request.form,
    "--form-string": _Request.form_string, "--user": _Request.user, "--upload-file": _Request.upload_file,
    "--cert": _Request.certificate_file, "--key": _set("has_key", True), "--digest": _set("digest", True),
    "--get": _set("as_query", True), "--head": _set("head", True),
}  # fmt: skip

